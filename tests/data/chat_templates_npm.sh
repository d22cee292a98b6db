#!/usr/bin/env bash
# Proof that another renderer, @huggingface/jinja (npm), makes the same of every row of chat_templates.json: ours and
# published texts, with and without system prompts, several turns, tools, thoughts, prompts; but for rows of SmolLM 3
# that it cannot render. Not part of CI; says so and ends where there is no npm.
#   tests/data/chat_templates_npm.sh DIRECTORY        installs it into DIRECTORY, unless it is there
set -euo pipefail
[[ $# -eq 1 ]] || { sed -n '2,5p' "$0"; exit 2; }
command -v npm >/dev/null && command -v node >/dev/null || { echo "skipped: there is no npm here"; exit 0; }
mkdir -p "$1"
modules=$(realpath "$1")
cd "$(dirname "$0")"
(cd "$modules" && { [[ -d node_modules/@huggingface/jinja ]] || npm install --no-audit --no-fund --silent @huggingface/jinja; })
node --input-type=module - "$modules" <<'JAVASCRIPT'
import {readFileSync} from "fs";
import {createRequire} from "module";
import {pathToFileURL} from "url";
const {Template} = await import(pathToFileURL(createRequire(process.argv[2] + "/").resolve("@huggingface/jinja")));
// JavaScript writes 3.0 as 3.
const read = (name) => JSON.parse(readFileSync(name, "utf8").replaceAll("3.0", "3.5"));
const published = new Map(read("published_templates.json").map(({model, jinja}) => [model, jinja]));
let same = 0;
const rows = read("chat_templates.json");
// It has no way to say which day is today.
globalThis.Date = class extends Date { constructor(...given) { given.length ? super(...given) : super(2024, 6, 26); } };
// It does not know Python's str() of an object, and its lstrip("\n") takes off blanks, too.
const beyondIt = ({tools, messages}) => tools || messages.some(({role, content}) => role === "assistant" && content.startsWith("\n "));
let skipped = 0;
for (const {template, text, jinja, published: model, ...variables} of rows) {
  if (template.startsWith("smollm-3") && beyondIt(variables)) {
    ++skipped;
    continue;
  }
  const got = new Template(jinja ?? published.get(model)).render({...variables, date_string: "26 Jul 2024"});  // else today's
  if (got === text) ++same;
  else console.log(JSON.stringify({template, model, expected: text, got}, null, 1));
}
console.log(`${same} of ${rows.length - skipped} texts: the same; ${skipped} are beyond it`);
process.exit(same === rows.length - skipped ? 0 : 1);
JAVASCRIPT
