#!/usr/bin/env python3
"""A Hugging Face directory of a published model's true shape with random weights in BF16, for measurements: time and
memory do not depend on what the weights say.

  random_model.py SHAPE OUT [FOLDER]     SHAPE: smollm2-135m, qwen2.5-0.5b, qwen3-0.6b, llama-3.2-1b, granite-3.1-2b,
                                         smollm3-3b, or s110, which minillm-bench measures; or small-SHAPE: four
                                         narrow layers with larger weights

FOLDER: whose tokenizer files are copied. Needs numpy. The shapes are those of the published config.json.
"""
import json
import os
import shutil
import struct
import sys

import numpy as np

LLAMA3 = {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 8192}
#                 type     V       C     F     L   H   K  D    theta      T       eps   RoPE scaling
SHAPES = {
    "smollm2-135m": ("llama", 49152, 576, 1536, 30, 9, 3, 64, 100000.0, 8192, 1e-5, None),
    "qwen2.5-0.5b": ("qwen2", 151936, 896, 4864, 24, 14, 2, 64, 1000000.0, 32768, 1e-6, None),
    "qwen3-0.6b": ("qwen3", 151936, 1024, 3072, 28, 16, 8, 128, 1000000.0, 40960, 1e-6, None),
    "granite-3.1-2b": ("granite", 49155, 2048, 8192, 40, 32, 8, 64, 5000000.0, 131072, 1e-5, None),
    "smollm3-3b": ("smollm3", 128256, 2048, 11008, 36, 16, 4, 128, 5000000.0, 65536, 1e-6, None),
    "llama-3.2-1b": ("llama", 128256, 2048, 8192, 16, 32, 8, 64, 500000.0, 131072, 1e-5, LLAMA3),
    "s110": ("llama", 32000, 768, 2048, 12, 12, 12, 64, 10000.0, 1024, 1e-5, None),
}
CLASSES = {"llama": "Llama", "qwen2": "Qwen2", "qwen3": "Qwen3", "granite": "Granite", "smollm3": "SmolLM3"}
EXTRAS = {"granite": {"embedding_multiplier": 12.0, "residual_multiplier": 0.22, "attention_multiplier": 0.015625,
                      "logits_scaling": 8.0},
          "smollm3": {"no_rope_layer_interval": 4}}

shape, out = sys.argv[1:3]
family, V, C, F, L, H, K, D, theta, T, eps, scaling = SHAPES[shape.removeprefix("small-")]
spread = 0.02
if shape.startswith("small-"):
    C, F, L, H, K, D, T, spread = 128, 192, 4, 4, 2, 32, 2048, 0.15
    if len(sys.argv) > 3 and os.path.exists(f"{sys.argv[3]}/tokenizer.json"):  # as many rows as it has tokens
        with open(f"{sys.argv[3]}/tokenizer.json", encoding="utf-8") as file:
            tokenizer = json.load(file)
        V = 1 + max([*tokenizer["model"]["vocab"].values(), *(token["id"] for token in tokenizer["added_tokens"])])
os.makedirs(out)
config = {"architectures": [CLASSES[family] + "ForCausalLM"], "model_type": family, "vocab_size": V, "hidden_size": C,
          "intermediate_size": F, "num_hidden_layers": L, "num_attention_heads": H, "num_key_value_heads": K, "head_dim": D,
          "hidden_act": "silu", "max_position_embeddings": T, "rms_norm_eps": eps, "rope_theta": theta,
          "rope_scaling": scaling, "tie_word_embeddings": True, "torch_dtype": "bfloat16", **EXTRAS.get(family, {})}
with open(f"{out}/config.json", "w", encoding="utf-8") as file:
    json.dump(config, file, indent=2)

tensors = [("model.embed_tokens.weight", (V, C))]
for layer in range(L):
    p = f"model.layers.{layer}."
    tensors += [(p + "input_layernorm.weight", (C,)), (p + "mlp.down_proj.weight", (C, F)), (p + "mlp.gate_proj.weight", (F, C)),
                (p + "mlp.up_proj.weight", (F, C)), (p + "post_attention_layernorm.weight", (C,))]
    for name, rows in (("q", H * D), ("k", K * D), ("v", K * D)):
        tensors.append((p + f"self_attn.{name}_proj.weight", (rows, C)))
        if family == "qwen2":
            tensors.append((p + f"self_attn.{name}_proj.bias", (rows,)))
        if family == "qwen3" and name != "v":
            tensors.append((p + f"self_attn.{name}_norm.weight", (D,)))
    tensors.append((p + "self_attn.o_proj.weight", (C, H * D)))
tensors.append(("model.norm.weight", (C,)))

header, offset = {"__metadata__": {"format": "pt"}}, 0
for name, dims in tensors:
    size = 2 * int(np.prod(dims))
    header[name] = {"dtype": "BF16", "shape": list(dims), "data_offsets": [offset, offset + size]}
    offset += size
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
rng = np.random.default_rng(1)
with open(f"{out}/model.safetensors", "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text)
    for name, dims in tensors:
        if len(dims) == 1:
            values = np.zeros(dims, "<f4") if name.endswith("bias") else np.ones(dims, "<f4")
            if shape.startswith("small-"):
                values += 0.3 * rng.standard_normal(dims, dtype=np.float32)
        else:
            values = spread * rng.standard_normal(dims, dtype=np.float32)
        file.write((values.view("<u4") >> 16).astype("<u2").tobytes())
if len(sys.argv) > 3:
    for name in ("tokenizer.model", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json"):
        if os.path.exists(f"{sys.argv[3]}/{name}"):
            shutil.copy(f"{sys.argv[3]}/{name}", out)
