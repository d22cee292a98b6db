#!/usr/bin/env bash
# Every family of models (libminillm/nn/model_family.h) in a current llama.cpp: small models of random weights with published
# tokenizers, through node_llama_cpp.sh. Not part of CI; says so and ends where there is no npm.
#   tests/interop/families.sh DIRECTORY      into which npm's packages are installed. BIN overrides build/release/bin
set -euo pipefail
[[ $# -eq 1 ]] || { sed -n '2,4p' "$0"; exit 2; }
command -v npm >/dev/null || { echo "skipped: there is no npm here"; exit 0; }
mkdir -p "$1"
modules=$(realpath "$1")
cd "$(dirname "$0")/../.."
export BIN=${BIN:-build/release/bin}
(cd "$modules" && npm install --no-audit --no-fund --silent node-llama-cpp @lenml/tokenizer-{gpt2,llama3,llama3_1,qwen2_5,qwen3}@3.7.2)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for pair in smollm2-135m:gpt2 llama-3.2-1b:llama3_1 qwen2.5-0.5b:qwen2_5 qwen3-0.6b:qwen3 smollm3-3b:llama3 granite-3.1-2b:gpt2; do
  shape=${pair%:*}
  echo "=== $shape"
  PATH=/usr/bin:$PATH python3 benchmarks/random_model.py "small-$shape" "$work/$shape" "$modules/node_modules/@lenml/tokenizer-${pair#*:}/models"
  STRINGS=40 tests/interop/node_llama_cpp.sh "$modules" "$work/$shape"
done
