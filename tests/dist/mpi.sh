#!/usr/bin/env bash
# Several processes under mpirun end with the bytes of one; a killed run goes on with another number of them; a rank
# that is silent is named, and nobody waits for ever.   mpi.sh PATH_OF_mpi_run [KILLS]
set -uo pipefail
program=$(realpath "$1")
kills=${2:-5}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export OMP_NUM_THREADS=1
failed=0
check() { if "${@:2}"; then echo "ok: $1"; else echo "FAILED: $1"; failed=1; fi; }
on() {  # RANKS ARGUMENTS...
  mpirun --oversubscribe --allow-run-as-root --bind-to none --mca mpi_yield_when_idle 1 -n "$1" "$program" "${@:2}"
}
left() { pgrep -f "$program $work" >/dev/null; }

"$program" "$work/one" >one.txt || exit 1
for ranks in 2 3 5 8; do
  on $ranks "$work/n$ranks" >out.txt 2>err.txt
  check "$ranks ranks have the bytes of one" cmp -s out.txt one.txt
done
env OMPI_COMM_WORLD_SIZE=1 "$program" "$work/alone" >out.txt
check "a launcher of one rank starts no MPI" cmp -s out.txt one.txt

# Killed again and again, at random steps and ranks, the number of ranks changing.
RANDOM=7
resume=
for ((i = 0; i < kills; ++i)); do
  ranks=$((2 + RANDOM % 7))
  on $ranks "$work/killed" $resume crash $((RANDOM % ranks)) $((1 + RANDOM % 11)) >out.txt 2>err.txt
  resume=resume
done
on 3 "$work/killed" resume >out.txt 2>err.txt
check "killed $kills times, the bytes are the same" cmp -s out.txt one.txt

on 9 "$work/many" >out.txt 2>err.txt
code=$?
check "more ranks than slots: exit 2" test $code -eq 2
check "... and one line says so" grep -q "expected at most train.slots = 8" err.txt

start=$SECONDS
on 3 "$work/silent" hang 1 2 deadline 2 >out.txt 2>err.txt
code=$?
check "a silent rank ends the run" test $code -eq 1
check "... and is named" grep -q "nothing was heard of rank 1 for 2 s" err.txt
check "... within the deadline and ten seconds" test $((SECONDS - start)) -le 12
check "... and no process is left" eval '! left'
exit $failed
