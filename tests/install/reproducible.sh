#!/usr/bin/env bash
# The same sources give the same bytes, wherever they lie and whenever they are built: two copies in folders of
# different names, built one after the other, with clocks a day apart in the files' times, and installed.
#   reproducible.sh <source folder>     (long tier: two whole builds)
set -euo pipefail
source_folder=$(realpath "$1")
commit=$(git -C "$source_folder" rev-parse HEAD)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() { # FOLDER DATE
  mkdir -p "$work/$1"
  git -C "$source_folder" archive "$commit" | tar -x -C "$work/$1"
  find "$work/$1" -exec touch -h -d "$2" {} +
  cmake -S "$work/$1" -B "$work/$1/build" -DCMAKE_BUILD_TYPE=Release -DMINILLM_BUILD_TESTS=OFF -DCMAKE_CXX_COMPILER_LAUNCHER= >/dev/null
  cmake --build "$work/$1/build" -j2 -- --no-print-directory --quiet >/dev/null
  DESTDIR=$work/$1/out cmake --install "$work/$1/build" --prefix /usr >/dev/null
  (cd "$work/$1/out" && find . -type f -print0 | sort -z | xargs -0 sha256sum) >"$work/$1.sums"
}
build a 2026-01-01
build another/longer/name 2026-01-02
mv "$work/another/longer/name.sums" "$work/b.sums"
diff "$work/a.sums" "$work/b.sums" || { echo "FAILED: not the same bytes" >&2; exit 1; }
echo "$(wc -l <"$work/a.sums") installed files are the same to the byte"
