#!/usr/bin/env bash
# clang-format holds: run by ctest with the source folder as argument.
set -euo pipefail
cd "$1"
find libminillm tools tests benchmarks -name '*.h' -o -name '*.cc' | sort | xargs clang-format --dry-run --Werror
