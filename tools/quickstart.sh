#!/usr/bin/env bash
# From nothing to an aligned model on the embedded world, in one command: installs what is missing, builds,
# pretrains, fine-tunes and preference-tunes, and shows what each stage changed, on the terminal and as a page.
# What is already done is not done again; an interrupted stage is continued.
#   tools/quickstart.sh          the default world
#   SEED=2 OUT=runs/seed2 tools/quickstart.sh
#   PRETRAIN=configs/world_pretrain_muon.toml OUT=runs/muon tools/quickstart.sh
set -euo pipefail
cd "$(dirname "$0")/.."

seed=${SEED:-1}
out=${OUT:-runs/quickstart}
pretrain=${PRETRAIN:-configs/world_pretrain.toml}
world=$out/world
bin=build/release/bin

tools/install_dependencies.sh
cmake --preset release >/dev/null
cmake --build --preset release -- --no-print-directory --quiet

say() { printf '\n== %s\n' "$*"; }

# done_once FILE COMMAND...: runs the command unless FILE exists.
done_once() {
  local file=$1
  shift
  if [[ -e $file ]]; then echo "$file is there"; else "$@"; fi
}

# evaluate STAGE: what the stage's checkpoint knows and does, as one JSON object.
evaluate() {
  "$bin/minillm-eval" world --checkpoint "$out/$1" --data "$world" --split test --json >"$out/$1.json.tmp"
  mv "$out/$1.json.tmp" "$out/$1.json"
}

# stage NAME CONFIG OPTIONS...: trains and evaluates one stage; finished when its figures are there.
stage() {
  local name=$1 config=$2
  shift 2
  if [[ -e $out/$name.json ]]; then echo "$out/$name is there"; return; fi
  "$bin/minillm-$name" --config "$config" --seed "$seed" --out "$out/$name" --resume "$@"
  evaluate "$name"
}

mkdir -p "$out"
say "1. the world: people, stories, questions (seed $seed)"
done_once "$world/eval.jsonl" "$bin/minillm-world" --out "$world" --seed "$seed"

say "2. the tokenizer: 2,048 pieces"
done_once "$out/tokenizer.model" "$bin/minillm-tokenizer" train --input "$world/tokenizer.txt" --split line \
  --vocab-size 2048 --out "$out/tokenizer.model"

say "3. pretraining: what the stories tell"
stage pretrain "$pretrain" --tokenizer "$out/tokenizer.model" --train "$world/pretrain.jsonl" --eval "$world/pretrain_eval.jsonl"

say "4. fine-tuning: how to answer"
stage sft configs/world_sft.toml --init-from "$out/pretrain" --train "$world/sft.jsonl" --eval "$world/sft_eval.jsonl" \
  --replay "$world/pretrain.jsonl"

say "5. preference tuning: which answer to choose"
stage dpo configs/world_dpo.toml --init-from "$out/sft" --train "$world/preference.jsonl" --eval "$world/preference_eval.jsonl" \
  --replay "$world/replay.jsonl"

printf '{"pretrain": %s,\n "sft": %s,\n "dpo": %s}\n' \
  "$(<"$out/pretrain.json")" "$(<"$out/sft.json")" "$(<"$out/dpo.json")" >"$out/summary.json"

say "the same prompts through all stages"
"$bin/minillm-compare" --checkpoints "$out/pretrain" "$out/sft" "$out/dpo" --prompts "$world/prompts.jsonl"

say "what each stage changed (on people whose questions were in no training set)"
"$bin/minillm-compare" --summary "$out/summary.json"

say "the same as a page, with curves, lineage, and what fails since when"
"$bin/minillm-report" "$out/pretrain" "$out/sft" "$out/dpo" --prompts "$world/prompts.jsonl" --world "$world" --questions 4 \
  --summary "$out/summary.json" --out "$out/report.html"
echo
echo "look at it: $out/report.html"
echo "talk to it: $bin/minillm-generate --checkpoint $out/dpo --chat"
