#!/usr/bin/env python3
"""Models in, proved by llama.cpp: directories of the Hugging Face shapes, read by its converter and by us.

  models_in.py LLAMA_CPP_SOURCE LLAMA_CPP_BIN [BIN]      not part of CI; needs Debian's python3-torch,
                                                         python3-sentencepiece and python3-tqdm

For every shape (Llama 2, TinyLlama, Llama 3.2, Mistral: their config.json, small sizes, random weights) it compares
  1. the tensors of convert_hf_to_gguf.py with those of minillm-export, byte for byte (the factors of llama3's rotations
     to 1e-5), and its metadata, but for what names and describes the file (general.*);
  2. 64 greedy tokens after five prompts: llama-cli on the converter's file, minillm-generate on the directory.
"""

import atexit, json, os, pathlib, re, shutil, struct, subprocess, sys, tempfile

import numpy as np

source, programs = (pathlib.Path(path).resolve() for path in sys.argv[1:3])
root = pathlib.Path(__file__).resolve().parents[2]
own = pathlib.Path(sys.argv[3] if len(sys.argv) > 3 else root / "build/release/bin").resolve()
if "MINILLM_TEST_DATA" not in os.environ:
    sys.exit("SKIPPED: the tokenizers are in the test data: set MINILLM_TEST_DATA to the folder that holds them")
data = pathlib.Path(os.environ["MINILLM_TEST_DATA"]).resolve()
sys.path.insert(0, str(source / "gguf-py"))
import gguf

# What the published models' config.json say, except for the sizes. `files`: number of weight files;
# `pieces`: the tokenizer's, if the vocabulary is larger.
small = {"hidden_size": 96, "intermediate_size": 160, "num_hidden_layers": 3, "hidden_act": "silu",
         "attention_bias": False, "mlp_bias": False, "initializer_range": 0.02, "use_cache": True, "bos_token_id": 1,
         "eos_token_id": 2, "pretraining_tp": 1}
models = {
    "Llama 2": {"files": 1, "dtype": "F16", "tokenizer": "llama_tokenizer.model", "config": {
        **small, "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 32000,
        "num_attention_heads": 6, "num_key_value_heads": 6, "max_position_embeddings": 512, "rms_norm_eps": 1e-05,
        "rope_scaling": None, "tie_word_embeddings": False, "torch_dtype": "float16"}},
    "Llama 2, linear RoPE scaling": {"files": 1, "dtype": "F32", "tokenizer": "spm_bpe512_tinystories.model", "config": {
        **small, "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 512,
        "num_attention_heads": 6, "num_key_value_heads": 6, "max_position_embeddings": 512, "rms_norm_eps": 1e-06,
        "rope_theta": 10000.0, "rope_scaling": {"type": "linear", "factor": 2.0}, "tie_word_embeddings": False}},
    "TinyLlama, padded vocabulary": {"files": 1, "dtype": "BF16", "pieces": 512,
                                     "tokenizer": "spm_bpe512_tinystories.model", "config": {
        **small, "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 576,
        "num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 2048, "rms_norm_eps": 1e-05,
        "rope_theta": 10000.0, "rope_scaling": None, "tie_word_embeddings": False, "torch_dtype": "bfloat16"}},
    "Llama 3.2": {"files": 2, "dtype": "BF16", "tokenizer": "spm_bpe512_tinystories.model", "config": {
        **small, "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 512, "head_dim": 16,
        "num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 131072, "rms_norm_eps": 1e-05,
        "rope_theta": 500000.0, "tie_word_embeddings": True, "torch_dtype": "bfloat16",
        "rope_scaling": {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                         "original_max_position_embeddings": 8192}}},
    "Mistral": {"files": 3, "dtype": "BF16", "tokenizer": "llama_tokenizer.model", "config": {
        **small, "architectures": ["MistralForCausalLM"], "model_type": "mistral", "vocab_size": 32000, "head_dim": 24,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 1024, "rms_norm_eps": 1e-05,
        "rope_theta": 1000000.0, "sliding_window": None, "tie_word_embeddings": False, "torch_dtype": "bfloat16"}},
}
prompts = ["Once upon a time", "The cat sat on the", "1, 2, 3,", "She said: \"", "Why"]


def encoded(values, dtype):
    if dtype == "F32":
        return values.astype("<f4").tobytes()
    if dtype == "F16":
        return values.astype("<f2").tobytes()
    bits = values.astype("<f4").view("<u4")  # any rounding will do: the weights are random
    return (bits >> 16).astype("<u2").tobytes()


def write_directory(path, model):
    config = model["config"]
    channels, inner, heads = config["hidden_size"], config["intermediate_size"], config["num_attention_heads"]
    head, kv = config.get("head_dim", channels // heads), config["num_key_value_heads"]
    shapes = {"model.embed_tokens.weight": (config["vocab_size"], channels)}
    for i in range(config["num_hidden_layers"]):
        block = f"model.layers.{i}."
        shapes |= {block + "self_attn.q_proj.weight": (heads * head, channels),
                   block + "self_attn.k_proj.weight": (kv * head, channels),
                   block + "self_attn.v_proj.weight": (kv * head, channels),
                   block + "self_attn.o_proj.weight": (channels, heads * head),
                   block + "mlp.gate_proj.weight": (inner, channels), block + "mlp.up_proj.weight": (inner, channels),
                   block + "mlp.down_proj.weight": (channels, inner),
                   block + "input_layernorm.weight": (channels,), block + "post_attention_layernorm.weight": (channels,)}
    shapes["model.norm.weight"] = (channels,)
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (config["vocab_size"], channels)
    rng = np.random.default_rng(1)
    values = {name: rng.normal(1 if len(shape) == 1 else 0, 0.15, shape) for name, shape in shapes.items()}
    if "pieces" in model:
        values["lm_head.weight"][model["pieces"]:] = 0  # llama.cpp may say what the tokenizer has no piece for; we never do
    tensors = {name: encoded(numbers, model["dtype"]) for name, numbers in values.items()}
    names, count = list(shapes), model["files"]
    files = [f"model-{i + 1:05}-of-{count:05}.safetensors" for i in range(count)] if count > 1 else ["model.safetensors"]
    where = {}
    for i, file in enumerate(files):
        header, at, body = {"__metadata__": {"format": "pt"}}, 0, b""
        for name in names[i::count]:
            header[name] = {"dtype": model["dtype"], "shape": shapes[name], "data_offsets": [at, at + len(tensors[name])]}
            at, body, where[name] = at + len(tensors[name]), body + tensors[name], file
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        (path / file).write_bytes(struct.pack("<Q", len(text)) + text + body)
    if count > 1:
        (path / "model.safetensors.index.json").write_text(json.dumps(
            {"metadata": {"total_size": sum(map(len, tensors.values()))}, "weight_map": where}))
    (path / "config.json").write_text(json.dumps(config, indent=2))
    shutil.copy(data / "weights" / model["tokenizer"], path / "tokenizer.model")


# The converter asks for the package safetensors, and for types newer than Debian's torch: enough of both for it.
SAFETENSORS = '''
import json, struct, torch
TYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
class safe_open:
    def __init__(self, path, framework, device):
        raw = open(path, "rb").read()
        size, = struct.unpack("<Q", raw[:8])
        self.header, self.raw = json.loads(raw[8:8 + size]), raw[8 + size:]
        self.header.pop("__metadata__", None)
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def keys(self): return self.header.keys()
    def get_slice(self, name): return Slice(self.header[name], self.raw)
class Slice:
    def __init__(self, entry, raw): self.entry, self.raw = entry, raw
    def get_dtype(self): return self.entry["dtype"]
    def get_shape(self): return self.entry["shape"]
    def __getitem__(self, _):
        begin, end = self.entry["data_offsets"]
        return torch.frombuffer(bytearray(self.raw[begin:end]), dtype=TYPES[self.entry["dtype"]]).reshape(self.entry["shape"])
'''


def run(*command, **options):
    result = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, **options)
    assert result.returncode == 0, f"{command[:2]}: {result.stderr.decode()[-800:]}"
    return result.stdout.decode("utf-8", "replace")


# Random weights say bytes that are no UTF-8; how many replacement characters are shown for them is a matter of taste.
def plain(text):
    return re.sub("\ufffd+", "\ufffd", text).rstrip(" ")


def value(field):
    parts = [field.parts[i] for i in field.data]
    if field.types[0] == gguf.GGUFValueType.ARRAY:
        return [part.tolist() for part in parts]
    return bytes(parts[0]).decode() if field.types[0] == gguf.GGUFValueType.STRING else parts[0].tolist()[0]


work = pathlib.Path(tempfile.mkdtemp())
atexit.register(shutil.rmtree, work)
(work / "safetensors.py").write_text(SAFETENSORS)
converter = (source / "convert_hf_to_gguf.py").read_text()
(work / "convert.py").write_text("\n".join(line for line in converter.split("\n") if "torch.float8" not in line))
environment = {**os.environ, "PYTHONPATH": f"{work}:{source / 'gguf-py'}", "OMP_WAIT_POLICY": "passive"}
failed = False
for name, model in models.items():
    directory = work / "model"
    directory.mkdir()
    write_directory(directory, model)
    run(sys.executable, work / "convert.py", directory, "--outtype", "f32", "--outfile", work / "theirs.gguf", env=environment)
    run(own / "minillm-export", "--checkpoint", directory, "--gguf", work / "ours.gguf", "--type", "f32")
    theirs, ours = gguf.GGUFReader(work / "theirs.gguf"), gguf.GGUFReader(work / "ours.gguf")
    ours_by_name = {tensor.name: tensor for tensor in ours.tensors}
    def equal_tensor(tensor):
        mine = ours_by_name.get(tensor.name)
        if mine is None:
            return False
        if tensor.name == "rope_freqs.weight":  # theirs computed in float, ours in double
            return bool(np.allclose(tensor.data, mine.data, rtol=1e-5, atol=0))
        return tensor.data.tobytes() == mine.data.tobytes()

    same = sum(map(equal_tensor, theirs.tensors))
    print(f"{name}: {same} of {len(theirs.tensors)} tensors the same (ours has {len(ours.tensors)})")
    failed |= same != len(theirs.tensors) or len(ours.tensors) != same
    for key, field in theirs.fields.items():
        if key.startswith(("general.", "GGUF.")):
            continue
        mine = value(ours.fields[key]) if key in ours.fields else None
        if mine != value(field):
            print(f"  {key}: theirs {str(value(field))[:60]}, ours {str(mine)[:60]}")
            failed = True

    equal = tokens = 0
    (work / "prompts.jsonl").write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts))
    told = json.loads(run(own / "minillm-generate", "--checkpoint", directory, "--prompts", work / "prompts.jsonl",
                          "--temperature", "0", "--max-tokens", "64", "--json"))["generations"]
    for generation in told:
        text = run(programs / "llama-cli", "-m", work / "theirs.gguf", "-no-cnv", "--no-display-prompt", "--no-escape",
                   "--simple-io", "--temp", "0", "-n", "64", "-t", "1", "-ctk", "f32", "-ctv", "f32", "-p",
                   generation["prompt"], env=environment)
        text = text.removesuffix("\n\n").removesuffix("\n").removesuffix(" [end of text]")
        if plain(text) == plain(generation["text"]):
            equal += 1
        else:
            print(f"  after {generation['prompt']!r}:\n    ours   {generation['text']!r}\n    theirs {text!r}")
        tokens += len(generation["token_ids"])
    print(f"  {equal} of {len(told)} greedy texts the same ({tokens} tokens)")
    failed |= equal != len(told)
    shutil.rmtree(directory)
sys.exit(failed)
