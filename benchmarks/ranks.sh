#!/usr/bin/env bash
# What several ranks cost, beside one: RESULTS.md, "Several ranks".   ranks.sh sum|threads|memory|network|outer [PAIRS]
# Needs a build with MINILLM_MPI=ON and MINILLM_BUILD_BENCHMARKS=ON; RANKS_BENCH is its ranks_bench. Nothing else should run.
set -euo pipefail
what=${1:?ranks.sh sum|threads|memory|network|outer}
pairs=${2:-5}
bench=$(realpath "${RANKS_BENCH:-build/release/bin/ranks_bench}")
launch=(mpirun --allow-run-as-root --oversubscribe --bind-to none)
on() {  # RANKS THREADS ARGUMENTS...
  OMP_NUM_THREADS=$2 "${launch[@]}" -x OMP_NUM_THREADS -n "$1" "$bench" "${@:3}"
}
alone() { OMP_NUM_THREADS=$1 "$bench" "${@:2}"; }
rate() { sed -E 's/.*, ([0-9]+) tokens\/s.*/\1/'; }
median() { sort -n | awk '{v[NR]=$1} END {print v[int((NR+1)/2)]}'; }

ratio() { python3 -c "print(f'{$1 / $2:.3f}')"; }
rows=$(mktemp)
trap 'rm -f "$rows"' EXIT

case $what in
sum) on 2 1 sum 2000000 30000000 110000000 ;;
threads)  # two ranks of one thread beside one rank of two threads, in turn
  for size in xs s; do
    for ((i = 0; i < pairs; ++i)); do
      two=$(on 2 1 step $size 4096 4 | rate)
      one=$(alone 2 step $size 4096 7 | rate)  # as many rows a rank
      single=$(alone 1 step $size 4096 4 | rate)
      echo "$size: 2 ranks $two, 2 threads $one, 1 thread $single tokens/s: $(ratio $two $one) of threads, $(ratio $two $((2 * single))) of twice one"
    done | tee "$rows"
    sed -E 's/.*: ([0-9.]+) of threads.*/\1/' "$rows" | median | sed "s/^/$size, median of ranks over threads: /"
  done ;;
memory)
  alone 1 step s 1024 3
  for n in 2 4; do on $n 1 step s 1024 3; done ;;
network)  # two ranks over TCP, on a loopback of RANKS_RATE Mbit/s each way, in a namespace of its own
  if ! unshare -n true 2>/dev/null; then echo "skipped: no network namespace may be made here"; exit 0; fi
  if [[ -z ${RANKS_INSIDE:-} ]]; then RANKS_INSIDE=1 RANKS_BENCH=$bench exec unshare -n bash "$0" network "$pairs"; fi
  ip link set lo up
  line=${RANKS_RATE:-1000} size=${RANKS_SIZE:-s}
  launch+=(--mca pml ob1 --mca btl tcp,self --mca btl_tcp_if_include lo --mca oob_tcp_if_include lo)
  limit() { tc qdisc replace dev lo root tbf rate $((2 * line))mbit burst 256kb latency 200ms 2>/dev/null; }  # both ways share it
  if ! limit; then echo "skipped: no tbf in this kernel"; exit 0; fi
  parameters=$(alone 1 step $size 256 2 | sed -E 's/.*parameters ([0-9]+)\..*/\1/')  # MB
  sending=$(on 2 1 sum $((parameters * 250000)) | sed -E 's/.*ordered ([0-9.]+) s.*/\1/')
  alone_rate=$(alone 1 step $size 2048 4 | rate)
  python3 -c "
found, expected = $sending * $alone_rate, $parameters * 1e6 / ($line * 1e6 / 8 * .9) * $alone_rate
print(f'one rank: $alone_rate tokens/s; sending $sending s; break-even {found:.0f} tokens, predicted {expected:.0f}, {found / expected:.2f} of it')"
  tokens=$(python3 -c "print(round($sending * $alone_rate))")
  for times in 1 2 4; do
    for ((i = 0; i < pairs; ++i)); do
      limit
      slow=$(on 2 1 step $size $((times * tokens)) 4 | rate)
      tc qdisc del dev lo root
      fast=$(on 2 1 step $size $((times * tokens)) 4 | rate)
      single=$(alone 1 step $size $((times * tokens)) 4 | rate)
      echo "$times x break-even, $((times * tokens)) tokens a rank: $slow tokens/s at $line Mbit/s, $fast without a limit, $single alone: $(ratio $slow $fast) of no limit, $(ratio $slow $((2 * single))) of twice one"
    done | tee "$rows"
    for what in "of no limit" "of twice one"; do
      sed -E "s/.* ([0-9.]+) $what.*/\1/" "$rows" | median | sed "s/$/ $what: median at $times x break-even/"
    done
  done ;;
outer)  # bytes a step with and without replicas that meet every hundred steps
  on 2 1 step xxs 256 200
  on 2 1 step xxs 256 200 replicas 2 100 ;;
*) echo "ranks.sh: expected sum, threads, memory, network or outer, got $what" >&2; exit 2 ;;
esac
