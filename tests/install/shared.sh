#!/usr/bin/env bash
# The library as shared ones: versions, symbols, a prefix that is moved, a C program that links it. Long tier: it builds
# everything once more.
#   tests/install/shared.sh [BUILD FOLDER]
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:-build/shared}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "$*"; exit 1; }

cmake -S . -B "$build" -DBUILD_SHARED_LIBS=ON -DMINILLM_BUILD_TESTS=OFF >/dev/null
cmake --build "$build" -j2 -- --no-print-directory --quiet
cmake --install "$build" --prefix "$work/first" >/dev/null
mv "$work/first" "$work/moved"
lib=$(dirname "$(find "$work/moved" -name libminillm_c.so)")
[[ $(readelf -d "$lib/libminillm_base.so") == *"SONAME"*"libminillm_base.so.0.1]"* ]] || fail "no version"
others=$(nm -D --defined-only "$lib/libminillm_c.so" | awk '{ print $3 }' | grep -v "^minillm_" || true)
[[ -z $others ]] || fail "the C library shows more than its interface: $others"
"$work/moved/bin/minillm-generate" --version >/dev/null || fail "a moved tool does not find its library"
cc -std=c99 tests/c/c_interface_test.c -I"$work/moved/include" -L"$lib" -lminillm_c -lgomp -lm \
  -Wl,-rpath,"$lib" -Wl,-rpath-link,"$lib" -o "$work/user"
grep -q "the C interface works" <<<"$("$work/user" "$work/runs")" || fail "the C program"
echo "shared, moved, linked and run"
