#!/usr/bin/env bash
# The server under the clients that people use: OpenAI's and Vercel's libraries, the chat page in Chromium, and a
# crowd of random clients under which its memory must stay flat. Skips aloud (exit code 77) where npm, its registry or
# Chromium is missing.
#   clients.sh <source folder> <bin folder> <folder for packages and pictures>
# MINILLM_SOAK_SECONDS: how long the crowd stays (10).
set -euo pipefail
source_folder=$(cd "$1" && pwd)
bin=$(cd "$2" && pwd)
mkdir -p "$3"
folder=$(cd "$3" && pwd)
clients=$source_folder/tests/serve

skip() {
  echo "SKIPPED: $*"
  exit 77
}
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
[[ -n $chromium ]] || skip "no Chromium (tools/install_dependencies.sh chromium)"
command -v npm >/dev/null || skip "no npm (tools/install_dependencies.sh nodejs npm)"
packages=(openai@7.57.0 ai@6.0.326 @ai-sdk/openai-compatible@2.0.92 playwright-core@1.64.1)
if [[ $(cat "$folder/installed" 2>/dev/null || true) != "${packages[*]}" ]]; then
  timeout 300 npm install --no-audit --no-fund --silent --prefix "$folder" "${packages[@]}" ||
    skip "npm cannot install ${packages[*]}"
  echo "${packages[*]}" >"$folder/installed"
fi
# Modules are looked for beside the program that asks for them.
cp "$clients"/*.mjs "$folder"

work=$(mktemp -d)
server=
trap '[[ -z $server ]] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"

# --- three stages of a small world
source "$source_folder/tests/tools/small.sh"
{
  tool world --out world "${small_world[@]}"
  tool pretrain --train world/pretrain.jsonl --eval world/pretrain_eval.jsonl --out base "${small_model[@]}" \
    --set train.steps=20
  tool sft --init-from base --train world/sft.jsonl --eval world/sft_eval.jsonl --out chat --set train.steps=12
  tool dpo --init-from chat --train world/preference.jsonl --eval world/preference_eval.jsonl --replay world/replay.jsonl \
    --out aligned --set train.steps=8
} >/dev/null 2>training.log || { tail -n 3 training.log; exit 1; }

# start OPTIONS...: the server, on a port of its own; sets $server and $url.
start() {
  rm -f address
  "$bin/minillm-serve" --checkpoint base chat aligned --port 0 "$@" >address 2>log &
  server=$!
  until [[ -s address ]] || ! kill -0 "$server" 2>/dev/null; do sleep 0.1; done
  url=$(cat address)
  [[ -n $url ]] || { cat log; exit 1; }
}
# stop: as an operator would; it has to end by itself and in peace.
stop() {
  kill -TERM "$server"
  wait "$server" || { echo "the server ended with $?"; cat log; exit 1; }
  server=
}

start --slots 4
node "$folder/clients.mjs" "$url"
node "$folder/page.mjs" "$url" "$chromium" "$folder"
node "$folder/soak.mjs" "$url" "$server" "${MINILLM_SOAK_SECONDS:-10}"
stop
# With notes to look up, where the build can, a policy, and a key.
notes=()
if tool notes build --input world/pretrain.jsonl --out notes.sqlite >/dev/null 2>&1; then notes=(--notes notes.sqlite); fi
cat >policy.toml <<'RULES'
[[rule]]
name = "secrets"
where = "input"
words = ["password"]
action = "refuse"
text = "That is nobody's business."
RULES
export MINILLM_API_KEY=secret
start "${notes[@]}" --policy policy.toml --tools add,clock --clock "2026-01-02 03:04"
(cd "$folder" && node page_with_key.mjs "$url" "$chromium" "${#notes[@]}")
node "$folder/clients.mjs" "$url" secret
stop
echo "pictures in $folder"
