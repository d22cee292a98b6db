// Targets for model files of other programs.

#ifndef TESTS_FUZZ_INTEROP_TARGETS_H_
#define TESTS_FUZZ_INTEROP_TARGETS_H_

#include <string_view>

namespace minillm_testing {

void gguf(std::string_view bytes);
void llama2c(std::string_view bytes);

}  // namespace minillm_testing

#endif  // TESTS_FUZZ_INTEROP_TARGETS_H_
