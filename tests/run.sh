#!/usr/bin/env bash
# Builds, and runs every test: float (as shipped), double (gradients), with sanitizers of memory and of threads, and
# every parser fuzzed for 15 seconds. The same command on a laptop and in CI.
#   tests/run.sh [--install]            everything; what is missing is named, or with --install (or CI=true) installed:
#                                       Debian packages, for the whole system, with sudo
#   tests/run.sh [--install] release    one of: release, gradcheck, asan, tsan, fuzz; tsan-long is the whole suite, not
#                                       only threads
# Tests that read other people's data sets skip unless MINILLM_TEST_DATA names their folder.
set -euo pipefail
[[ -z ${MINILLM_TEST_DATA:-} ]] || MINILLM_TEST_DATA=$(realpath "$MINILLM_TEST_DATA")
cd "$(dirname "$0")/.."

install=${CI:-false}
if [[ ${1:-} == --install ]]; then
  install=true
  shift
fi
parts=("$@")
[[ ${#parts[@]} -gt 0 ]] || parts=(release gradcheck asan tsan fuzz)

packages=(libgtest-dev libgmock-dev libeigen3-dev libbenchmark-dev clang-format python3-numpy dpkg-dev file pkg-config zsh
  doxygen libopenmpi-dev openmpi-bin json-schema-test-suite)
[[ ${parts[*]} =~ asan|tsan|fuzz ]] && packages+=(clang libclang-rt-14-dev)
if [[ $install == true ]]; then
  tools/install_dependencies.sh "${packages[@]}"
  # Without a browser one test skips.
  [[ ! ${parts[*]} =~ release ]] || tools/install_dependencies.sh chromium fonts-dejavu-core ||
    echo "no Chromium to be had: ReportInBrowser and ServeClients are skipped"
else
  tools/install_dependencies.sh --check "${packages[@]}" ||
    { echo "or all at once, with a browser for the report's test: tests/run.sh --install" >&2; exit 1; }
fi

for part in "${parts[@]}"; do
  if [[ $part == fuzz ]]; then
    echo "== fuzz"
    tests/fuzz/run.sh 15
    continue
  fi
  preset=$part
  [[ $part != release ]] || preset=ci  # the release build with warnings as errors and the benchmarks
  echo "== $part: build"
  cmake --preset "$preset" >/dev/null
  cmake --build --preset "$preset" -- --no-print-directory --quiet
  echo "== $part: test"
  ctest --preset "$preset" --output-on-failure --no-tests=error --progress -j3
done
