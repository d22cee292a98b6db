#!/usr/bin/env bash
# Training steps of ours and of tuned PyTorch, in alternation on the same machine: medians and their ratio.
#   benchmarks/compare.sh [ROUNDS] [SIZES...]      by default 3 rounds of xs, s and m
# PEERS names the folder with llama_torch.py and torch_tuned.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

peers=${PEERS:-}
rounds=${1:-3}
[[ $# -gt 0 ]] && shift
sizes=("$@")
[[ ${#sizes[@]} -gt 0 ]] || sizes=(xs s m)
[[ -n $peers ]] || { echo "SKIPPED: PyTorch's side is not part of the project: set PEERS to its folder"; exit 0; }
[[ -e $peers/torch_tuned.sh ]] || { echo "error: no '$peers/torch_tuned.sh' (set PEERS)" >&2; exit 1; }
tools/install_dependencies.sh --check python3-torch python3-numpy libopenblas0-openmp libtcmalloc-minimal4
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE

ours() { # SIZE PRECISION -> tokens/s, share of the fp32 peak
  build/release/bin/minillm-bench train --size "$1" --precision "$2" --repetitions 5 --json |
    python3 -c 'import json,sys; r = json.load(sys.stdin)["result"]; print(r["tokens_per_second"], r["share_of_fp32_peak"])'
}
torch() { # SIZE PRECISION -> tokens/s
  (cd "$peers" && sh ./torch_tuned.sh "$1" "$2" 6) | grep -oE '[0-9.]+ tok/s' | head -n 1 | cut -d' ' -f1
}

printf '%-5s %-5s %12s %12s %8s %14s\n' size prec ours torch ratio 'of fp32 peak'
for size in "${sizes[@]}"; do
  for precision in fp32 bf16; do
    rows=()
    for ((round = 0; round < rounds; ++round)); do
      read -r own share < <(ours "$size" "$precision")
      rows+=("$own $(torch "$size" "$precision") $share")
    done
    printf '%s\n' "${rows[@]}" | python3 -c '
import statistics, sys
rows = [[float(x) for x in line.split()] for line in sys.stdin]
own, torch, share = (statistics.median(column) for column in zip(*rows))
ratio = statistics.median(a / b for a, b, _ in rows)
print(f"{sys.argv[1]:5} {sys.argv[2]:5} {own:12.0f} {torch:12.0f} {ratio:8.2f} {share:14.2f}")' "$size" "$precision"
  done
done
