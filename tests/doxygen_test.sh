#!/usr/bin/env bash
# Doxygen makes the reference of the public headers without a warning, and the comments are in it.
#   doxygen_test.sh <source folder>
set -euo pipefail
cd "$1"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
make_reference() { { cat libminillm/doc/Doxyfile; printf '%s\n' "OUTPUT_DIRECTORY=$work" "$@"; } | doxygen - >"$work/log" 2>&1; }

make_reference || { cat "$work/log"; exit 1; }
grep -q "never a control id" "$work/html/classminillm_1_1Tokenizer.html" || { echo "the comments are not in the pages"; exit 1; }
# The check works: a mistake is noticed.
printf '/// \\ref nowhere\nint f();\n' >"$work/x.h"
if make_reference "INPUT=$work" "INPUT_FILTER="; then echo "a reference to nothing passed"; exit 1; fi
