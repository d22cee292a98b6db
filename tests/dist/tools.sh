#!/usr/bin/env bash
# The tools as ranks under mpirun: the bytes of one process, errors told once, stops that all agree on.
#   tools.sh SOURCE BIN BIN_WITH_MPI
set -uo pipefail
source=$1 bin=$2 mpi=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export OMP_NUM_THREADS=1
failed=0
check() { if "${@:2}"; then echo "ok: $1"; else echo "FAILED: $1"; failed=1; fi; }
on() {  # RANKS TOOL ARGUMENTS...
  mpirun --oversubscribe --allow-run-as-root --bind-to none --mca mpi_yield_when_idle 1 -n "$1" "$mpi/$2" "${@:3}"
}
weights() { cat "$1"/checkpoint-*/model.safetensors | sha256sum; }
stop() {  # the launcher of two ranks of minillm-pretrain, once RUN has a log
  for ((i = 0; i < 300; ++i)); do [[ -s $1/metrics.jsonl ]] && break; sleep .1; done
  "${@:2}"
  kill -USR1 "$(pgrep -f "mpirun.* -n 2 $mpi/minillm-pretrain" | head -1)"
}
same_weights() { [[ $(weights "$1") == "$(weights "$2")" ]]; }

for i in $(seq 60); do
  echo "Person $i has a cat and a house with $((i % 7)) doors. The cat of person $i is called Tom$i."
  echo
done >text.txt
for i in $(seq 40); do
  echo "{\"prompt\": \"Who is $i?\", \"completion\": \"Person $i has a cat.\"}"
done >chats.jsonl
model=(--set model.vocab_size=300 --set model.hidden_size=32 --set model.num_hidden_layers=2 --set model.num_attention_heads=2
  --set model.num_key_value_heads=1 --set model.head_dim=16 --set model.intermediate_size=64
  --set model.max_position_embeddings=128)
steps=(--set train.batch_tokens=128 --set train.accumulation_steps=4 --set train.slots=4 --set train.warmup_ratio=0)

"$bin/minillm-pretrain" --train text.txt --eval text.txt --out one "${model[@]}" "${steps[@]}" --set train.steps=6 \
  --set train.eval_every=3 >/dev/null 2>&1
on 3 minillm-pretrain --train text.txt --eval text.txt --out three "${model[@]}" "${steps[@]}" --set train.steps=6 \
  --set train.eval_every=3 >out.txt 2>err.txt
check "pretraining on three ranks: the weights of one" same_weights one three
check "... and its log" diff <(sed -E 's/"(time|tokens_per_second|eval_runtime)":[^,}]*//g' one/metrics.jsonl) \
  <(sed -E 's/"(time|tokens_per_second|eval_runtime)":[^,}]*//g' three/metrics.jsonl)
check "... told by one of them" test "$(grep -c 'documents' err.txt)" -eq 2  # the training file, the held-out one

"$bin/minillm-sft" --init-from one --train chats.jsonl --out sft1 "${steps[@]}" --set train.steps=4 >/dev/null 2>&1
on 2 minillm-sft --init-from one --train chats.jsonl --out sft2 "${steps[@]}" --set train.steps=4 >/dev/null 2>&1
check "SFT on two ranks" same_weights sft1 sft2

"$bin/minillm-eval" loss --checkpoint one --text text.txt --json >eval1.json 2>/dev/null
on 3 minillm-eval loss --checkpoint one --text text.txt --json >eval3.json 2>/dev/null
check "an evaluation on three ranks, printed once" cmp -s eval1.json eval3.json

on 3 minillm-sft --init-from nowhere --train chats.jsonl --out lost "${steps[@]}" >out.txt 2>err.txt
check "an error of all: exit 1" test $? -eq 1
check "... told once" test "$(grep -c '^error: ' err.txt)" -eq 1
on 3 minillm-sft --no-such-option >out.txt 2>err.txt
check "a usage error: exit 2" test $? -eq 2
check "... told once" test "$(grep -c '^error: ' err.txt)" -eq 1
on 5 minillm-sft --init-from one --train chats.jsonl --out many "${steps[@]}" --set train.steps=4 >out.txt 2>err.txt
check "more ranks than slots: exit 2" test $? -eq 2
check "... told once" test "$(grep -c 'expected at most train.slots = 4' err.txt)" -eq 1
if [[ $(ldd "$bin/minillm-eval") == *libmpi* ]]; then
  echo "skipped: a build without MPI under a launcher, as this one has it"
else
  OMPI_COMM_WORLD_SIZE=3 OMPI_COMM_WORLD_RANK=0 "$bin/minillm-eval" loss --checkpoint one --text text.txt >out.txt 2>err.txt
  check "a build without MPI under a launcher: exit 2" test $? -eq 2
  check "... says so" grep -q "was built without MPI" err.txt
fi

# SIGUSR1 reaches all ranks, which stop at one step.
on 2 minillm-pretrain --train text.txt --out stopped "${model[@]}" "${steps[@]}" --set train.steps=100000 \
  >out.txt 2>err.txt &
launcher=$!
stop stopped
wait $launcher
check "SIGUSR1 to mpirun stops" test $? -eq 130
check "... and has saved" test -e stopped/LATEST

# The first rank's disk is full when it saves: everybody ends.
if mkdir full && mount -t tmpfs -o size=30m tmpfs full 2>/dev/null; then
  on 2 minillm-pretrain --train text.txt --out full/run "${model[@]}" "${steps[@]}" --set train.steps=100000 \
    >out.txt 2>err.txt &
  launcher=$!
  stop full/run dd if=/dev/zero of=full/filler bs=1M status=none 2>/dev/null
  start=$SECONDS
  wait $launcher
  check "a full disk on the first rank: exit 1" test $? -eq 1
  check "... one line" test "$(grep -c '^error: ' err.txt)" -eq 1
  check "... within seconds" test $((SECONDS - start)) -lt 30
  check "... and no process is left" eval '! pgrep -f "$mpi/minillm-pretrain" >/dev/null'
  umount full
else
  echo "skipped: no file system may be mounted here"
fi
exit $failed
