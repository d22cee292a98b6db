#!/usr/bin/env bash
# Fuzzes every parser with libFuzzer under the address and undefined-behaviour sanitizers.
#   tests/fuzz/run.sh [SECONDS] [TARGETS...]     by default 30 seconds each, all targets, three at a time
#   EXECUTIONS=5000000 tests/fuzz/run.sh 1200    the long tier: 20 minutes each, longer where that is too few inputs
# An input that crashes, takes over two seconds of processor time (sanitizers double it) or over 256 MiB fails the run and
# is kept in build/fuzz/artifacts/ (put it into tests/fuzz/found/<target>/ with the fix). What was learned stays in
# build/fuzz/corpus/.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-30}
executions=${EXECUTIONS:-0}  # the least number of each target
timeout=${TIMEOUT:-2}  # seconds of processor time; what hangs is ended after 60 of the clock
seed=${SEED:-1}  # the same way every time; another SEED goes another way
[[ $# -gt 0 ]] && shift
tools/install_dependencies.sh --check clang libclang-rt-14-dev libgtest-dev libgmock-dev
cmake --preset asan >/dev/null
cmake --build --preset asan --target fuzz make_seeds -- --no-print-directory --quiet

corpus=build/fuzz/corpus
data=${MINILLM_TEST_DATA:-}
[[ -d $data ]] || { data=; echo "without the files of others as seeds: MINILLM_TEST_DATA names no folder"; }
build/asan/bin/make_seeds "$corpus" $data  # a folder for every target
targets=("$@")
[[ ${#targets[@]} -gt 0 ]] || mapfile -t targets < <(ls "$corpus")
mkdir -p build/fuzz/artifacts build/fuzz/logs

fuzz_until() { # TARGET LIMIT
  local longest=1048576
  case $1 in # text goes through sentencepiece piece by piece: many short inputs find more than few long ones
    chat_template | encode_decode) longest=512 ;;
    config_toml) longest=4096 ;;
  esac
  local found=tests/fuzz/found/$1
  [[ -d $found ]] || found=
  FUZZ_TARGET=$1 FUZZ_SECONDS=$timeout OMP_NUM_THREADS=1 ASAN_OPTIONS=quarantine_size_mb=8:malloc_context_size=2:detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 \
    build/asan/bin/fuzz "$corpus/$1" $found -seed="$seed" "$2" -timeout=60 -rss_limit_mb=640 \
    -malloc_limit_mb=256 -max_len="$longest" -print_final_stats=1 -artifact_prefix="build/fuzz/artifacts/$1-" \
    >>"build/fuzz/logs/$1" 2>&1
}
fuzz() { # TARGET
  local log=build/fuzz/logs/$1 done
  : >"$log"
  fuzz_until "$1" -max_total_time="$seconds" || return 1
  done=$(awk '/stat::number_of_executed_units/ { print $2 }' "$log")
  ((done >= executions)) || fuzz_until "$1" -runs=$((executions - done))
}
export -f fuzz fuzz_until
export corpus seconds seed executions timeout
failed=0
printf '%s\n' "${targets[@]}" | xargs -P 3 -I {} bash -c 'fuzz {} || echo "{} failed: see build/fuzz/logs/{}" >&2' \
  2>build/fuzz/failures || failed=1
printf '%-18s %12s %8s %8s %8s\n' target executions exec/s edges MB
for target in "${targets[@]}"; do
  awk -v name="$target" '
    /stat::number_of_executed_units/ { runs += $2 }
    /stat::average_exec_per_sec/ { rate = $2 }
    /stat::peak_rss_mb/ { if ($2 > memory) memory = $2 }
    { for (i = 1; i < NF; ++i) if ($i == "cov:") edges = $(i + 1) }
    END { printf "%-18s %12d %8d %8d %8d\n", name, runs, rate, edges, memory }' "build/fuzz/logs/$target"
done
[[ $failed == 0 && ! -s build/fuzz/failures ]] || { cat build/fuzz/failures >&2; exit 1; }
