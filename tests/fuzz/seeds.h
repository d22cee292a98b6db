// Inputs that fuzzing starts from: what the library itself writes, a row of every format, and,
// where they are present, files that others wrote.

#ifndef TESTS_FUZZ_SEEDS_H_
#define TESTS_FUZZ_SEEDS_H_

#include <map>
#include <string>
#include <vector>

namespace minillm_testing {

// Inputs by target name. `public_data` is the folder of public data sets, or "".
std::map<std::string, std::vector<std::string>> make_seeds(const std::string& public_data);

}  // namespace minillm_testing

#endif  // TESTS_FUZZ_SEEDS_H_
