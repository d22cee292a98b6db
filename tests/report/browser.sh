#!/usr/bin/env bash
# The report in a real browser, opened from disk: every stage and every prompt is clicked (selftest.js), no console
# error and no request may occur, and pictures are taken. Skips aloud (exit code 77) where there is no Chromium.
#   browser.sh <source folder> <bin folder> <folder for pictures> [report.html: take pictures of this page]
set -euo pipefail
source_folder=$(cd "$1" && pwd)
bin=$(cd "$2" && pwd)
mkdir -p "$3"
pictures=$(cd "$3" && pwd)
started=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [[ -z $chromium ]]; then
  echo "SKIPPED: no Chromium (tools/install_dependencies.sh chromium)"
  exit 77
fi

# browse OUT ARGUMENTS...: one headless run that can reach no host; its log in $work/log.
browse() {
  local out=$1
  shift
  # A profile of its own: one that ended may hold its own for a while. Time enough for a busy machine.
  timeout 300 "$chromium" --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars \
    --user-data-dir="$(mktemp -d -p "$work")" --no-first-run --disable-extensions --disable-background-networking \
    --disable-component-update --disable-sync --disable-default-apps --host-resolver-rules='MAP * ~NOTFOUND' \
    --enable-logging=stderr --log-level=0 --virtual-time-budget=4000 "$@" >"$out" 2>"$work/log" ||
    { echo "chromium failed:"; tail -n 5 "$work/log"; exit 1; }
  if grep -E 'CONSOLE.*(rror|efused|iolat)' "$work/log"; then echo "the page wrote errors to the console"; exit 1; fi
}

# --- a small world through the stages, and a prompt that would like to be markup
cd "$work"
source "$source_folder/tests/tools/small.sh"
often=(--set train.log_every=2)
{
  tool world --out world "${small_world[@]}"
  tool pretrain --train world/pretrain.jsonl --eval world/pretrain_eval.jsonl --out base "${small_model[@]}" "${often[@]}" \
    --set train.steps=20
  tool sft --init-from base --train world/sft.jsonl --eval world/sft_eval.jsonl --out chat --set train.steps=12 "${often[@]}"
  tool dpo --init-from chat --train world/preference.jsonl --eval world/preference_eval.jsonl --replay world/replay.jsonl \
    --out aligned --set train.steps=8 "${often[@]}"
  tool rl --init-from chat --train world/rl.jsonl --eval world/rl.jsonl --replay world/replay.jsonl --out policy \
    --set rl.reward=length:-0.1 --set rl.questions=4 --set rl.samples=4 --set rl.max_tokens=8 --set train.steps=6 "${often[@]}" \
    --set train.eval_every=2 --set train.sample_every=2 --set 'data.sample_prompts=["<b>Who</b> are you?"]'
} >/dev/null 2>training.log || { tail -n 3 training.log; exit 1; }
figures='{"cloze_accuracy": {"value": 0.5, "count": 1, "of": 2}, "benign_refusal_rate": {"value": 0.25, "count": 1, "of": 4}}'
printf '{"pretrain": %s, "sft": %s, "dpo": %s}' "$figures" "${figures/0.25, \"count\": 1/0.5, \"count\": 2}" "$figures" >summary.json
cat >layers.json <<JSON
{"layers": {"closed": {"metrics": $figures, "changed": []}, "tools": {"metrics": $figures, "changed": [
  {"question": "What is 3 plus 4?", "alone": "It is 8.", "with_layer": "It is 7.", "repaired": true},
  {"question": "<b>Who?</b>", "alone": "Ada.", "with_layer": "", "repaired": false}]}}}
JSON
cp world/prompts.jsonl prompts.jsonl
printf '%s\n' '{"prompt": "</script><img src=x onerror=\"window.pwned=1\"><script>window.pwned=1</script>"}' >>prompts.jsonl
"$bin/minillm-report" base chat aligned policy --prompts prompts.jsonl --world world --summary summary.json --layers layers.json --max-tokens 24 \
  --out report.html 2>/dev/null

# --- the page tests itself: a copy of it with one more script, which the policy allows by the page's own nonce
nonce=$(grep -oE -m1 "script-src 'nonce-[0-9a-f]{64}" report.html | grep -oE '[0-9a-f]{64}$')
{ sed '/^<\/body>$/,$d' report.html; printf '<script nonce="%s">\n' "$nonce"; cat "$source_folder/tests/report/selftest.js"
  printf '</script>\n</body>\n</html>\n'; } >selftest.html
for width in 1280 500; do
  browse dom.html --window-size=$width,1000 --dump-dom "file://$work/selftest.html"
  sed -n '/<pre id="selftest">/,/<\/pre>/p' dom.html | sed -E 's/<[^>]+>//g' >result.txt
  [[ $(head -n 1 result.txt) == ok ]] || { echo "in the browser, $width wide:"; cat result.txt; exit 1; }
done
echo "in the browser: $(tail -n +2 result.txt | paste -sd';')"

# A curve, a stage or a page without data has to work, too.
"$bin/minillm-report" base --out alone.html 2>/dev/null
browse dom.html --window-size=1280,1000 --dump-dom "file://$work/alone.html"
grep -q 'No prompts were asked' dom.html || { echo "a report without prompts is not drawn"; exit 1; }

# --- pictures, of the page named or of the one just made
page=$work/report.html
if [[ $# -gt 3 ]]; then page=$(cd "$started" && realpath "$4"); fi
# A window narrower than 500 is not to be had, so the phone is a frame of that width.
printf '<!DOCTYPE html><body style="margin:0"><iframe style="border:0;width:375px;height:2600px" src="%s"></iframe>' \
  "file://$page#stage=2&prompt=1&theme=light" >phone.html
shoot() { browse /dev/null --window-size="$2" --screenshot="$pictures/$1.png" "$3"; [[ -s $pictures/$1.png ]]; }
shoot light 1280,3200 "file://$page#stage=2&prompt=1&theme=light"
shoot dark 1280,3200 "file://$page#stage=3&prompt=5&theme=dark"
shoot phone 500,2600 "file://$work/phone.html"
echo "pictures in $pictures"
