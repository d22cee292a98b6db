#!/usr/bin/env bash
# What happens around a run and around a prompt: signals, logs that nobody reads, RUN/best, lines from a pipe and at a
# terminal, samples as training data, columns of other names.
#   lifecycle.sh <source folder> <bin folder>
set -uo pipefail
source_folder=$1
bin=$2
source "$source_folder/tests/tools/small.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
passed=0
failed=0
ensure() {
  if "${@:2}"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $1"; fi
}
wait_for() {
  until [[ -s $1 ]] || ! kill -0 "$2" 2>/dev/null; do sleep 0.05; done
}

tool world --out world "${small_world[@]}" >/dev/null
tool tokenizer train --input world/tokenizer.txt --split line --vocab-size 600 --out tok.model >/dev/null
long=(pretrain --tokenizer tok.model --train world/pretrain.jsonl "${small_model[@]}" --set train.log_every=1
  --set train.steps=100000)

# --- signals: save and stop, or save and go on
for signal in HUP TERM INT XCPU; do
  "$bin/minillm-${long[0]}" "${long[@]:1}" --threads 1 --out "run-$signal" >log.txt 2>&1 &
  pid=$!
  wait_for "run-$signal/metrics.jsonl" $pid
  kill -$signal $pid
  wait $pid
  ensure "$signal: exit code $?" test $? -eq 130
  ensure "$signal: nothing was saved" test -s "run-$signal/LATEST"
done
for signal in USR1 USR2; do
  "$bin/minillm-${long[0]}" "${long[@]:1}" --threads 1 --out "run-$signal" >log.txt 2>&1 &
  pid=$!
  wait_for "run-$signal/metrics.jsonl" $pid
  kill -$signal $pid
  wait_for "run-$signal/LATEST" $pid
  ensure "$signal: the run is gone" kill -0 $pid
  kill -INT $pid
  wait $pid
done

# --- a log that nobody reads, and a standard error that is closed
short=("${long[@]:0:${#long[@]}-1}" train.steps=30)
tool "${short[@]}" --out unread 2>&1 | head -n 2 >/dev/null
ensure "| head: nothing was saved" test -s unread/checkpoint-000030/config.json
tool "${short[@]}" --out closed 2>&-
ensure "2>&-: nothing was saved" test -s closed/checkpoint-000030/config.json
tool generate --checkpoint nowhere --prompt x 2>&-
ensure "an error without standard error: exit code" test $? -eq 1

# --- RUN/best and RUN/LATEST are checkpoints
tool "${short[@]}" --eval world/pretrain_eval.jsonl --set train.eval_every=10 --out base 2>/dev/null
for name in best LATEST; do
  ensure "base/$name" tool generate --checkpoint base/$name --prompt Mary --max-tokens 2 >/dev/null 2>&1
done
ensure "inspect base/best" tool inspect base/best >/dev/null

# --- lines from a pipe
printf 'Mary\nThe baker\n' >lf.txt
printf '\xef\xbb\xbfMary\r\nThe baker\r\n' >crlf.txt
speak=(generate --checkpoint base --temperature 0 --max-tokens 4)
tool "${speak[@]}" <lf.txt >lf.out 2>/dev/null
tool "${speak[@]}" <crlf.txt >crlf.out 2>/dev/null
ensure "CR and a byte order mark change an answer" cmp lf.out crlf.out
printf 'Mary\n\xff\n/quit\nThe baker\n' | tool "${speak[@]}" >mixed.out 2>mixed.err
ensure "a line that failed: exit code" test $? -eq 1
ensure "a line that failed is not named" grep -q "^error: standard input:2: not valid UTF-8" mixed.err
ensure "the lines around it" test "$(wc -l <mixed.out)" -ge 3

# --- a terminal: commands, and an answer to what is typed
python3 - "$bin/minillm-generate" >terminal.out 2>&1 <<'PYTHON'
import os, pty, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "--checkpoint", "base", "--threads", "1", "--temperature", "0", "--max-tokens", "4"])
time.sleep(1)
for typed in (b"/help\n", b"Marz\x7fy\n", b"/quit\n"):  # with one letter taken back
    os.write(terminal, typed)
    time.sleep(1)
text = b""
try:
    while chunk := os.read(terminal, 4096):
        text += chunk
except OSError:
    pass
_, status = os.waitpid(pid, 0)
print(text.decode("utf-8", "replace"))
sys.exit(os.waitstatus_to_exitcode(status))
PYTHON
ensure "the terminal: exit code $? of $(tail -n 3 terminal.out)" test $? -eq 0
ensure "/help at a terminal" grep -q "/system TEXT" terminal.out
ensure "the answer at a terminal" grep -qF "$(head -n 1 lf.out)" terminal.out

# --- samples are rows that training reads, the same ones for the same seed
sample=(generate --checkpoint base --samples 20 --max-tokens 12 --prompt "The baker")
tool "${sample[@]}" --out samples.jsonl 2>/dev/null
tool "${sample[@]}" --out again.jsonl --threads 1 2>/dev/null
ensure "samples differ with the same seed" cmp samples.jsonl again.jsonl
ensure "samples are no corpus" tool "${short[@]:0:3}" --train samples.jsonl "${small_model[@]}" --dry-run --out x 2>/dev/null
ensure "samples are all alike" test "$(sort -u samples.jsonl | wc -l)" -gt 5

# --- rejection sampling: rows that the next stages read
head -n 40 world/rl.jsonl >questions.jsonl
ask=(generate --checkpoint base --chat --prompts questions.jsonl --samples 6 --temperature 1 --max-tokens 12)
tool "${ask[@]}" --reward length --out ranked.jsonl 2>ranked.err
ensure "a rewarded answer has no score: $(tail -n 1 ranked.err)" grep -q '"score":' ranked.jsonl
ensure "ranked rows are not read" grep -q '"format":"ranked answers"' <(tool inspect ranked.jsonl --json)
ensure "DPO does not take ranked rows" tool dpo --init-from base --train ranked.jsonl --dry-run --out x 2>/dev/null
tool "${ask[@]}" --reward length:-1,ended --keep best --min-reward -100 --out best.jsonl 2>/dev/null
ensure "SFT does not take the best" tool sft --init-from base --train best.jsonl --dry-run --out x 2>/dev/null
tool "${ask[@]}" --reward length:-1,ended --keep best --min-reward 5 --out none.jsonl 2>none.err
ensure "nothing left: $? of $(cat none.err)" grep -q "^error: samples: nothing was written: 40 whose best answer" none.err
ensure "a refused file is there" test ! -e none.jsonl
tool "${ask[@]}" --reward truth --out none.jsonl 2>none.err
ensure "an unknown reward" grep -q "^error: reward 'truth': expected \"expected\", \"exact\"" none.err
tool "${ask[@]}" --reward expected --out none.jsonl 2>none.err
ensure "a reward without expected texts" grep -q "^error: reward 'expected': prompt 1 has no expected text" none.err

# --- columns of other names, in a compressed table
printf 'frage,antwort\n"What, then?",This\nAnd now?,That\n' | gzip >rows.csv.gz
ensure "data.columns" grep -q '"used":2' <(tool inspect rows.csv.gz --json --set data.columns.prompt=frage \
  --set data.columns.completion=antwort)
tool inspect rows.csv.gz --set data.columns.prompt=question >/dev/null 2>columns.err
ensure "a column that is not there" grep -q "no record of 'rows.csv.gz' has such a column" columns.err

# --- closed standard descriptors are not given to files that are written
"$bin/minillm-pretrain" "${short[@]:1}" --set train.eval_every=0 --set train.log_every=1 --out daemon <&- >&- 2>&-
ensure "closed descriptors: exit code" test $? -eq 0
ensure "closed descriptors: lines that are no metrics" python3 - daemon/metrics.jsonl <<'PYTHON'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
assert lines and all("step" in line for line in lines)
PYTHON
if [[ -w /dev/full ]]; then
  tool inspect --help >/dev/full 2>help.err
  ensure "--help that cannot be written: exit code" test $? -eq 1
fi

# --- what files say does not steer the terminal, and neither do names
printf '{"prompt": "a\\u001b[31m", "completion": "b\\u009b\\u202e", "k\\u009bey": "\\u202e some words"}\n' >steer.jsonl
{ tool inspect steer.jsonl --tokenizer base; tool inspect $'no\x1b[31m\xc2\x9bfile'; } >steer.out 2>&1
ensure "a terminal is steered" python3 - steer.out <<'PYTHON'
import sys
text = open(sys.argv[1], encoding="utf-8").read()
assert "\\x1b" in text and "\\u009b" in text and "\\u202e" in text
assert not any(c != "\n" and c != "\t" and (ord(c) < 32 or 127 <= ord(c) < 160 or c == "\u202e") for c in text)
PYTHON

# --- outputs: a link and a device are written to; inputs, checkpoints and runs are spared
touch gguf.target && ln -s gguf.target gguf.link
tool export --checkpoint base --gguf gguf.link >/dev/null 2>&1
ensure "an output through a link" test -L gguf.link -a -s gguf.target
ensure "an output to a device" tool export --checkpoint base --gguf /dev/null >/dev/null 2>&1
ensure "/dev/null was replaced" test -c /dev/null
weights=$(echo base/checkpoint-*/model.safetensors) before=$(cat base/checkpoint-*/model.safetensors | sha256sum)
tool export --checkpoint base --gguf "${weights%% *}" >/dev/null 2>spare.err
ensure "weights as an output: exit code" test $? -eq 2
ensure "weights as an output: $(cat spare.err)" grep -q "lies in a checkpoint" spare.err
ensure "weights as an output were touched" test "$before" = "$(cat base/checkpoint-*/model.safetensors | sha256sum)"
cp samples.jsonl prompts.jsonl && ln prompts.jsonl twin.jsonl
tool generate --checkpoint base --prompts prompts.jsonl --max-tokens 2 --out twin.jsonl >/dev/null 2>spare.err
ensure "an input as an output: exit code" test $? -eq 2
ensure "an input as an output was touched" cmp samples.jsonl prompts.jsonl

# --- a start takes nothing for its own because of its name, and a pipe is no file
mkdir -p mine/photos.fresh mine/backup.tmp-2024-01-05 mine/.trash-mine mine/old.replaced
tool "${short[@]}" --out mine 2>/dev/null
ensure "a start removed what is not its own" test -d mine/photos.fresh -a -d mine/backup.tmp-2024-01-05 -a -d mine/.trash-mine -a -d mine/old.replaced

# --- a file that shrinks while it is read is an error, not a signal
"$bin/minillm-${long[0]}" "${long[@]:1}" --threads 1 --out shrunk >shrunk.err 2>&1 &
pid=$!
wait_for shrunk/metrics.jsonl $pid
truncate -s 100 shrunk/train.tokens
wait $pid
ensure "train.tokens shrank: exit code $?" test $? -eq 1
ensure "train.tokens shrank: $(tail -n 1 shrunk.err)" grep -q "became shorter while it was read" shrunk.err
mkfifo fifo
timeout 20 "$bin/minillm-inspect" steer.jsonl --tokenizer fifo >/dev/null 2>fifo.err
ensure "a pipe as a tokenizer: exit code" test $? -eq 1
ensure "a pipe as a tokenizer: $(cat fifo.err)" grep -q "expected a file, got a pipe" fifo.err

echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
