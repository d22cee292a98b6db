#!/usr/bin/env bash
# Proof that llama.cpp runs the adapters that minillm-export --gguf-lora writes as minillm-generate does: the same
# greedy text for 48 tokens of 10 prompts. Not part of CI: it installs llama.cpp (npm's node-llama-cpp, some 100 MB) into
# DIRECTORY, unless it is there, and trains small models (a few minutes).
#   tests/interop/llama_cpp_adapters.sh DIRECTORY
# BIN overrides build/release/bin. Three adapters: a scale of alpha / r, one of alpha / sqrt(r), and another alpha for
# some of the matrices, which the format can only hold in their factors.
set -euo pipefail
[[ $# -eq 1 ]] || { sed -n '2,8p' "$0"; exit 2; }
mkdir -p "$1"
work=$(realpath "$1")
cd "$(dirname "$0")/../.."
source_folder=$PWD
bin=$(realpath "${BIN:-build/release/bin}")
cd "$work"
export OMP_WAIT_POLICY=passive

[[ -d node_modules/node-llama-cpp ]] || npm install --no-audit --no-fund --silent node-llama-cpp
rm -rf runs
mkdir runs
quietly() { "$@" >runs/log.txt 2>&1 || { tail runs/log.txt; exit 1; }; }

quietly "$bin/minillm-world" --out runs/world
quietly "$bin/minillm-tokenizer" train --input runs/world/tokenizer.txt --split line --vocab-size 2048 --out runs/tok.model
# Fewer key heads than query heads, so that a wrong order of their rows would show.
quietly "$bin/minillm-pretrain" --config "$source_folder/configs/world_pretrain.toml" --tokenizer runs/tok.model \
  --train runs/world/pretrain.jsonl --set model.num_key_value_heads=2 --set train.steps=200 --out runs/base
adapter() {  # NAME SETTINGS...
  local name=$1
  shift
  quietly "$bin/minillm-pretrain" --init-from runs/base --train runs/world/second.jsonl --out "runs/$name" \
    --set train.steps=40 --set train.learning_rate=4e-3 --set lora.rank=8 "$@"
}
adapter plain --set lora.alpha=4
adapter rslora --set lora.alpha=4 --set 'lora.scaling="alpha/sqrt(r)"'
# PEFT's alpha_pattern: a directory of others, as no stage of ours trains such an adapter.
mkdir runs/pattern
python3 - runs <<'PYTHON'
import json, os, shutil, sys
runs = sys.argv[1]
checkpoint = os.path.join(runs, "plain", open(os.path.join(runs, "plain", "LATEST")).read().strip())
shutil.copy(os.path.join(checkpoint, "adapter_model.safetensors"), os.path.join(runs, "pattern"))
config = json.load(open(os.path.join(checkpoint, "adapter_config.json")))
config["alpha_pattern"] = {"q_proj": 8, "down_proj": 2}
json.dump(config, open(os.path.join(runs, "pattern", "adapter_config.json"), "w"))
PYTHON

quietly "$bin/minillm-export" --checkpoint runs/base --gguf runs/base.gguf
for name in plain rslora pattern; do
  quietly "$bin/minillm-export" --checkpoint runs/base --adapter "runs/$name" --gguf-lora "runs/$name.gguf"
  node "$source_folder/tests/interop/llama_cpp_adapters.mjs" runs/base.gguf "runs/$name.gguf" runs/base "runs/$name" "$bin"
done
