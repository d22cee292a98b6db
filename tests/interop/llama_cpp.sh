#!/usr/bin/env bash
# Proof that llama.cpp runs what minillm-export writes as minillm-generate does. Not part of CI: it needs
# llama-cli, llama-tokenize and llama-perplexity.
#   tests/interop/llama_cpp.sh LLAMA_CPP_BIN_DIR [CKPT]
# Without CKPT it trains a small model on the embedded world first (a few minutes). BIN overrides build/release/bin. For
# CKPT it shows:
#   1. llama.cpp loads f32, f16, bf16 and q8_0;
#   2. the same greedy text for 64 tokens of 20 prompts, in f32;
#   3. the same ids for 1,000 strings (U+2581, which llama.cpp takes for a space and we keep, is not among them);
#   4. perplexity of q8_0 within 0.5 % of f32's;
#   5. the same answers to 20 questions in the checkpoint's chat template, ending where it says;
#   6. the same in its conversation mode, which applies the file's jinja text.
set -euo pipefail
llama=$(realpath "$1")
checkpoint=$([[ $# -gt 1 ]] && realpath "$2" || true)
cd "$(dirname "$0")/../.."
bin=$(realpath "${BIN:-build/release/bin}")
source_folder=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export OMP_WAIT_POLICY=passive

for name in llama-cli llama-tokenize llama-perplexity; do
  [[ -x $llama/$name ]] || { echo "error: '$llama/$name': no such program"; exit 1; }
done

"$bin/minillm-world" --out world >/dev/null 2>&1
if [[ -z $checkpoint ]]; then
  echo "== training a small model"
  "$bin/minillm-tokenizer" train --input world/tokenizer.txt --split line --vocab-size 2048 --out tok.model >/dev/null 2>&1
  # Fewer key heads than query heads, so that a wrong order of their rows would show.
  "$bin/minillm-pretrain" --config "$source_folder/configs/world_pretrain.toml" --tokenizer tok.model --out base \
    --train world/pretrain.jsonl --set model.num_key_value_heads=2 --set train.steps=150 >/dev/null 2>&1
  "$bin/minillm-sft" --config "$source_folder/configs/world_sft.toml" --init-from base --out chat \
    --train world/sft.jsonl --set train.steps=80 >/dev/null 2>&1
  checkpoint=chat
fi

echo "== 1. export and load"
for type in f32 f16 bf16 q8_0; do
  "$bin/minillm-export" --checkpoint "$checkpoint" --gguf "$type.gguf" --type "$type"
  "$llama/llama-cli" -m "$type.gguf" -no-cnv -p "The" -n 1 >/dev/null 2>load.txt || { tail load.txt; exit 1; }
done

# Twenty beginnings and a thousand strings: lines of the world, and what makes tokenizers stumble.
python3 - <<'PYTHON'
import json, os, random
rng = random.Random(1)
texts = [json.loads(line)["text"] for line in open("world/pretrain_eval.jsonl", encoding="utf-8")]
with open("prompts.jsonl", "w", encoding="utf-8") as file:
    for i in range(20):
        words = texts[i * len(texts) // 20].split(" ")
        file.write(json.dumps({"prompt": " ".join(words[: 3 + i % 7])}) + "\n")
rows = [json.loads(line)["messages"] for line in open("world/sft.jsonl", encoding="utf-8")]
questions = [row[0]["content"] for row in rows if row[0]["role"] == "user"]
with open("questions.jsonl", "w", encoding="utf-8") as file:
    for question in questions[:: len(questions) // 20][:20]:
        file.write(json.dumps({"prompt": question}) + "\n")
with open("text.txt", "w", encoding="utf-8") as file:
    file.write("\n".join(texts)[:60000])
odd = ["  ", "\n", "\t", "\r\n", "é", "ß", "日本語", "한국어", "🙂", "👩‍👩‍👧", "ﷺ", "\u00a0", "\u200b", "\ufeff", "<s>", "</s>",
       "<unk>", "<pad>", "<|im_start|>", "<|im_end|>", "<0x41>", "'s", "...", "1234567890", "3.14", "a_b", "\\n", "%d",
       "x" * 40, "A", "ı", "İ", "ǅ", "\u0301", "{}", "[INST]", "#!", "://", "@", "  x", "x  "]
strings = rng.sample(texts, min(400, len(texts)))
while len(strings) < 1000:
    parts = [rng.choice(odd) if rng.random() < 0.5 else rng.choice(rng.choice(texts).split(" "))
             for _ in range(rng.randrange(1, 12))]
    strings.append((" " if rng.random() < 0.5 else "").join(parts))
os.mkdir("strings")
for i, text in enumerate(strings):
    with open(f"strings/{i:04}", "w", encoding="utf-8", newline="") as file:
        file.write(text)
PYTHON

# Runs llama-cli on every prompt of ours.json, formatted, and compares the texts. Its cache is in float, as ours is: with
# its default, half floats, two close candidates can change places.
cat >compare.py <<'PYTHON'
import json, subprocess, sys
program, form = sys.argv[1:]
same = tokens = ended = 0
generations = json.load(open("ours.json", encoding="utf-8"))["generations"]
for ours in generations:
    run = subprocess.run([program, "-m", "f32.gguf", "-no-cnv", "--no-display-prompt", "--no-escape", "--simple-io",
                          "--temp", "0", "-n", "64", "-t", "1", "-ctk", "f32", "-ctv", "f32",
                          "-p", form.replace("PROMPT", ours["prompt"])], stdin=subprocess.DEVNULL, capture_output=True)
    assert run.returncode == 0, run.stderr.decode()[-500:]
    text = run.stdout.decode("utf-8", "replace").removesuffix("\n\n").removesuffix("\n")
    stopped = text.endswith(" [end of text]")
    text = text.removesuffix(" [end of text]")
    if text.rstrip(" ") == ours["text"].rstrip(" ") and stopped == (ours["stop_reason"] != "max_tokens"):
        same += 1
    else:
        print(f"differs after {ours['prompt']!r}:\n  ours   {ours['text']!r} ({ours['stop_reason']})\n  theirs {text!r}")
    tokens += len(ours["token_ids"])
    ended += stopped
print(f"{same} of {len(generations)} prompts: the same text ({tokens} tokens), {ended} ended by the model, in both")
sys.exit(same != len(generations))
PYTHON

echo "== 2. greedy text"
"$bin/minillm-generate" --checkpoint "$checkpoint" --prompts prompts.jsonl --temperature 0 --max-tokens 64 --json >ours.json 2>/dev/null
python3 compare.py "$llama/llama-cli" PROMPT

echo "== 3. token ids"
[[ -f tok.model ]] || "$bin/minillm-export" --checkpoint "$checkpoint" --hf hf >/dev/null
[[ -f tok.model ]] || cp hf/tokenizer.model tok.model
same=0
for file in strings/*; do
  ours=$("$bin/minillm-tokenizer" encode --tokenizer tok.model <"$file" 2>/dev/null)
  theirs=$("$llama/llama-tokenize" -m f32.gguf --ids --no-bos --no-escape --no-parse-special --log-disable -f "$file" 2>/dev/null)
  if [[ "$ours" == "$(tr -d '[],' <<<"$theirs")" ]]; then same=$((same + 1)); continue; fi
  echo "differs: $(head -c 200 "$file")"
  echo "  ours   $ours"
  echo "  theirs $theirs"
done
echo "$same of 1000 strings: the same ids"
[[ $same -eq 1000 ]]

echo "== 4. perplexity"
for type in f32 f16 bf16 q8_0; do
  "$llama/llama-perplexity" -m "$type.gguf" -f text.txt -c 256 -t 2 >perplexity.txt 2>&1
  echo "$type $(grep -oE 'PPL = [0-9.]+' perplexity.txt | grep -oE '[0-9.]+')"
done | tee perplexities.txt
awk '{value[$1] = $2} END {
  change = value["q8_0"] / value["f32"] - 1
  printf "q8_0 against f32: %+.3f %%\n", 100 * change
  exit !(value["f32"] > 0 && change < 0.005 && change > -0.005) }' perplexities.txt

echo "== 5. chat"
"$bin/minillm-export" --checkpoint "$checkpoint" --hf directory >/dev/null
case $(cat directory/chat_template.jinja 2>/dev/null) in
  *"\\n ' + m"*) form=$'<|im_start|>user\n PROMPT<|im_end|>\n<|im_start|>assistant\n' ;;
  *'<|im_start|>'*) form=$'<|im_start|>user\nPROMPT<|im_end|>\n<|im_start|>assistant\n' ;;
  *'[INST]'*) form='[INST] PROMPT [/INST]' ;;
  *"'<|' + m"*) form=$'<|user|>\nPROMPT</s>\n<|assistant|>\n' ;;
  *) form= ;;
esac
if [[ -n $form ]]; then
  "$bin/minillm-generate" --checkpoint "$checkpoint" --chat --prompts questions.jsonl --temperature 0 --max-tokens 64 --json \
    >ours.json 2>/dev/null
  python3 compare.py "$llama/llama-cli" "$form"
fi

# What a user of llama.cpp types and sees: its own engine renders the jinja text of the file, with its own system prompt.
# (Without --jinja it guesses a template, and tokenizes the turn in pieces: other ids where a space is forced.
# With templates that end turns by a newline it puts a second one after its system prompt: no comparison there.)
echo "== 6. conversation mode"
cat >converse.py <<'PYTHON'
import json, subprocess, sys
generations = json.load(open("ours.json", encoding="utf-8"))["generations"]
questions = [json.loads(line)["prompt"] for line in open("questions.jsonl", encoding="utf-8")]
same = 0
for question, ours in zip(questions, generations, strict=True):
    run = subprocess.Popen([sys.argv[1], "-m", "f32.gguf", "-cnv", "--jinja", "--temp", "0", "--simple-io", "-t", "1", "-ctk",
                            "f32", "-ctv", "f32"],
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    def until_asked(most):
        text = b""
        while not text.endswith(b"\n> ") and len(text) < most and (byte := run.stdout.read(1)):
            text += byte
        return text.removesuffix(b"\n> ").decode("utf-8", "replace").strip()
    until_asked(1000)
    run.stdin.write(question.encode() + b"\n")
    run.stdin.flush()
    text = ours["text"].strip()
    theirs = until_asked(len(text.encode()) + 10)
    run.kill()
    if theirs == text or (ours["stop_reason"] == "max_tokens" and theirs.startswith(text)):
        same += 1
    else:
        print(f"differs on {question!r}:\n  ours   {text!r}\n  theirs {theirs!r}")
print(f"{same} of {len(generations)} questions: the same answer")
sys.exit(same != len(generations))
PYTHON
if [[ $form == *INST* ]]; then
  "$bin/minillm-generate" --checkpoint "$checkpoint" --chat --system "You are a helpful assistant" --prompts questions.jsonl \
    --temperature 0 --max-tokens 64 --json >ours.json 2>/dev/null
  timeout 600 python3 converse.py "$llama/llama-cli"
fi
echo "all as it should be"
