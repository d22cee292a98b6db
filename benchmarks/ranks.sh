#!/usr/bin/env bash
# What several ranks cost, beside one: RESULTS.md, "Several ranks".   ranks.sh sum|threads|memory|network|outer [PAIRS]
# Needs a build with MINILLM_MPI=ON and MINILLM_BUILD_BENCHMARKS=ON; RANKS_BENCH is its ranks_bench. Nothing else should run.
set -euo pipefail
what=${1:?ranks.sh sum|threads|memory|network|outer}
pairs=${2:-5}
bench=$(realpath "${RANKS_BENCH:-build/release/bin/ranks_bench}")
launch=(mpirun --allow-run-as-root --oversubscribe --bind-to none)
on() {  # RANKS THREADS ARGUMENTS...
  OMP_NUM_THREADS=$2 OMP_WAIT_POLICY=passive "${launch[@]}" -x OMP_NUM_THREADS -x OMP_WAIT_POLICY -n "$1" "$bench" "${@:3}"
}
alone() { OMP_NUM_THREADS=$1 "$bench" "${@:2}"; }
rate() { sed -E 's/.*, ([0-9]+) tokens\/s.*/\1/'; }
median() { sort -n | awk '{v[NR]=$1} END {print v[int((NR+1)/2)]}'; }

case $what in
sum) on 2 1 sum 2000000 30000000 110000000 ;;
threads)  # two ranks of one thread beside one rank of two threads, in turn
  for size in xs s; do
    for ((i = 0; i < pairs; ++i)); do
      two=$(on 2 1 step $size 4096 4 | rate)
      one=$(alone 2 step $size 4096 7 | rate)  # as many rows a rank
      single=$(alone 1 step $size 4096 4 | rate)
      echo "$size: 2 ranks $two, 2 threads $one, 1 thread $single tokens/s: $(python3 -c "print(f'{$two/$one:.3f} of threads, {$two/2/$single:.3f} of twice one')")"
    done | tee /dev/stderr | sed -E 's/.*: ([0-9.]+) of threads.*/\1/' | median | sed "s/^/$size, median of ranks over threads: /"
  done 2>&1 ;;
memory)
  alone 1 step s 1024 3
  for n in 2 4; do on $n 1 step s 1024 3; done ;;
network)  # two ranks over TCP on a loopback that is limited, in a namespace of its own
  if ! unshare -n true 2>/dev/null; then echo "skipped: no network namespace may be made here"; exit 0; fi
  export RANKS_BENCH=$bench
  unshare -n bash -euc '
    ip link set lo up
    tcp=(--allow-run-as-root --oversubscribe --bind-to none --mca pml ob1 --mca btl tcp,self --mca btl_tcp_if_include lo
         --mca oob_tcp_if_include lo)
    export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
    for rate in ${RANKS_RATES:-0 1000}; do  # Mbit/s each way; 0: unlimited
      if ((rate > 0)); then
        tc qdisc replace dev lo root tbf rate $((2 * rate))mbit burst 256kb latency 200ms 2>/dev/null ||
          { echo "skipped: no tbf in this kernel"; exit 0; }
      fi
      for tokens in ${RANKS_TOKENS:-512 1024 2048 4096}; do
        echo -n "$rate Mbit/s: "
        mpirun "${tcp[@]}" -n 2 "$RANKS_BENCH" step ${RANKS_SIZE:-s} $tokens ${RANKS_STEPS:-5}
      done
    done' ;;
outer)  # bytes a step with and without replicas that meet every hundred steps
  on 2 1 step xxs 256 201
  on 2 1 step xxs 256 201 replicas 2 100 ;;
*) echo "ranks.sh: expected sum, threads, memory, network or outer, got $what" >&2; exit 2 ;;
esac
