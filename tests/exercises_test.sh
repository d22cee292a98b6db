#!/usr/bin/env bash
# Every patch of doc/exercises applies to the sources, is listed in its README, and makes the test fail that it names.
# The patched file is compiled and linked in front of the library's archive; nothing else is built again.
#   exercises_test.sh <source folder> <build folder> <double|float>
set -euo pipefail
source_folder=$1
build_folder=$2
kind=$3
exercises=$source_folder/libminillm/doc/exercises
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "$*"; exit 1; }

field() { sed -n "s/^$1: //p" "$patch"; }

# compile_command FILE: how the build compiles it.
compile_command() {
  python3 - "$build_folder/compile_commands.json" "$1" <<'PYTHON'
import json, sys
commands = [c for c in json.load(open(sys.argv[1])) if c["file"] == sys.argv[2]]
print(commands[0]["directory"])
print(commands[0]["command"])
PYTHON
}

# link_with OBJECT PROGRAM: the test program with OBJECT in place of the archive's member of that name.
link_with() {
  local folder
  folder=$(dirname "$(find "$build_folder/tests" -path "*/$2.dir/link.txt")")/../..
  (cd "$folder" && eval "$(sed -E "s|-o [^ ]+/$2 |-o $work/$2 $1 |" "CMakeFiles/$2.dir/link.txt")")
}

tried=0
for patch in "$exercises"/*.patch; do
  name=$(basename "$patch")
  grep -qF "($name)" "$exercises/README.md" || fail "$name: not listed in README.md"
  file=$(sed -n 's|^+++ b/||p' "$patch")
  program=$(field Program)
  test=$(field Test)
  [[ -n $file && -n $program && $test == *.* && $(field Build) =~ ^(double|float)$ ]] || fail "$name: its head is incomplete"
  mkdir -p "$work/$(dirname "$file")"
  cp "$source_folder/$file" "$work/$file"
  patch -p1 -F0 -s -d "$work" <"$patch" || fail "$name: does not apply"
  [[ $(field Build) == "$kind" ]] || continue

  { read -r folder; read -r command; } < <(compile_command "$source_folder/$file")
  command=${command/ -o */ -o $work/patched.o -Wno-error -c $work/$file}
  (cd "$folder" && eval "$command") >"$work/log" 2>&1 || fail "$name: does not compile: $(cat "$work/log")"
  link_with "$work/patched.o" "$program" >"$work/log" 2>&1 || fail "$name: does not link: $(cat "$work/log")"
  if "$work/$program" --gtest_filter="$test" >"$work/log" 2>&1; then fail "$name: $test does not notice"; fi
  grep -qF "[  FAILED  ] $test" "$work/log" || fail "$name: $test was not run: $(tail -n 3 "$work/log")"
  tried=$((tried + 1))
done
[[ $tried -ge 3 ]] || fail "only $tried exercises of the $kind build were tried"
echo "$tried exercises were noticed"
