#!/usr/bin/env bash
# Writes <version>/{pretrain,sft,dpo}: a run of each stage that was killed after three of its six steps, and in
# finished.safetensors the weights that it reached where it was not. GoldenRuns continues them with every later library.
# A new version adds a directory, written with its own programs; what older ones wrote is never written anew.
#   make.sh BIN VERSION      VERSION/ holds the data and the configs
set -euo pipefail
bin=$(realpath "$1")
cd "$(dirname "$0")/$2"
export OMP_NUM_THREADS=1

# stage NAME OPTION...
stage() {
  local run=$1
  shift
  "$bin/minillm-$run" --config "$run.toml" --out "$run" "$@"
  cp "$run/checkpoint-000006/model.safetensors" "$run/finished.safetensors"
  rm -r "$run/checkpoint-000006" "$run/.lock"
  rm -f "$run/best"
  echo checkpoint-000003 >"$run/LATEST"
}

"$bin/minillm-tokenizer" train --input texts.jsonl --vocab-size 340 --out tokenizer.model
stage pretrain --tokenizer tokenizer.model --train texts.jsonl --eval held_out.jsonl
stage sft --init-from pretrain --train chats.jsonl --eval chats.jsonl --replay texts.jsonl
stage dpo --init-from sft --train pairs.jsonl --eval pairs.jsonl --replay chats.jsonl
