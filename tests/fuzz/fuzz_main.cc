// libFuzzer's entry, for all targets: FUZZ_TARGET=manifest build/asan/bin/fuzz [libFuzzer's
// arguments]. (A variable, because libFuzzer starts itself again with its own arguments when it
// minimizes.) An input that takes more than FUZZ_SECONDS (2) of processor time is a finding;
// libFuzzer's own -timeout goes by the clock, which runs on while a busy machine does other work.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "tests/fuzz/targets.h"

namespace {

const minillm_testing::FuzzTarget& wanted_target() {
  const char* const name = std::getenv("FUZZ_TARGET");
  const minillm_testing::FuzzTarget* const target =
      minillm_testing::find_fuzz_target(name == nullptr ? "" : name);
  if (target != nullptr) return *target;
  std::fputs("FUZZ_TARGET: expected one of:\n", stderr);
  for (int i = 0; i < minillm_testing::kFuzzTargetCount; ++i)
    std::fprintf(stderr, "  %s\n", minillm_testing::kFuzzTargets[i].name);
  std::exit(2);
}

double seconds_allowed() {
  const char* const seconds = std::getenv("FUZZ_SECONDS");
  return seconds == nullptr ? 2 : std::atof(seconds);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const minillm_testing::FuzzTarget& target = wanted_target();
  static const double longest = seconds_allowed();
  const std::clock_t begin = std::clock();
  target.run({reinterpret_cast<const char*>(data), size});
  const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  if (seconds > longest) {
    std::fprintf(stderr, "an input took %.1f s of processor time\n", seconds);
    std::abort();
  }
  return 0;
}
