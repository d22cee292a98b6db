#!/usr/bin/env python3
"""A Hugging Face directory read by somebody else: the forward pass in numpy, in double, of Llama, Qwen2, Qwen3,
SmolLM3 and Granite, each as its own config.json tells it.

  hf_reader.py DIRECTORY EXPECTED.json [ADAPTER]     {"tokens": [...], "logprobs": [...]}: log p(token i+1 | 0..i)

ADAPTER: a LoRA adapter's directory, as PEFT has it, on the model.

Prints the largest difference between the expected log-probabilities and its own. Exit code 77: no numpy.
"""
import json
import struct
import sys

try:
    import numpy as np
except ImportError:
    print("no numpy")
    sys.exit(77)


def read_safetensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        payload = file.read()
    assert header.pop("__metadata__")["format"] == "pt"
    tensors = {}
    for name, info in header.items():
        begin, end = info["data_offsets"]
        raw = payload[begin:end]
        if info["dtype"] == "BF16":  # the upper half of a float
            values = (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")
        else:
            values = np.frombuffer(raw, {"F32": "<f4", "F16": "<f2"}[info["dtype"]])
        tensors[name] = values.reshape(info["shape"]).astype(np.float64)
    return tensors


def rms_norm(x, gain, epsilon):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * gain


def rotate(x, theta):  # [N, heads, D]: pairs (i, i + D/2)
    half = x.shape[-1] // 2
    angle = np.arange(len(x))[:, None] * theta ** (-np.arange(half) / half)
    cos, sin = np.cos(angle)[:, None, :], np.sin(angle)[:, None, :]
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def forward(config, weights, tokens):
    heads = config["num_attention_heads"]
    groups = config.get("num_key_value_heads", heads)
    dim = config.get("head_dim", config["hidden_size"] // heads)
    epsilon, theta = config["rms_norm_eps"], config["rope_theta"]
    mask = np.triu(np.full((len(tokens), len(tokens)), -np.inf), 1)
    family = config["model_type"]
    granite = family == "granite"
    branch = config["residual_multiplier"] if granite else 1
    score_scale = config["attention_multiplier"] if granite else 1 / np.sqrt(dim)
    turns = config["no_rope_layers"] if family == "smollm3" else [1] * config["num_hidden_layers"]
    h = weights["model.embed_tokens.weight"][tokens] * (config["embedding_multiplier"] if granite else 1)
    for layer in range(config["num_hidden_layers"]):
        def w(name):
            return weights[f"model.layers.{layer}.{name}.weight"]

        def project(name, count):
            y = x @ w(f"self_attn.{name}_proj").T
            if family == "qwen2":
                y = y + weights[f"model.layers.{layer}.self_attn.{name}_proj.bias"]
            return y.reshape(len(x), count, dim)

        def place(y, name):
            if family == "qwen3":
                y = rms_norm(y, w(f"self_attn.{name}_norm"), epsilon)
            return rotate(y, theta) if turns[layer] else y
        x = rms_norm(h, w("input_layernorm"), epsilon)
        q, k, v = place(project("q", heads), "q"), place(project("k", groups), "k"), project("v", groups)
        k, v = (np.repeat(t, heads // groups, 1) for t in (k, v))
        scores = np.einsum("nhd,mhd->hnm", q, k) * score_scale + mask
        attended = np.einsum("hnm,mhd->nhd", np.exp(log_softmax(scores)), v)
        h = h + branch * (attended.reshape(len(x), -1) @ w("self_attn.o_proj").T)
        x = rms_norm(h, w("post_attention_layernorm"), epsilon)
        gate = x @ w("mlp.gate_proj").T
        h = h + branch * ((gate / (1 + np.exp(-gate)) * (x @ w("mlp.up_proj").T)) @ w("mlp.down_proj").T)
    head = weights["model.embed_tokens.weight" if config["tie_word_embeddings"] else "lm_head.weight"]
    logits = rms_norm(h, weights["model.norm.weight"], epsilon) @ head.T
    return log_softmax(logits / (config["logits_scaling"] if granite else 1))


def adapt(weights, config, directory):
    """W + s B A, and the rows of tokens that are replaced, whole."""
    with open(f"{directory}/adapter_config.json", encoding="utf-8") as file:
        adapter = json.load(file)
    tensors = read_safetensors(f"{directory}/adapter_model.safetensors")
    prefix = "base_model.model."

    def by_name(pattern, module, otherwise):
        return next((value for name, value in pattern.items() if ("." + module).endswith("." + name)), otherwise)
    for name, a in tensors.items():
        if not name.endswith(".lora_A.weight"):
            continue
        module = name[len(prefix):-len(".lora_A.weight")]
        b = tensors[f"{prefix}{module}.lora_B.weight"]
        r = by_name(adapter["rank_pattern"], module, adapter["r"])
        alpha = by_name(adapter["alpha_pattern"], module, adapter["lora_alpha"])
        assert a.shape[0] == b.shape[1] == r
        weights[f"{module}.weight"] = weights[f"{module}.weight"] + alpha / (r ** 0.5 if adapter["use_rslora"] else r) * b @ a
    rows = f"{prefix}model.embed_tokens.token_adapter.trainable_tokens_delta"
    if rows in tensors:
        indices = adapter["trainable_token_indices"]
        for table in ["model.embed_tokens"] if isinstance(indices, list) else ["model.embed_tokens", "lm_head"]:
            own = indices if isinstance(indices, list) else indices[table.split(".")[-1]]
            weights[f"{table}.weight"] = weights[f"{table}.weight"].copy()
            weights[f"{table}.weight"][own] = tensors[f"{prefix}{table}.token_adapter.trainable_tokens_delta"]


directory, expected_path = sys.argv[1:3]
with open(f"{directory}/config.json", encoding="utf-8") as file:
    config = json.load(file)
with open(expected_path, encoding="utf-8") as file:
    expected = json.load(file)
tokens = expected["tokens"]
weights = read_safetensors(f"{directory}/model.safetensors")
if len(sys.argv) > 3:
    adapt(weights, config, sys.argv[3])
logp = forward(config, weights, tokens)
print(np.abs(logp[np.arange(len(tokens) - 1), tokens[1:]] - expected["logprobs"]).max())
