// libFuzzer's entry: MINILLM_FUZZ_TARGET names one of the targets.

#include <cstddef>
#include <cstdint>

#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const minillm_testing::FuzzTarget* const target =
      minillm_testing::find_fuzz_target(MINILLM_FUZZ_TARGET);
  target->run({reinterpret_cast<const char*>(data), size});
  return 0;
}
