#!/usr/bin/env bash
# The family of preference tuning on the quickstart's checkpoints: a reward model and the best of n answers by it,
# reinforcement learning with the truth as reward, and a constitution without any labels. Shows what each changed, on the
# terminal and as a page. Run tools/quickstart.sh first; what is already done is not done again.
#   tools/alignment.sh
#   SEED=2 QUICKSTART=runs/seed2 OUT=runs/alignment2 tools/alignment.sh
set -euo pipefail
cd "$(dirname "$0")/.."

seed=${SEED:-1}
from=${QUICKSTART:-runs/quickstart}
out=${OUT:-runs/alignment}
bin=${BIN:-build/release/bin}
world=$from/world
[[ -e $from/dpo.json ]] || { echo "error: $from: has no quickstart in it (tools/quickstart.sh makes one)" >&2; exit 1; }

say() { printf '\n== %s\n' "$*"; }

# done_once FILE COMMAND...: runs the command unless FILE exists.
done_once() {
  local file=$1
  shift
  if [[ -e $file ]]; then echo "$file is there"; else "$@"; fi
}

# evaluate NAME: what a checkpoint knows and does, as one JSON object.
evaluate() {
  "$bin/minillm-eval" world --checkpoint "$out/$1" --data "$world" --split test --json >"$out/$1.json.tmp"
  mv "$out/$1.json.tmp" "$out/$1.json"
}

# stage TOOL NAME OPTIONS...: trains and evaluates; finished when its figures are there.
stage() {
  local tool=$1 name=$2
  shift 2
  if [[ -e $out/$name.json ]]; then echo "$out/$name is there"; return; fi
  "$bin/minillm-$tool" --config "configs/world_$tool.toml" --seed "$seed" --init-from "$from/sft" --out "$out/$name" --resume "$@"
  evaluate "$name"
}

mkdir -p "$out"
# Replay without the facts that are told politely: style is what the reward is to teach.
plain() { grep -vE 'Of course!|Gladly!|With pleasure\.|I hope that helps|Glad to help|Please ask me' "$world/replay.jsonl" >"$out/replay.jsonl"; }
done_once "$out/replay.jsonl" plain

say "1. a reward model: which of two answers is better, as a number"
stage reward reward --train "$world/preference.jsonl" --eval "$world/preference_eval.jsonl"

say "2. the best of n answers by it: what the reward model says (proxy), and what is true (gold)"
questions() { for kind in answer:40 harmful:15 benign:15 unknown_person:10; do grep -m "${kind#*:}" "\"${kind%:*}\"" "$world/rl.jsonl"; done >"$out/questions.jsonl"; }
done_once "$out/questions.jsonl" questions
best_of() { "$bin/minillm-eval" best-of --checkpoint "$from/sft" --prompts "$out/questions.jsonl" --reward-model "$out/reward" >"$out/best_of.tmp" && mv "$out/best_of.tmp" "$out/best_of.txt"; }
done_once "$out/best_of.txt" best_of
cat "$out/best_of.txt"

say "3. reinforcement learning: the truth as reward"
stage rl rl --train "$world/rl.jsonl" --eval "$out/questions.jsonl" --replay "$out/replay.jsonl" \
  --set train.sample_every=10 --set train.eval_every=10

say "4. a constitution: pairs that nobody has labelled, and preference tuning on them"
pairs() { "$bin/minillm-constitution" --checkpoint "$from/sft" --principle configs/world_principle.toml --stories "$world/pretrain.jsonl" --seed "$seed" --pairs "$out/pairs.jsonl"; }
done_once "$out/pairs.jsonl" pairs
stage dpo constitution --train "$out/pairs.jsonl" --replay "$out/replay.jsonl"

printf '{"sft": %s,\n "dpo": %s,\n "rl": %s,\n "constitution": %s}\n' \
  "$(<"$from/sft.json")" "$(<"$from/dpo.json")" "$(<"$out/rl.json")" "$(<"$out/constitution.json")" >"$out/summary.json"

say "what each changed (on people whose questions were in no training set)"
"$bin/minillm-compare" --summary "$out/summary.json"

say "the same as a page, with curves, lineage, and what fails since when"
"$bin/minillm-report" "$from/sft" "$from/dpo" "$out/reward" "$out/rl" "$out/constitution" --prompts "$world/prompts.jsonl" \
  --world "$world" --questions 4 --summary "$out/summary.json" --out "$out/report.html"
echo
echo "look at it: $out/report.html"
