#!/usr/bin/env bash
# All stages on public data: pretraining on TinyStories and tiny shakespeare, then from the TinyStories
# model SFT, and from that DPO, a reward model and reinforcement learning. Prints held-out figures, samples,
# speed, time and peak memory of every step.
#   benchmarks/real_text.sh [OUT]        data from the folder that MINILLM_TEST_DATA names
set -euo pipefail
cd "$(dirname "$0")/.."

tools/install_dependencies.sh --check time python3
data=${MINILLM_TEST_DATA:-}
out=${1:-runs/real_text}
bin=build/release/bin
[[ -n $data ]] || { echo "SKIPPED: the texts are not part of the project: set MINILLM_TEST_DATA to their folder"; exit 0; }
[[ -d $data ]] || { echo "error: no data at '$data' (set MINILLM_TEST_DATA)" >&2; exit 1; }
mkdir -p "$out"

# timed COMMAND...: with wall time and peak memory at the end.
timed() { command time -f "wall time %E, peak memory %M KB: $1" "$@"; }
# quiet_training COMMAND...: every tenth log line and whatever is not a log line.
quiet_training() { timed "$@" 2>&1 | grep -vE '^step [0-9]*[1-9]0 .* tokens_per_second'; }

# split IN TRAIN HELD_OUT: every tenth record of a JSON array or JSONL file is held out.
split() {
  python3 - "$@" <<'PYTHON'
import json, sys
text = open(sys.argv[1], encoding="utf-8").read()
rows = json.loads(text) if text.lstrip().startswith("[") else [json.loads(line) for line in text.splitlines() if line.strip()]
for path, keep in ((sys.argv[2], lambda i: i % 10), (sys.argv[3], lambda i: i % 10 == 0)):
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for i, row in enumerate(rows) if keep(i))
PYTHON
}
for file in sft/alpaca_en_demo.json sft/rasbt_instruction-data.json pref/rasbt_preference.json \
  pref/hh_harmless-base_test_first100.jsonl; do
  name=$(basename "${file%.json*}")
  split "$data/$file" "$out/$name.train.jsonl" "$out/$name.heldout.jsonl"
done

# pretrain NAME TRAIN EVAL VOCABULARY: a tokenizer of its own, and a model.
pretrain() {
  printf '\n== pretraining on %s\n' "$1"
  timed "$bin/minillm-tokenizer" train --input "$2" --split line --vocab-size "$4" --out "$out/$1.model"
  quiet_training "$bin/minillm-pretrain" --config "configs/$1_pretrain.toml" --tokenizer "$out/$1.model" \
    --train "$2" --eval "$3" --out "$out/$1"
}
shakespeare=$data/pretrain/tinyshakespeare.txt
head -n 36000 "$shakespeare" >"$out/shakespeare.train.txt"
tail -n +36001 "$shakespeare" >"$out/shakespeare.heldout.txt"
pretrain shakespeare "$out/shakespeare.train.txt" "$out/shakespeare.heldout.txt" 1024
tinystories_held_out=$data/pretrain/tinystories_v2_valid_10klines.txt
pretrain tinystories "$data/pretrain/tinystories_v1_train_head.txt" "$tinystories_held_out" 4096

instructions=("$out"/{alpaca_en_demo,rasbt_instruction-data}.train.jsonl)
held_out=("$out"/{alpaca_en_demo,rasbt_instruction-data}.heldout.jsonl)
held_out_pairs=("$out"/{rasbt_preference,hh_harmless-base_test_first100}.heldout.jsonl)
printf '\n== SFT on alpaca_en_demo and rasbt_instruction-data\n'
quiet_training "$bin/minillm-sft" --config configs/instruct_sft.toml --init-from "$out/tinystories" \
  --train "${instructions[@]}" --eval "${held_out[@]}" --replay "$data/pretrain/tinystories_v1_train_head.txt" \
  --out "$out/sft"

printf '\n== DPO on rasbt_preference and hh_harmless\n'
quiet_training "$bin/minillm-dpo" --config configs/preference_dpo.toml --init-from "$out/sft" \
  --train "$out"/{rasbt_preference,hh_harmless-base_test_first100}.train.jsonl \
  --eval "${held_out_pairs[@]}" \
  --replay "${instructions[@]}" --out "$out/dpo"

printf '\n== a reward model of rasbt_preference and hh_harmless\n'
quiet_training "$bin/minillm-reward" --config configs/preference_reward.toml --init-from "$out/sft" \
  --train "$out"/{rasbt_preference,hh_harmless-base_test_first100}.train.jsonl --eval "${held_out_pairs[@]}" \
  --out "$out/reward"
for pairs in "${held_out_pairs[@]}"; do
  "$bin/minillm-eval" reward --checkpoint "$out/reward" --on-bad-record skip --data "$pairs"
done

# questions OUT ROWS...: what the rows ask, as prompts.
questions() {
  python3 - "$@" <<'PYTHON'
import json, sys
with open(sys.argv[1], "w", encoding="utf-8") as file:
    for path in sys.argv[2:]:
        for line in open(path, encoding="utf-8"):
            row = json.loads(line)
            file.write(json.dumps({"prompt": "\n\n".join(filter(None, (row["instruction"], row["input"])))}) + "\n")
PYTHON
}
questions "$out/questions.train.jsonl" "${instructions[@]}"
questions "$out/questions.heldout.jsonl" "${held_out[@]}"
# reinforce NAME OPTION...: GRPO from the SFT model.
reinforce() {
  quiet_training "$bin/minillm-rl" --config configs/format_rl.toml --init-from "$out/sft" \
    --train "$out/questions.train.jsonl" --eval "$out/questions.heldout.jsonl" --replay "${instructions[@]}" \
    --out "$out/$1" "${@:2}"
}
printf '\n== GRPO: an answer is to be two sentences\n'
reinforce rl
printf '\n== the same, held by nothing: it stops as diverged\n'
reinforce rl-free --set rl.kl_weight=0 --set rl.replay_weight=0 || [[ $? == 4 ]]
printf '\n== GRPO: the reward model\n'
reinforce rl-learned --set rl.reward=model,pattern:0 --set "rl.reward_model=$out/reward"

printf '\n== the stages on the other stages'"'"' held-out data\n'
for stage in tinystories sft dpo rl rl-free rl-learned; do
  echo "-- $stage"
  "$bin/minillm-eval" loss --checkpoint "$out/$stage" --document-split file --text "$tinystories_held_out"
  "$bin/minillm-eval" sft --checkpoint "$out/$stage" --on-bad-record skip --data "${held_out[@]}"
  "$bin/minillm-eval" preference --checkpoint "$out/$stage" --on-bad-record skip --data "${held_out_pairs[@]}"
done
printf '%s\n' "Rewrite the sentence in the past tense: I go to the park." "What is the capital of France?" \
  "Write a sentence about a happy dog." >"$out/prompts.txt"
"$bin/minillm-compare" --checkpoints "$out"/{tinystories,sft,dpo,rl,rl-learned} --prompts "$out/prompts.txt"
"$bin/minillm-report" "$out"/{tinystories,sft,reward,rl} --prompts "$out/prompts.txt" --out "$out/report.html"
