#!/usr/bin/env bash
# clang-format holds, and no comment is wider than 100 columns, since it does not wrap them: run by ctest with the
# source folder as argument.
set -euo pipefail
cd "$1"
export LC_ALL=C.UTF-8
sources=$(find libminillm tools tests benchmarks -name '*.h' -o -name '*.cc' -o -name '*.inc' | sort)
clang-format --dry-run --Werror $sources
if grep -nE '^.{101,}' $sources | grep -E '^[^:]+:[0-9]+:( *|.*  )(//|/?\*)'; then
  echo "these comments are wider than 100 columns"
  exit 1
fi
