#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test: float (as shipped), double (gradients), with sanitizers of
# memory and of threads, and every parser fuzzed for 30 seconds. The same command on a laptop and in CI.
#   tests/run.sh            everything
#   tests/run.sh release    one of: release, gradcheck, asan, tsan, fuzz; tsan-long is the whole suite, not only threads
set -euo pipefail
cd "$(dirname "$0")/.."

tools/install_dependencies.sh libgtest-dev libgmock-dev libeigen3-dev libbenchmark-dev clang-format python3-numpy \
  dpkg-dev file pkg-config zsh doxygen

parts=("$@")
[[ ${#parts[@]} -gt 0 ]] || parts=(release gradcheck asan tsan fuzz)
for part in "${parts[@]}"; do
  if [[ $part == fuzz ]]; then
    echo "== fuzz"
    tests/fuzz/run.sh 30
    continue
  fi
  if [[ $part == asan || $part == tsan* ]]; then
    tools/install_dependencies.sh clang libclang-rt-14-dev libomp-dev
  fi
  preset=$part
  if [[ $part == release ]]; then
    preset=ci  # the release build with warnings as errors and the benchmarks
    tools/install_dependencies.sh chromium fonts-dejavu-core ||
      echo "no Chromium to be had: ReportInBrowser is skipped"
  fi
  echo "== $part: build"
  cmake --preset "$preset" >/dev/null
  cmake --build --preset "$preset" -- --no-print-directory --quiet
  echo "== $part: test"
  ctest --preset "$preset" --output-on-failure --no-tests=error --progress -j3
done
