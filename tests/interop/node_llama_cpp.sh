#!/usr/bin/env bash
# Proof that a current llama.cpp (npm's node-llama-cpp brings it ready-made, some 100 MB) and this library read each
# other's GGUF files. Not part of CI; says so and ends where there is no npm.
#   tests/interop/node_llama_cpp.sh DIRECTORY [CKPT]
# installs it into DIRECTORY, unless it is there. Without CKPT it trains a small model on the embedded world first (a few
# minutes). BIN overrides build/release/bin. For CKPT it shows:
#   1. llama.cpp loads f32, f16, bf16 and q8_0;
#   2. the same greedy tokens, 48 of each of 20 prompts, in f32;
#   3. the same ids for 1,000 strings, or the last STRINGS of them (U+2581, which llama.cpp takes for a space and we keep,
#      is not among them);
#   4. what llama.cpp itself writes of it, as F32, F16, BF16 and Q8_0, comes in as the numbers that our own export of the
#      same type holds; as Q4_K, it is refused by name;
#   5. our F32 file comes in as the model that went out, to the bit.
set -euo pipefail
[[ $# -ge 1 ]] || { sed -n "2,14p" "$0"; exit 2; }
command -v npm >/dev/null && command -v node >/dev/null || { echo "skipped: there is no npm here"; exit 0; }
mkdir -p "$1"
modules=$(realpath "$1")
checkpoint=$([[ $# -gt 1 ]] && realpath "$2" || true)
cd "$(dirname "$0")/../.."
source_folder=$PWD
bin=$(realpath "${BIN:-build/release/bin}")
export OMP_WAIT_POLICY=passive

(cd "$modules" && { [[ -d node_modules/node-llama-cpp ]] || npm install --no-audit --no-fund --silent node-llama-cpp; })
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
quietly() { "$@" >log.txt 2>&1 || { tail log.txt; exit 1; }; }

quietly "$bin/minillm-world" --out world
if [[ -z $checkpoint ]]; then
  echo "== training a small model"
  quietly "$bin/minillm-tokenizer" train --input world/tokenizer.txt --split line --vocab-size 2048 --out tok.model
  # Fewer key heads than query heads, so that a wrong order of their rows would show.
  quietly "$bin/minillm-pretrain" --config "$source_folder/configs/world_pretrain.toml" --tokenizer tok.model --out base \
    --train world/pretrain.jsonl --set model.num_key_value_heads=2 --set train.steps=150
  checkpoint=$work/base
fi

echo "== 1. export and load"
for type in f32 f16 bf16 q8_0; do
  quietly "$bin/minillm-export" --checkpoint "$checkpoint" --gguf "$type.gguf" --type "$type"
  node "$source_folder/tests/interop/node_llama_cpp.mjs" "$modules" load "$type.gguf"
done

# Twenty beginnings and a thousand strings: lines of the world, and what makes tokenizers stumble.
python3 - <<'PYTHON'
import json, random
rng = random.Random(1)
texts = [json.loads(line)["text"] for line in open("world/pretrain_eval.jsonl", encoding="utf-8")]
with open("prompts.jsonl", "w", encoding="utf-8") as file:
    for i in range(20):
        words = texts[i * len(texts) // 20].split(" ")
        file.write(json.dumps({"prompt": " ".join(words[: 3 + i % 7])}) + "\n")
odd = ["  ", "\n", "\t", "\r\n", "é", "ß", "日本語", "한국어", "🙂", "👩‍👩‍👧", "ﷺ", "\u00a0", "\u200b", "\ufeff", "<s>", "</s>",
       "<unk>", "<pad>", "<|im_start|>", "<|im_end|>", "<0x41>", "'s", "...", "1234567890", "3.14", "a_b", "\\n", "%d",
       "x" * 40, "A", "ı", "İ", "ǅ", "\u0301", "{}", "[INST]", "#!", "://", "@", "  x", "x  "]
strings = rng.sample(texts, min(400, len(texts)))
while len(strings) < 1000:
    parts = [rng.choice(odd) if rng.random() < 0.5 else rng.choice(rng.choice(texts).split(" "))
             for _ in range(rng.randrange(1, 12))]
    strings.append((" " if rng.random() < 0.5 else "").join(parts))
json.dump(strings, open("strings.json", "w", encoding="utf-8"))
PYTHON

echo "== 2. greedy tokens"
quietly "$bin/minillm-export" --checkpoint "$checkpoint" --hf directory
"$bin/minillm-generate" --checkpoint "$checkpoint" --prompts prompts.jsonl --temperature 0 --max-tokens 48 --json \
  >ours.json 2>/dev/null
node "$source_folder/tests/interop/node_llama_cpp.mjs" "$modules" generate f32.gguf ours.json

echo "== 3. token ids"
python3 - "$bin" "${STRINGS:-1000}" <<'PYTHON'
import json, subprocess, sys
run = lambda text: subprocess.run([sys.argv[1] + "/minillm-tokenizer", "encode", "--tokenizer", "directory"], input=text.encode(),
                                  capture_output=True, check=True).stdout
json.dump([{"text": text, "ids": [int(id) for id in run(text).split()]} for text in json.load(open("strings.json"))[-int(sys.argv[2]):]],
          open("ids.json", "w"))
PYTHON
node "$source_folder/tests/interop/node_llama_cpp.mjs" "$modules" tokenize f32.gguf ids.json

echo "== 4. files of llama.cpp"
weights() {  # FILE.gguf: the hash of the weights that it comes in as
  rm -rf came_in
  "$bin/minillm-import" --gguf "$1" --out came_in >log.txt 2>&1 || { cat log.txt; return 1; }
  sha256sum <came_in/model.safetensors
}
for type in f32 f16 bf16 q8_0; do
  quietly python3 "$source_folder/tests/interop/llama_cpp_quantize.py" "$modules" f32.gguf "theirs-$type.gguf" "$type"
  [[ $(weights "theirs-$type.gguf") == "$(weights "$type.gguf")" ]] || { echo "$type: other numbers"; exit 1; }
  echo "$type: the same numbers"
done
quietly python3 "$source_folder/tests/interop/llama_cpp_quantize.py" "$modules" f32.gguf theirs.gguf q4_k_m
! weights theirs.gguf >refusal.txt || { echo "q4_k_m was not refused"; exit 1; }
grep -E "is Q[0-9]_[0-9K]+: expected F32, F16, BF16 or Q8_0" refusal.txt

echo "== 5. back in"
weights f32.gguf >/dev/null
quietly "$bin/minillm-export" --checkpoint came_in --hf back
cmp directory/model.safetensors back/model.safetensors
[[ ! -e directory/chat_template.jinja ]] || cmp directory/chat_template.jinja back/chat_template.jinja
echo "all as it should be"
