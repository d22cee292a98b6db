#!/usr/bin/env bash
# Runs all tests in a build that counts lines, and prints which share of the library's lines they reach, by folder.
# Fails below 90 % of the library or below 95 % of the code that reads others' bytes: checkpoints and parsers.
#   tests/coverage.sh            builds, runs, reports; lines not reached: build/coverage/report.html, by file
#   tests/coverage.sh --report   of the last run
# Processes that tests kill write no counts, so the true share is higher.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/install_dependencies.sh --check libgtest-dev libgmock-dev gcovr
build=build/coverage
if [[ ${1:-} != --report ]]; then
  cmake --preset coverage >/dev/null
  cmake --build --preset coverage -- --no-print-directory --quiet
  find $build -name '*.gcda' -delete
  ctest --preset coverage --no-tests=error --progress -j2
fi
gcovr --root . --filter 'libminillm/' --gcov-ignore-parse-errors -j 2 \
  --csv $build/lines.csv --html-details $build/report.html $build 2>$build/gcovr.log
awk -F, '
  NR == 1 { for (i = 1; i <= NF; ++i) column[$i] = i; next }
  {
    file = $column["filename"]; total = $column["line_total"]; reached = $column["line_covered"]
    split(file, part, "/")
    folder = part[2] ~ /\./ ? "." : part[2]
    add(folder); add("library")
    if (file ~ /^libminillm\/(checkpoint|data)\// && file !~ /data\/packing/ || \
        file ~ /^libminillm\/(core\/(config|utf8)|train\/metrics_log|world\/eval_file|generate\/prompts|interop\/llama2c_import|report\/(runs|figures))\./)
      add("checkpoint and parsers")
  }
  function add(group) { totals[group] += total; reaches[group] += reached }
  function percent(group) { return 100 * reaches[group] / totals[group] }
  function row(group) {
    return sprintf("%-24s %6d of %6d lines %6.1f %%", group, reaches[group], totals[group], percent(group))
  }
  END {
    for (group in totals) if (group != "library" && group != "checkpoint and parsers") print row(group) | "sort"
    close("sort")
    print row("library"); print row("checkpoint and parsers")
    if (percent("library") < 90) { print "the library: expected at least 90 %"; failed = 1 }
    if (percent("checkpoint and parsers") < 95) { print "checkpoint and parsers: expected at least 95 %"; failed = 1 }
    exit failed
  }' $build/lines.csv
