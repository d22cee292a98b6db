// libFuzzer's entry, for all targets: FUZZ_TARGET=manifest build/asan/bin/fuzz [libFuzzer's
// arguments]. (A variable, because libFuzzer starts itself again with its own arguments when it
// minimizes.)

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const minillm_testing::FuzzTarget& target = wanted_target();
  target.run({reinterpret_cast<const char*>(data), size});
  return 0;
}
