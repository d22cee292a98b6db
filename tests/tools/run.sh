#!/usr/bin/env bash
# The tools as a new user meets them: help, wrong options, broken files, Ctrl-C, resume, exit codes.
# Every mistake must give one `error:` line and the documented exit code, and leave nothing
# half-written.
#   run.sh <source folder> <bin folder>
set -uo pipefail
source_folder=$1
bin=$2
data=${MINILLM_TEST_DATA:-}
source "$source_folder/tests/tools/small.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
passed=0
failed=0

fail() {
  failed=$((failed + 1))
  echo "FAILED: $*"
}

# expect CODE PATTERN COMMAND...: exit code, a line of stderr or stdout that matches, one error line
# at most.
expect() {
  local code=$1 pattern=$2 status=0
  shift 2
  "$@" >out.txt 2>err.txt </dev/null || status=$?
  if [[ $status -ne $code ]]; then
    fail "$* gave $status, expected $code: $(tail -n 2 err.txt)"
  elif ! grep -qE -- "$pattern" out.txt err.txt; then
    fail "$*: no line matches '$pattern': $(tail -n 3 err.txt)"
  elif [[ $code -ne 0 && $code -ne 130 && $(grep -c '^error: ' err.txt) -ne 1 ]]; then
    fail "$*: not one error line: $(cat err.txt)"
  else
    passed=$((passed + 1))
  fi
}

# ensure MESSAGE COMMAND...: the command succeeds.
ensure() {
  if "${@:2}"; then passed=$((passed + 1)); else fail "$1"; fi
}

# none FIND'S ARGUMENTS...: there are no such files.
none() { [[ -z $(find "$@" 2>/dev/null) ]]; }

# wait_for FILE PID: until the process has written to it, or has ended.
wait_for() {
  until [[ -s $1 ]] || ! kill -0 "$2" 2>/dev/null; do sleep 0.05; done
}

# --- every tool explains itself
for name in pretrain sft dpo reward rl constitution generate eval compare report tokenizer inspect export import notes world \
  lab bench; do
  expect 0 "minillm-$name|Usage" tool $name --help
  expect 2 "^error: " tool $name --no-such-option
done
expect 0 "train.learning_rate" tool pretrain --help

# --- a small world, and the whole pipeline on it
expect 0 "" tool world --out world "${small_world[@]}"
expect 0 "600 pieces" tool tokenizer train --input world/tokenizer.txt --split line \
  --vocab-size 600 --out tok.model
texts=(--tokenizer tok.model --train world/pretrain.jsonl "${small_model[@]}"
  --set train.log_every=1)
chats=(--train world/sft.jsonl)
pairs=(--train world/preference.jsonl)
expect 0 "saved" tool pretrain "${texts[@]}" --eval world/pretrain_eval.jsonl --out base \
  --set train.steps=6
expect 0 "saved" tool sft --init-from base "${chats[@]}" --eval world/sft_eval.jsonl --out chat \
  --set train.steps=4 --set train.batch_tokens=400
expect 0 "saved" tool dpo --init-from chat "${pairs[@]}" --eval world/preference_eval.jsonl \
  --replay world/replay.jsonl --out aligned --set train.steps=3 --set train.batch_tokens=300

# --- adapters: trained in place of the model, taken as checkpoints, put on a model, merged
small_lora=(--set train.steps=3 --set train.batch_tokens=300 --set lora.rank=2)
expect 0 "trained: an adapter of" tool sft --init-from base "${chats[@]}" --out lora "${small_lora[@]}"
expect 0 "frozen" tool sft --init-from base "${chats[@]}" --out dry "${small_lora[@]}" --dry-run
expect 0 "" tool generate --checkpoint lora --chat --prompt "Who are you?" --max-tokens 4
expect 0 "" tool generate --checkpoint base --adapter lora:0.5 --adapter lora:0.5 --chat --prompt x --max-tokens 4
expect 0 '"perplexity"' tool eval loss --checkpoint base --adapter lora --text world/tokenizer.txt --json
expect 0 "an adapter on" tool inspect lora
expect 0 "trained: an adapter of" tool dpo --init-from lora "${pairs[@]}" --out lora-dpo "${small_lora[@]}"
expect 0 "trained: an adapter of" tool dpo --init-from chat "${pairs[@]}" --out chat-lora "${small_lora[@]}"
expect 0 "is merged into its weights" tool dpo --init-from base --adapter lora "${pairs[@]}" --out tuned \
  --set train.steps=2 --set train.batch_tokens=300
expect 0 "tensors as f32" tool export --checkpoint lora --merge merged
expect 0 "merge: 0 steps" tool inspect merged
expect 0 "tensors as f32" tool export --checkpoint chat-lora --gguf-lora lora.gguf
expect 0 "tensors as f32" tool export --checkpoint chat-lora --mlx mlx
expect 1 "replaces rows of the embedding" tool export --checkpoint lora --gguf-lora none.gguf
expect 1 "is an adapter, or has some on it" tool export --checkpoint lora --gguf none.gguf
expect 1 "there is nothing to merge" tool export --checkpoint chat --merge none
expect 1 "was trained on another base" tool generate --checkpoint chat --adapter lora --chat --prompt x
expect 0 "" tool generate --checkpoint chat --adapter lora --force --chat --prompt x --max-tokens 2
expect 1 "adapter 'nowhere': no such directory" tool generate --checkpoint chat --adapter nowhere --chat --prompt x
expect 2 "lora.targets: 'head': expected one of q, k, v, o, gate, up, down" tool sft --init-from base "${chats[@]}" \
  --out nothing --set lora.rank=2 --set 'lora.targets=["head"]'
expect 0 "LoRA of rank 2, .* parameters, on chat" tool import --mlx mlx --base chat --out from-mlx
expect 0 "an adapter on" tool inspect from-mlx
expect 1 "'nowhere': no such directory" tool import --mlx mlx --base nowhere --out none
expect 2 "--base|requires" tool import --mlx mlx --out none
expect 2 "exactly 1|required" tool import --mlx mlx --base chat --llama2c x.bin --out none
expect 0 "base \+ lora:0.5" tool compare --checkpoints base --adapter lora:0.5 --prompts world/prompts.jsonl \
  --max-tokens 4
expect 0 "base .?\+ lora" tool report base --adapter lora --prompts world/prompts.jsonl --max-tokens 4 --markdown
expect 1 "was trained on another base" tool compare --checkpoints chat --adapter lora --prompts world/prompts.jsonl
# Other kinds.
for kind in parallel.width=3 prompt.tokens=2 prefix.tokens=2; do
  name=${kind%%.*}
  expect 0 "trained: an adapter of" tool sft --init-from base "${chats[@]}" --out "$name" --set train.steps=3 \
    --set train.batch_tokens=300 --set "$kind"
  expect 0 "" tool generate --checkpoint base --adapter "$name" --chat --prompt "Who are you?" --max-tokens 4
  expect 0 '"perplexity"' tool eval loss --checkpoint "$name" --text world/pretrain_eval.jsonl --json
  expect 1 "cannot be merged" tool export --checkpoint "$name" --merge none
  expect 1 "no place for: expected LoRA" tool export --checkpoint "$name" --gguf-lora none.gguf
  expect 1 "cannot be merged" tool dpo --init-from "$name" "${pairs[@]}" --out none
done
expect 1 "has virtual tokens" tool generate --checkpoint base --adapter prompt:0.5 --chat --prompt x
expect 2 "lora.rank, prompt.tokens: expected one kind of adapter" tool sft --init-from base "${chats[@]}" --out nothing \
  --set lora.rank=2 --set prompt.tokens=2
expect 2 "expected 0 where training is from scratch" tool pretrain "${texts[@]}" --out nothing --set lora.rank=2

# --- a reward model: judges answers, and writes none
expect 0 "saved" tool reward --init-from chat "${pairs[@]}" --eval world/preference_eval.jsonl --out judge \
  --set train.steps=3 --set train.batch_tokens=300
expect 0 '"accuracy":' tool eval reward --checkpoint judge --data world/preference_eval.jsonl --json
expect 0 "preference_accuracy_style" tool eval world --checkpoint judge --data world
expect 0 "reward" tool inspect judge
expect 1 "expected a reward model" tool eval reward --checkpoint chat --data world/preference_eval.jsonl
expect 1 "is a reward model, which scores texts and cannot continue them" \
  tool generate --checkpoint judge --chat --prompt "Who are you?"
expect 1 "is a reward model" tool dpo --init-from judge "${pairs[@]}" --out nothing
expect 1 "is a reward model" tool export --checkpoint judge --gguf judge.gguf
expect 1 "is a reward model" tool export --checkpoint judge --llama2c judge.bin

head -3 world/rl.jsonl >few.jsonl
expect 0 "" tool generate --checkpoint chat --chat --prompt "Who are you?" --best-of 3 --reward model,length:-0.1 \
  --reward-model judge --max-tokens 8
expect 1 "expected a checkpoint of the reward stage" tool generate --checkpoint chat --chat --prompt x --best-of 2 \
  --reward model --reward-model chat
expect 0 '"sqrt_kl":' tool eval best-of --checkpoint chat --prompts few.jsonl --samples 4 --reward-model judge --json
expect 0 "sqrt KL" tool eval best-of --checkpoint chat --prompts few.jsonl --samples 4 --proxy length --gold ended
expect 2 "expected a regular expression beside it" tool generate --checkpoint chat --chat --prompt x --best-of 2 --reward pattern

expect 0 "" tool generate --checkpoint chat --chat --prompt "Who are you?" --best-of 2 --reward program --max-tokens 4 \
  --reward-program 'while read -r line; do echo "${#line}"; done'
expect 1 "has ended: expected a line" tool generate --checkpoint chat --chat --prompt x --best-of 2 --reward program \
  --reward-program false

# --- reinforcement learning on the world's questions
questions=(--train world/rl.jsonl --replay world/replay.jsonl --set train.steps=2 --set rl.questions=3 --set rl.samples=2
  --set rl.max_tokens=8)
expect 0 "saved" tool rl --init-from chat "${questions[@]}" --set rl.reward=world --out policy
expect 0 "saved" tool rl --init-from chat "${questions[@]}" --set rl.reward=model --set rl.reward_model=judge --out policy2 \
  --set rl.algorithm=ppo
expect 0 "" tool generate --checkpoint policy2 --chat --prompt "Who are you?" --max-tokens 4
expect 0 "as f32" tool export --checkpoint policy2 --gguf policy.gguf
expect 2 "reward 'expected': prompt 1 has no expected text" tool rl --init-from chat "${questions[@]}" --out nothing
expect 2 "rl.kinds: 'joke': expected \"" tool rl --init-from chat "${questions[@]}" --set rl.reward=ended --set rl.kinds=joke \
  --out nothing

# --- a constitution: pairs that nobody has labelled
judged() { tool constitution --checkpoint chat --principle "$source_folder/configs/world_principle.toml" "$@"; }
grep -e '"benign"' -e '"harmful"' world/rl.jsonl >asked.jsonl
expect 1 "no pair is left" judged --requests asked.jsonl --count 2 --pairs none.jsonl --max-tokens 1
ensure "a file of no pairs was left" none none.jsonl
echo "Who is Tom?" >other.txt
expect 1 "no request is of the form" judged --requests other.txt --pairs none.jsonl
expect 2 "requests" judged --pairs none.jsonl
expect 2 "is an input, too" judged --requests asked.jsonl --pairs asked.jsonl

# --- notes: an index of texts, and what is looked up in it
printf 'Tom Weston plays the harp. Mary Ashford lives in Weston.\n' >told.txt
expect 0 "2 notes, 0 repetitions left out" tool notes build --input told.txt --out notes.sqlite
expect 0 "told.txt#1  Tom Weston plays the harp." tool notes query --notes notes.sqlite "What does Tom Weston play?"
expect 0 '"notes":\[\]' tool notes query --notes notes.sqlite "What does Anna Weston play?" --json
expect 0 '"text":"Tom Weston plays' tool notes query --notes notes.sqlite '"Tom" NOT (harp*' --json
expect 0 "no note holds" tool notes query --notes notes.sqlite ""
expect 1 "notes 'none.sqlite': no such file \(minillm-notes build writes one\)" tool notes query --notes none.sqlite x
expect 1 "not an index of notes" tool notes query --notes told.txt x
expect 1 "'none.txt'" tool notes build --input none.txt --out other.sqlite
ensure "an index of nothing was left" none other.sqlite
expect 2 "is an input, too" tool notes build --input told.txt --out told.txt
expect 2 "document split" tool notes build --input told.txt --out other.sqlite --split word
expect 2 "--limit" tool notes query --notes notes.sqlite x --limit 0
expect 2 "required|subcommand" tool notes
expect 0 '"repeated":' tool notes build --input world/second.jsonl --out world/notes.sqlite --json
expect 0 '"answer_accuracy".*"late_answer_accuracy":\{"value":0.0,"count":0,"of":40\}' \
  tool eval world --checkpoint chat --data world --notes world/notes.sqlite --split validation --json
expect 1 "notes 'none.sqlite': no such file" tool eval world --checkpoint chat --data world --notes none.sqlite
expect 0 "open_book.jsonl: .* bytes" tool world --out open --part open_book --open-book-rows 10 --open-book-documents 3
expect 0 '"used":10' tool inspect open/open_book.jsonl --json
expect 0 "tools.jsonl: .* bytes" tool world --out open --part tools --tool-rows 10
expect 0 '"used":10' tool inspect open/tools.jsonl --json
echo '{"messages":[{"role":"user","content":"q"},{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]},
  {"role":"tool","content":"r"},{"role":"assistant","content":"a"}]}' | tr -d '\n' >call.jsonl
expect 0 "«<tool_call>" tool inspect call.jsonl  # a call is learned, and what it returned is not
expect 0 "^ r" tool inspect call.jsonl
expect 2 "open-book-rows.*at least 0" tool world --out open --part open_book --open-book-rows -1
calls() { tool generate --checkpoint chat --max-tokens 4 --prompt "What is 2 plus 3?" "$@"; }
expect 0 '"stop_reason"' calls --chat --tools add,clock --clock noon --json
expect 2 "tool 'shell': unknown: expected some of add, subtract" calls --chat --tools shell
expect 2 "tool 'add': is named twice" calls --chat --tools add,add
expect 2 "requires --chat" calls --tools add
expect 2 "requires --tools" calls --chat --clock noon
expect 1 "chat template 'chatml': cannot write tools .--chat-template chooses" calls --chat --tools add --chat-template chatml
expect 0 '"sum_with_tool_accuracy":\{"value":0.0,"count":0,"of":12[0-9]\}' \
  tool eval world --checkpoint chat --data world --tools --split validation --json
noted() { tool generate --checkpoint chat --notes notes.sqlite --max-tokens 4 "$@"; }
expect 0 "\[told.txt#1\] Tom Weston plays the harp." noted --chat --prompt "What does Tom Weston play?"
expect 0 '"prompt":"Be short. Notes: none.\\nWho is Anna\?".*"notes":\[\]' noted --chat --system "Be short." \
  --prompt "Who is Anna?" --json
expect 0 "\[no note was found\]" noted --chat --prompt "Who is Anna?"
echo "What does Tom Weston play?" >asked.txt
noted_lines() { noted --chat <asked.txt; }
expect 0 "\[told.txt#1\]" noted_lines
expect 2 "--notes requires --chat" noted --prompt x

# --- single answers with a verdict are for KTO
printf '{"prompt":"Who is %s?","completion":"A baker.","label":%s}\n' Tom true Ann false Mary 1 Jo '"bad"' >judged.jsonl
expect 1 "'judged.jsonl': unpaired preference data .*only dpo.loss = \"kto\" learns from single answers" \
  tool dpo --init-from chat --train judged.jsonl --out nothing
expect 0 '"used":4' tool inspect judged.jsonl --json
expect 0 "saved" tool dpo --init-from chat --train judged.jsonl --replay world/replay.jsonl --out judged \
  --set dpo.loss=kto --set train.steps=2
expect 0 "saved" tool dpo --init-from chat --train judged.jsonl "${pairs[@]}" --out judged2 --set dpo.loss=kto \
  --set train.steps=2
expect 2 "dpo.gamma: it applies to dpo.loss = \"simpo\" only" \
  tool dpo --init-from chat "${pairs[@]}" --out nothing --set dpo.loss=kto --set dpo.gamma=1

# --- a disk that is too small, one that fills up while training, and one that cannot be written
mkdir disk
if mount -t tmpfs -o size=1m tmpfs disk 2>/dev/null; then
  trap 'umount "$work/disk"; rm -rf "$work"' EXIT
  expect 2 "disk: too little for this run in 'disk/run': expected room for 3 .* train.keep_last" \
    tool pretrain "${texts[@]}" --out disk/run
  mount -o remount,size=12m disk
  fill_disk() { head -c 12M /dev/zero >>disk/filler 2>/dev/null; }
  tool pretrain "${texts[@]}" --out disk/run --set train.steps=100000 --set train.save_every=5 \
    >full.txt 2>&1 &
  pid=$!
  wait_for disk/run/LATEST $pid
  # The run frees what it no longer needs, so one filling might leave it room for ever.
  while kill -0 $pid 2>/dev/null; do fill_disk; done
  wait $pid
  ensure "a full disk: exit code" test $? -eq 1
  ensure "a full disk: $(tail -n 1 full.txt)" \
    grep -qE "^error: (file|directory) 'disk/run/.*No space left on device" full.txt
  ensure "a full disk left temporary files" none disk/run -name '*.tmp-*'
  fill_disk
  expect 0 "" tool generate --checkpoint disk/run --prompt "Mary" --max-tokens 3
  expect 1 "'disk/full.gguf': too little room on its disk: expected [0-9]+ bytes, got [0-9]+" \
    tool export --checkpoint base --gguf disk/full.gguf
  rm disk/filler
  mount -o remount,ro disk
  expect 1 "Read-only file system" tool pretrain "${texts[@]}" --out disk/other
  expect 0 "" tool generate --checkpoint disk/run --prompt "Mary" --max-tokens 3
else
  echo "SKIPPED: full and read-only disks: no right to mount one"
fi

# --- the server: where it may listen, what it serves, how it ends
if [[ -x $bin/minillm-serve ]]; then
  expect 0 "--checkpoint" tool serve --help
  expect 2 "^error: --checkpoint is required" tool serve
  expect 2 "--host 0.0.0.0: others could use it: expected --api-key" tool serve --checkpoint base --host 0.0.0.0 --port 0
  expect 2 "--no-key: expected no --api-key" tool serve --checkpoint base --no-key --api-key x
  expect 2 "two are named 'pretrain' \(NAME=PATH" tool serve --checkpoint base base --port 0
  expect 1 "nowhere" tool serve --checkpoint base x=nowhere --port 0
  expect 1 "expected a language model, got a reward model" tool serve --checkpoint judge --port 0
  expect 1 "host 'nowhere.invalid': not known" tool serve --checkpoint base --host nowhere.invalid --port 0 --no-key
  # ask PORT REQUEST...: the answer to one request, a line each, without curl.
  ask() {
    exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
    printf '%s\r\n' "${@:2}" "Host: localhost" "Connection: close" "" >&3
    cat <&3
    exec 3<&- 3>&-
  }
  MINILLM_API_KEY=secret "$bin/minillm-serve" --checkpoint base mine=chat lora --port 0 >address 2>serve.log &
  pid=$!
  wait_for address $pid
  port=$(sed -n 's|^http://127.0.0.1:||p' address)
  expect 0 '"status":"ok"' ask "$port" "GET /health HTTP/1.1"
  expect 0 "401 Unauthorized" ask "$port" "GET /v1/models HTTP/1.1"
  expect 0 '"id":"pretrain".*"id":"mine".*"id":"sft"' ask "$port" "GET /v1/models HTTP/1.1" "Authorization: Bearer secret"
  expect 1 "port $port: cannot be listened on: Address already in use" tool serve --checkpoint base --port "$port"
  kill -TERM $pid
  wait $pid
  ensure "serve: exit code $? after SIGTERM" test $? -eq 0
  ensure "serve: $(cat serve.log)" grep -q "serving pretrain, mine, sft" serve.log
else
  echo "SKIPPED: minillm-serve: it is built where Boost's headers are"
fi

# --- what the models are and say
expect 0 "dpo" tool inspect aligned
expect 0 "" tool generate --checkpoint aligned --prompt "The baker" --max-tokens 8 --weights int8
expect 0 '"stop_reason":"(max_tokens|end_token)"' \
  tool generate --checkpoint aligned --prompt "The baker" --max-tokens 3 --json
expect 2 "weights" tool generate --checkpoint aligned --prompt "The baker" --weights int4
expect 0 '^("loaf"|1)$' \
  tool generate --checkpoint aligned --prompt "The baker" --max-tokens 20 --schema '{"enum": ["loaf", 1]}'
echo '{"type": "integer", "minimum": 10, "maximum": 99}' >schema.json
expect 0 '^[1-9][0-9]$' tool generate --checkpoint aligned --chat --prompt "How many?" --schema schema.json
expect 0 '^(yes|no), [a-z]{3}$' \
  tool generate --checkpoint aligned --prompt "The baker" --regex '(yes|no), [a-z]{3}'
expect 1 "schema: \\$.items: keyword 'not': not supported" \
  tool generate --checkpoint aligned --prompt x --schema '{"items": {"not": {}}}'
expect 1 "regex: character 1: look-ahead" tool generate --checkpoint aligned --prompt x --regex '(?=a)'
cat >policy.toml <<'END'
[[rule]]
name = "gold"
where = ["input", "output"]
words = ["gold", "hidden gold"]
text = "No word of that."
[[rule]]
name = "digits"
where = "output"
pattern = '\d'
action = "replace"
text = "(digit)"
END
expect 0 '^No word of that.$' tool generate --checkpoint aligned --prompt "Where is the GOLD?" --policy policy.toml
expect 0 '"stop_reason":"content_filter","policy":\{"rule":"gold","where":"input"\}' \
  tool generate --checkpoint aligned --prompt "gold" --policy policy.toml --json
expect 0 '^\(digit\) loaf, No word of that.$' tool generate --checkpoint aligned --prompt "x" --policy policy.toml \
  --regex '7 loaf, gold'
expect 0 "No word of that." sh -c 'printf "is there gold?\n" | "$0" --checkpoint aligned --policy policy.toml' \
  "$bin/minillm-generate"
expect 0 '"policy/harmful_refused/both"' tool eval world --checkpoint aligned --data world --json \
  --policy "$source_folder/configs/world_policy.toml"
echo 'words = 1' >>policy.toml
expect 2 "policy 'policy.toml':6: rule 'digits': expected one of" \
  tool generate --checkpoint aligned --prompt x --policy policy.toml
expect 1 "nowhere.json" tool generate --checkpoint aligned --prompt x --schema nowhere.json
expect 2 "excludes" tool generate --checkpoint aligned --prompt x --schema schema.json --regex a
expect 0 '"preferred_style_rate"' \
  tool eval world --checkpoint aligned --data world --split test --json
# --- calibration: what was not asked is no zero
calibration=(eval calibration --data world --split validation)
expect 0 '"ece":[0-9.e-]+,.*"rank_one":\{"all":\{"changed":\{"value":[01]' \
  tool "${calibration[@]}" --checkpoint aligned --against chat --json --svg reliability.svg
ensure "the diagram is whole" grep -q '^</svg>' reliability.svg
expect 0 '^strangers, known family name +[0-9]+' tool "${calibration[@]}" --checkpoint aligned
mkdir -p nothing_asked && grep '"type":"story","split":"test"' world/eval.jsonl | head -1 >nothing_asked/eval.jsonl
expect 0 '"known_people":\{"asked":0,"denied":null.*"ece":null,"ece_if_calibrated":null,"brier":null,"auroc":null,"bins":\[\]\},"rank_one":null' \
  tool eval calibration --data nothing_asked --checkpoint aligned --json
expect 0 '^AUROC +-' tool eval calibration --data nothing_asked --checkpoint aligned
expect 1 "world 'nowhere/eval.jsonl': no such file" tool eval calibration --data nowhere --checkpoint aligned
expect 1 "'judge': is a reward model, which answers nothing" tool "${calibration[@]}" --checkpoint judge
expect 1 "'judge': is a reward model, which answers nothing" tool "${calibration[@]}" --checkpoint chat --against judge
expect 0 '"logprobs": *\[null' \
  tool eval logprobs --checkpoint aligned --text "A stranger asked" --json
expect 0 "bits" tool eval loss --checkpoint base --text world/pretrain_eval.jsonl
expect 0 "loss" tool eval sft --checkpoint chat --data world/sft_eval.jsonl
expect 0 "accurac" tool eval preference --checkpoint aligned --data world/preference_eval.jsonl \
  --reference chat
expect 0 "pretrain" tool compare --checkpoints base chat aligned --prompts world/prompts.jsonl
expect 0 "" tool generate --checkpoint aligned --chat --prompt "Who lives here?" --max-tokens 8 \
  --temperature 0
expect 0 "" tool generate --checkpoint base --prompt "The baker" --max-tokens 8 --seed 3
# Documents without a prompt, and a text against the world's truth.
documents=(generate --checkpoint base --samples 30 --max-tokens 20 --keep-unfinished)
expect 0 "^own.jsonl: [0-9]+ documents, [0-9]+ tokens" tool "${documents[@]}" --out own.jsonl
expect 0 "^more.jsonl" tool "${documents[@]}" --out more.jsonl --threads 1
ensure "documents differ with the same seed" cmp -s own.jsonl more.jsonl
ensure "documents: a row is no text" grep -q '^{"text":"' own.jsonl
expect 1 "documents: nothing was written: left out: " tool generate --checkpoint base --samples 5 --max-tokens 1 --out no.jsonl
ensure "documents: a file of none" none . -name "no.jsonl*"
expect 2 "keep-unfinished excludes --prompt|prompt excludes --keep-unfinished" tool "${documents[@]}" --prompt A --out no.jsonl
expect 2 "is a file of a run" tool "${documents[@]}" --out base/LATEST
expect 0 "  true +[0-9]+ +100.00 %" tool world --check world/pretrain.jsonl --filtered kept.jsonl --statements said.jsonl
ensure "a true document was left out" test "$(wc -l <kept.jsonl)" -eq "$(wc -l <world/pretrain.jsonl)"
ensure "no statement was written" grep -q '"kind":"fact","truth":"true","text":".*","attribute":"trade"' said.jsonl
expect 0 '"facts":{"stated":[0-9]+,"true":0,' tool world --check world/pretrain.jsonl --seed 77 --json
expect 2 "is an input, too" tool world --check kept.jsonl --filtered kept.jsonl
expect 2 "out excludes --check|check excludes --out" tool world --check kept.jsonl --out world
expect 2 "filtered requires --check" tool world --out world --filtered x.jsonl
expect 2 "expected a directory for the files, or --check" tool world --seed 2
expect 1 "missing.jsonl" tool world --check missing.jsonl
expect 0 "messages" tool inspect world/sft.jsonl
expect 0 '"rows":120,"used":120' tool inspect world/sft.jsonl --json
expect 0 '"sha256":"[0-9a-f]{64}"' tool world --out world --part excerpt --json
expect 0 '"tokens_per_second":[0-9.]+' tool bench train --size xs --repetitions 1 --json

# --- out to other programs, and the mistakes one can make on the way
export_aligned() { tool export --checkpoint aligned "$@"; }
expect 0 '^mine.gguf: 38 tensors as q8_0, [0-9]+ bytes' \
  export_aligned --gguf mine.gguf --type q8_0
expect 0 '"format":"gguf".*"type":"f32","tensors":38,"bytes":[0-9]+,"warnings":\[\]' \
  export_aligned --gguf mine.gguf --json
ensure "mine.gguf is no GGUF file" test "$(head -c 4 mine.gguf)" = GGUF
expect 0 "as bf16" export_aligned --hf mine_hf --dtype bf16
expect 0 "" tool generate --checkpoint mine_hf --prompt "The baker" --max-tokens 3
expect 0 "run.c's own encoder" export_aligned --llama2c mine.bin
expect 1 "does not fit llama2.c's run.c: expected id 3 for <0x00>, got '<pad>'" \
  export_aligned --llama2c refused.bin --llama2c-tokenizer refused.tok
expect 1 "already exists" export_aligned --hf mine_hf
expect 1 "nowhere" tool export --checkpoint nowhere --gguf refused.gguf
expect 1 "it is a directory" export_aligned --gguf world
expect 1 "No such file or directory" export_aligned --gguf missing/refused.gguf
expect 2 "--type" export_aligned --gguf refused.gguf --type q4_0
expect 2 "--dtype" export_aligned --hf refused_hf --dtype q8_0
expect 2 "--type.*--gguf" export_aligned --hf refused_hf --type f16
expect 2 "--llama2c-tokenizer.*--llama2c" \
  export_aligned --gguf refused.gguf --llama2c-tokenizer refused.tok
expect 2 "." export_aligned
expect 2 "." export_aligned --gguf refused.gguf --hf refused_hf
ensure "a refused export left files" none . -name '*refused*' -o -name '*.tmp-*'

# Public benchmarks: a table, one line for every item, and nothing is asked twice.
cat >questions.jsonl <<'EOF'
{"question": "Who lives here?", "choices": ["a baker", "a fisher", "a smith"], "answer": "B"}
{"question": "Who sings?", "choices": ["a goat", "a cat"], "answer": 0}
EOF
printf 'A stranger asked the baker\nThe baker has a goat\n' >passages.txt
expect 0 "^questions +2 +[01]\.[0-9]{4} \[" \
  tool eval choice --checkpoint base --data questions.jsonl --items items.jsonl
ensure "not a line for the task and each item" test "$(wc -l <items.jsonl)" -eq 3
cp items.jsonl items.before
expect 0 '"chance":0.41666.*"tokens_computed":0,' \
  tool eval choice --checkpoint base --data questions.jsonl --items items.jsonl --json
ensure "items were asked twice" cmp items.jsonl items.before
expect 0 '"perplexity":[0-9]' tool eval continuation --checkpoint base --data passages.txt --json
expect 1 "items 'items.jsonl': another model was asked" \
  tool eval choice --checkpoint aligned --data questions.jsonl --items items.jsonl
expect 1 "passages.txt': it is plain text: expected" \
  tool eval choice --checkpoint base --data passages.txt

# --- in from other programs
expect 0 '"tokenizer":false' tool import --llama2c mine.bin --out back --json
expect 0 "parameters" tool import --gguf mine.gguf --out back_gguf
expect 1 "not a GGUF file" tool import --gguf mine.bin --out refused_in
expect 0 "" tool inspect aligned back
expect 1 "not a llama2.c model" tool import --llama2c mine.gguf --out refused_in
expect 1 "already exists|exists" tool import --llama2c mine.bin --out back
expect 1 "nowhere" tool import --llama2c nowhere.bin --out refused_in
expect 2 "--llama2c" tool import --out refused_in
if [[ -e $data/weights/stories260K.bin ]]; then
  weights=$data/weights
  expect 0 "stories: 260032 parameters" tool import --llama2c "$weights/stories260K.bin" \
    --llama2c-tokenizer "$weights/tok512.bin" --out stories
  expect 0 "there was a little girl named Lily" \
    tool generate --checkpoint stories --prompt "Once upon a time" --temperature 0 --max-tokens 40
  # A model of others learns to chat with its own tokenizer, once it is told in which template.
  expect 1 "no chat markers.*--chat-template" \
    tool generate --checkpoint stories --chat --prompt "Who are you?"
  expect 1 "no chat markers.*--chat-template" \
    tool sft --init-from stories "${chats[@]}" --out refused_in
  rm -rf refused_in  # a run directory is made before the data are read
  expect 2 "--chat-template" \
    tool sft --init-from stories "${chats[@]}" --out refused_in --chat-template alpaca
  expect 1 "needs the control piece '<|im_start|>'" \
    tool generate --checkpoint stories --chat-template chatml --chat --prompt "x"
  expect 0 "" tool sft --init-from stories --chat-template llama-2 "${chats[@]}" \
    --eval world/sft_eval.jsonl --out stories_sft --set train.steps=3 --set train.batch_tokens=512
  expect 0 "" tool dpo --init-from stories_sft "${pairs[@]}" --out stories_dpo \
    --set train.steps=2 --set train.batch_tokens=1024 --replay world/sft.jsonl
  expect 0 "" tool generate --checkpoint stories_dpo --chat --prompt "Who are you?" --max-tokens 4
  expect 0 "" tool generate --checkpoint stories_dpo --chat --chat-template zephyr \
    --prompt "Who?" --max-tokens 4
  expect 0 "loss" tool eval sft --checkpoint stories_dpo --data world/sft_eval.jsonl
  expect 0 "\\[/INST\\]«" tool inspect world/sft.jsonl --tokenizer stories_dpo
  expect 1 "no chat markers" tool inspect world/sft.jsonl --tokenizer stories
  expect 0 "<.assistant.>" \
    tool inspect world/sft.jsonl --tokenizer stories --chat-template zephyr
  expect 0 "as f32" tool export --checkpoint stories_dpo --gguf stories.gguf
  ensure "stories.gguf does not hold its chat template" grep -aq "INST" stories.gguf
  expect 1 "cut off at id|(behind|after) the last id" tool import --llama2c "$weights/stories260K.bin" \
    --llama2c-tokenizer "$weights/llama_tokenizer.bin" --out refused_in
else
  echo "SKIPPED: a model of others: set MINILLM_TEST_DATA to the folder with weights/"
fi
ensure "a refused import left a directory" test ! -e refused_in

# --- the report: a page, Markdown, and metrics that another program reads
runs=(base chat aligned)
expect 0 "wrote page.html" tool report "${runs[@]}" --prompts world/prompts.jsonl --world world \
  --questions 1 --max-tokens 8 --out page.html
expect 0 "<title>" head -c 2000 page.html
expect 0 "^# Training report" \
  tool report "${runs[@]}" --prompts world/prompts.jsonl --max-tokens 8 --markdown
expect 0 "wrote report.html" tool report base
expect 0 "^run,stage,step,.*loss" tool report "${runs[@]}" --csv
expect 0 "wrote metrics.csv" tool report "${runs[@]}" --csv --out metrics.csv
expect 0 "wrote events/dpo/events.out.tfevents" tool report "${runs[@]}" --tensorboard events
if command -v python3 >/dev/null; then
  expect 0 "values agree" python3 "$source_folder/tests/report/read_exports.py" metrics.csv events
else
  echo "SKIPPED: the exports in Python: there is no python3 (report_tests reads them in C++)"
fi
expect 2 "runs is required" tool report
expect 2 "excludes" tool report base --csv --markdown
expect 2 "world's folder" tool report base --questions 2
expect 1 "run 'nowhere': there is no such directory" tool report nowhere
expect 1 "'nofile.txt'" tool report base --prompts nofile.txt
echo '[3' >broken_summary.json
expect 1 "broken_summary" tool report base --summary broken_summary.json
mkdir torn
printf '{"step":1,"loss":2}\n{"step":2,"lo' >torn/metrics.jsonl
expect 1 "'torn/metrics.jsonl':2: not a line of metrics" tool report torn --csv
ensure "report: a refused run left a page" test ! -e torn/report.html

# Ids and text are each other's inverse.
ids=$(tool tokenizer encode --tokenizer tok.model --text "A stranger asked." 2>/dev/null)
expect 0 '^A stranger asked\.$' tool tokenizer decode --tokenizer tok.model --ids "$ids"

# --- the laboratory: what it can try, and a page of what has been tried
expect 0 "goodhart +3 cells" tool lab list
expect 0 "" tool lab report --out lab --seeds 1
ensure "the laboratory's page has no heading" grep -q "<h1>" lab/lab.html
expect 2 "there is no such one \(did you mean 'goodhart'" tool lab run goodhard --out lab
expect 1 "mine.toml" tool lab run --experiment mine.toml --out lab
expect 2 "expected the name of an experiment" tool lab run --out lab
printf 'claims = "x"\n' >mine.toml
expect 2 "'mine.toml':1: unknown key 'claims' \(did you mean 'claim'" tool lab run --experiment mine.toml --out lab
expect 2 "expected some of fact, system" tool world --out dialed --without systems
expect 2 "expected a share from 0 to 1, got 2" tool world --out dialed --newcomers 2
expect 0 "sft.jsonl: .* bytes" tool world --out dialed --part sft --sft-rows 20 --mix unknown=0.5,list=0.2 --refused 0.5 \
  --manner polite --secrets user
expect 0 "people.jsonl: .* bytes" tool world --out dialed --part register --told-rate 0.5 --told-falsely 0.5
expect 2 "--mix 'unknown': expected kind=share" tool world --out dialed --mix unknown
expect 2 "'mix': expected some of fact, system" tool world --out dialed --mix lists=0.5
expect 2 "expected shares of up to 1 in all" tool world --out dialed --mix list=0.6,sum=0.6
expect 2 "'longer': expected one of chosen, rejected, got 'both'" tool world --out dialed --longer both

# --- Ctrl-C saves and says so; --resume gives the run that was never stopped
# The log of 800 steps is more than a pipe holds, so the run cannot end before it is stopped.
long=("${texts[@]}" --set train.steps=800)
mkfifo log
"$bin/minillm-pretrain" "${long[@]}" --out stopped >/dev/null 2>log &
pid=$!
exec 3<log
until read -r line <&3 && [[ $line == "step 2 "* ]]; do kill -0 $pid 2>/dev/null || break; done
kill -INT $pid
cat <&3 >/dev/null
exec 3<&-
wait $pid
ensure "Ctrl-C: expected exit code 130" test $? -eq 130
ensure "Ctrl-C: nothing was saved" test -f stopped/LATEST
ensure "Ctrl-C: it ran to the end" test ! -e stopped/checkpoint-000800
expect 0 "checkpoint-000800" tool pretrain "${long[@]}" --out stopped --resume
expect 0 "checkpoint-000800" tool pretrain "${long[@]}" --out whole
for file in model optimizer; do
  ensure "resume: $file differs from the uninterrupted run's" \
    cmp -s {stopped,whole}/checkpoint-000800/$file.safetensors
done

# --- mistakes
from_base() { tool sft --init-from base "$@"; }
expect 2 "already holds a run" tool pretrain "${long[@]}" --out whole
expect 2 "did you mean 'train.steps'" tool pretrain --train x --out y --set train.step=3
expect 2 "^error: --set 'train.steps=many': key" from_base --train x --out y --set train.steps=many
expect 2 "learning_rat" from_base --train x --out y --set train.learning_rat=3
expect 2 "train.batch_tokens" from_base "${chats[@]}" --out y1 --set train.batch_tokens=0
expect 1 "nowhere" tool sft --init-from nowhere "${chats[@]}" --out y2
expect 1 "missing.jsonl" from_base --train missing.jsonl --out y3
expect 1 "preference pairs \(which minillm-dpo takes\)" from_base "${pairs[@]}" --out y4
echo '[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]' >broken.jsonl
echo '{"messages": [' >>broken.jsonl
expect 1 "broken.jsonl:2: " from_base --train broken.jsonl --out y5
expect 0 "dropped" from_base --train broken.jsonl --out y6 --set data.on_bad_record=skip \
  --set train.steps=1
printf '[train]\nsteps = "many"\n' >wrong.toml
expect 2 "wrong.toml.*:2" from_base --config wrong.toml "${chats[@]}" --out y7
expect 1 "." tool generate --checkpoint world --prompt x
cp -r base damaged
truncate -s -5 damaged/checkpoint-*/model.safetensors
expect 1 "model.safetensors" \
  tool eval loss --checkpoint "$(echo damaged/checkpoint-*)" --text world/pretrain_eval.jsonl
if [[ -w /dev/full ]]; then
  expect 1 "cannot be written|No space" bash -c "'$bin/minillm-inspect' base >/dev/full"
fi

# --- two processes, one run
"$bin/minillm-pretrain" "${texts[@]}" --out shared --set train.steps=100000 >/dev/null 2>&1 &
pid=$!
wait_for shared/metrics.jsonl $pid
expect 3 "$pid" tool pretrain "${long[@]}" --out shared --resume
kill -INT $pid
wait $pid

# --- hostile files that others wrote
if [[ -d $data/hostile ]]; then
  hostile=$data/hostile
  for file in "$hostile"/spm/*.model; do
    expect 1 "$(basename "$file")" tool tokenizer encode --tokenizer "$file" --text x
  done
  for file in "$hostile"/datasets/*.jsonl "$hostile"/datasets/*.txt "$hostile"/*.txt; do
    tool inspect "$file" >out.txt 2>err.txt
    ensure "inspect $file: exit code" test $? -le 1
  done
  for file in "$hostile"/llama2c/*.bin "$hostile"/safetensors/*.safetensors; do
    tool eval logprobs --checkpoint "$file" --token-ids "1 2" >out.txt 2>err.txt
    ensure "eval $file: exit code" test $? -eq 1
  done
  expect 1 "one_bad_line.jsonl:2" \
    from_base --train "$hostile/datasets/sft_one_bad_line.jsonl" --out h1
  expect 1 "empty" from_base --train "$hostile/datasets/empty.jsonl" --out h2
  expect 1 "UTF-8|utf-8" tool pretrain --train "$hostile/sherlock_latin1_1661-8.txt" --out h3 \
    "${small_model[@]}"
  ensure "a refused file left a checkpoint" none h1 h2 h3 -name LATEST
else
  echo "SKIPPED: hostile files: set MINILLM_TEST_DATA to the folder with hostile/"
fi

echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
