#!/usr/bin/env bash
# What a dry run says about a run's memory, compared with the run's peak: fails unless they agree within a tenth in
# every configuration. Six configurations, or all fifteen with MINILLM_LONG_TESTS=1.
#   memory.sh <bin folder>
set -uo pipefail
bin=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
failed=0

"$bin/minillm-world" --out world --stories 1500 --sft-rows 400 --pairs 200 --replay-facts 20 --second-documents 50 \
  --open-book-rows 60 --open-book-documents 20 --tool-rows 60 2>log
for vocab in 600 2048; do
  "$bin/minillm-tokenizer" train --input world/tokenizer.txt --split line --vocab-size $vocab --out tok$vocab.model 2>log
done

printf '%-58s %9s %9s %7s\n' configuration 'told, MB' 'peak, MB' ratio
# measure NAME TOOL OPTION...: leaves the run in `base`, so that a later stage can start from it.
measure() {
  local name=$1 tool=$2 told peak
  shift 2
  "$bin/minillm-$tool" "$@" --out run --dry-run >dry.txt 2>&1 || { cat dry.txt; failed=1; return; }
  told=$(awk '/^ *total/ {print $2}' dry.txt)
  [[ -e run/LATEST ]] && { echo "a dry run left a checkpoint"; failed=1; }
  rm -rf run
  "$bin/minillm-$tool" "$@" --out run --json >out.txt 2>err.txt || { tail -n 2 err.txt; failed=1; return; }
  peak=$(sed -n 's/.*"peak_memory_mb":\([0-9.]*\).*/\1/p' out.txt)
  rm -rf base && mv run base
  awk -v name="$name" -v told="$told" -v peak="$peak" 'BEGIN {
    printf "%-58s %9.1f %9.1f %7.3f\n", name, told, peak, told / peak
    exit !(told > 0.9 * peak && told < 1.1 * peak) }' || failed=1
}

long() { [[ -z ${MINILLM_LONG_TESTS:-} ]] || "$@"; }

model() { # C F L H K D VOCAB
  options=(--set model.hidden_size=$1 --set model.intermediate_size=$2 --set model.num_hidden_layers=$3
    --set model.num_attention_heads=$4 --set model.num_key_value_heads=$5 --set model.head_dim=$6
    --set model.vocab_size=$7 --tokenizer tok$7.model --train world/pretrain.jsonl --set train.steps=2)
}
batch() { options+=(--set train.batch_tokens=$1); }

model 64 128 2 4 4 16 600
measure 'pretrain, C 64, 2 blocks' pretrain "${options[@]}"
model 192 512 4 6 6 32 600
batch 4096
long measure 'pretrain, C 192, 4 blocks, 4096 rows' pretrain "${options[@]}"
measure '  recompute, C 192, 4096 rows' pretrain "${options[@]}" --set train.recompute=block
long measure '  bf16' pretrain "${options[@]}" --set train.precision=bf16
long measure '  one thread, 4 micro-batches' pretrain "${options[@]}" --threads 1 --set train.accumulation_steps=4
long measure '  four threads' pretrain "${options[@]}" --threads 4
batch 16384
long measure '  16384 rows, recompute' pretrain "${options[@]}" --set train.recompute=block
model 128 352 12 8 2 16 600
long measure 'pretrain, C 128, 12 blocks, 2 key-value heads' pretrain "${options[@]}"
model 384 1024 6 6 6 64 2048
batch 1024
long measure 'pretrain, C 384, 6 blocks, vocabulary 2048' pretrain "${options[@]}"
long measure '  own head' pretrain "${options[@]}" --set model.tie_word_embeddings=false
model 192 512 4 6 6 32 2048
batch 2048
measure 'pretrain, C 192, 4 blocks, held-out text' pretrain "${options[@]}" --eval world/pretrain_eval.jsonl
mv base pretrained
measure '  sft from it' sft --init-from pretrained --train world/sft.jsonl --set train.steps=2
mv base tuned
measure '  sft, bf16, recompute, held-out' sft --init-from pretrained --train world/sft.jsonl --eval world/sft_eval.jsonl \
  --set train.steps=2 --set train.precision=bf16 --set train.recompute=block
long measure '  dpo from it' dpo --init-from tuned --train world/preference.jsonl --set train.steps=2
measure '  dpo with replay, held-out' dpo --init-from tuned --train world/preference.jsonl --replay world/replay.jsonl \
  --eval world/preference_eval.jsonl --set train.steps=2
long measure '  kto, held-out' dpo --init-from tuned --train world/preference.jsonl --eval world/preference_eval.jsonl \
  --set train.steps=2 --set dpo.loss=kto
exit $failed
