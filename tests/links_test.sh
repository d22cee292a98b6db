#!/usr/bin/env bash
# Every relative link of the project's Markdown files leads to a file that exists. Code blocks are skipped.
# Run by ctest with the source folder as argument.
set -euo pipefail
cd "$1"
checked=0
broken=0
while read -r page; do
  while read -r target; do
    checked=$((checked + 1))
    [[ -e $(dirname "$page")/$target ]] || { echo "$page: '$target' does not exist"; broken=$((broken + 1)); }
  done < <(awk '/^ *```/ {code = !code; next} !code' "$page" | sed 's/`[^`]*`//g' | grep -oE '\]\([^)]+\)' |
    sed -E 's/^\]\(//; s/\)$//; s/#.*//' | grep -vE '^$|^[a-z]+:' || true)
done < <(git ls-files '*.md' 2>/dev/null | grep . || find . -name '*.md' -not -path './build/*' -not -path './runs/*')
[[ $checked -ge 20 ]] || { echo "only $checked links were found in $1: is the path right?"; exit 1; }
echo "$checked links checked"
[[ $broken -eq 0 ]]
