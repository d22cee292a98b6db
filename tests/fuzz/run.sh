#!/usr/bin/env bash
# Fuzzes every parser with libFuzzer under the address and undefined-behaviour sanitizers.
#   tests/fuzz/run.sh [SECONDS] [TARGETS...]     by default 30 seconds each, all targets, two at a time
# An input that crashes, takes over two seconds (sanitizers double the time) or over 256 MiB fails the run and is kept
# in build/fuzz/artifacts/
# (put it into tests/fuzz/found/<target>/ with the fix). What was learned stays in build/fuzz/corpus/.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-30}
seed=${SEED:-1}  # the same way every time; another SEED goes another way
[[ $# -gt 0 ]] && shift
tools/install_dependencies.sh clang libclang-rt-14-dev libomp-dev libgtest-dev libgmock-dev
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --target fuzz_programs -- --no-print-directory --quiet

corpus=build/fuzz/corpus
data=${MINILLM_TEST_DATA:-../shared/data}
[[ -d $data ]] || data=
build/fuzz/bin/make_seeds "$corpus" $data  # a folder for every target
targets=("$@")
[[ ${#targets[@]} -gt 0 ]] || mapfile -t targets < <(ls "$corpus")
mkdir -p build/fuzz/artifacts build/fuzz/logs

fuzz() { # TARGET
  local found=tests/fuzz/found/$1
  [[ -d $found ]] || found=
  OMP_NUM_THREADS=1 ASAN_OPTIONS=quarantine_size_mb=8:detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 \
    build/fuzz/bin/fuzz_"$1" "$corpus/$1" $found -seed="$seed" -max_total_time="$seconds" -timeout=2 -rss_limit_mb=640 \
    -malloc_limit_mb=256 -max_len=65536 -print_final_stats=1 -artifact_prefix="build/fuzz/artifacts/$1-" \
    >"build/fuzz/logs/$1" 2>&1
}
export -f fuzz
export corpus seconds seed
failed=0
printf '%s\n' "${targets[@]}" | xargs -P 2 -I {} bash -c 'fuzz {} || echo "{} failed: see build/fuzz/logs/{}" >&2' \
  2>build/fuzz/failures || failed=1
printf '%-18s %12s %8s %8s %8s\n' target executions exec/s edges MB
for target in "${targets[@]}"; do
  awk -v name="$target" '
    /stat::number_of_executed_units/ { runs = $2 }
    /stat::average_exec_per_sec/ { rate = $2 }
    /stat::peak_rss_mb/ { memory = $2 }
    { for (i = 1; i < NF; ++i) if ($i == "cov:") edges = $(i + 1) }
    END { printf "%-18s %12d %8d %8d %8d\n", name, runs, rate, edges, memory }' "build/fuzz/logs/$target"
done
[[ $failed == 0 && ! -s build/fuzz/failures ]] || { cat build/fuzz/failures >&2; exit 1; }
