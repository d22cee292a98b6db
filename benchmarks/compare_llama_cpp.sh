#!/usr/bin/env bash
# Decoding and reading a prompt of 512 tokens, here and in a current llama.cpp (npm's node-llama-cpp brings it ready-made,
# some 100 MB), in alternation on the same machine: the 110M shape with random weights, one text, two threads. Medians, and
# the median of the ratios. Says so and ends where there is no npm.
#   benchmarks/compare_llama_cpp.sh DIRECTORY [ROUNDS]      DIRECTORY: where it is installed, unless it is there
set -euo pipefail
[[ $# -ge 1 ]] || { sed -n "2,5p" "$0"; exit 2; }
command -v npm >/dev/null && command -v node >/dev/null || { echo "skipped: there is no npm here"; exit 0; }
mkdir -p "$1"
modules=$(realpath "$1")
rounds=${2:-3}
cd "$(dirname "$0")/.."
bin=$(realpath "${BIN:-build/release/bin}")
(cd "$modules" && { [[ -d node_modules/node-llama-cpp ]] || npm install --no-audit --no-fund --silent node-llama-cpp; })
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$bin/minillm-world" --out "$work/world" >/dev/null 2>&1
"$bin/minillm-tokenizer" train --input "$work/world/tokenizer.txt" --split line --vocab-size 2048 --out "$work/tokenizer.model" >/dev/null 2>&1
python3 benchmarks/random_model.py s110 "$work/s110" "$work"
for type in f32 bf16 q8_0; do
  "$bin/minillm-export" --checkpoint "$work/s110" --gguf "$work/$type.gguf" --type "$type" >/dev/null 2>&1
done

ours() { # PRECISION -> tokens/s decoding, reading, share of the bandwidth
  OMP_NUM_THREADS=2 "$bin/minillm-bench" generate --size s110 --precision "$1" --repetitions 3 --json |
    python3 -c 'import json,sys; r = json.load(sys.stdin)["result"]; print(r["decode_tokens_per_second"], r["prefill_tokens_per_second"], r["share_of_bandwidth"])'
}
printf '%-10s %10s %10s %7s %14s %10s %10s %7s\n' precision decode there ratio "of bandwidth" prompt there ratio
for pair in fp32:f32 bf16:bf16 int8:q8_0; do
  rows=()
  for ((round = 0; round < rounds; ++round)); do
    rows+=("$(ours "${pair%:*}") $(node benchmarks/compare_llama_cpp.mjs "$modules" "$work/${pair#*:}.gguf")")
  done
  printf '%s\n' "${rows[@]}" | python3 -c '
import statistics, sys
rows = [[float(x) for x in line.split()] for line in sys.stdin]
decode, read, share, their_decode, their_read = (statistics.median(column) for column in zip(*rows))
ratio = lambda a, b: statistics.median(row[a] / row[b] for row in rows)
print(f"{sys.argv[1]:10} {decode:10.0f} {their_decode:10.0f} {ratio(0, 3):7.2f} {share:14.2f} {read:10.0f} {their_read:10.0f} {ratio(1, 4):7.2f}")' "$pair"
done
