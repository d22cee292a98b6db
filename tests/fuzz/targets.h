// Fuzz targets: one for each parser of what others wrote. Each takes any bytes; it must return, and
// may throw nothing but Error (which it catches). Results that it can check, it checks by aborting.

#ifndef TESTS_FUZZ_TARGETS_H_
#define TESTS_FUZZ_TARGETS_H_

#include <string_view>

namespace minillm_testing {

struct FuzzTarget {
  const char* name;  // also that of its directory in seeds/
  void (*run)(std::string_view bytes);
};
extern const FuzzTarget kFuzzTargets[];
extern const int kFuzzTargetCount;

const FuzzTarget* find_fuzz_target(std::string_view name);  // or nullptr

}  // namespace minillm_testing

#endif  // TESTS_FUZZ_TARGETS_H_
