// Where the tests' real-world data lie: corpora, instruction and preference sets, weights, hostile
// files. They are not part of the project; a test that needs them skips, saying so, unless
// MINILLM_TEST_DATA names the folder (its full path) that holds them.

#ifndef TESTS_TESTING_TEST_DATA_H_
#define TESTS_TESTING_TEST_DATA_H_

#include <cstdlib>
#include <filesystem>
#include <string>

namespace minillm_testing {

inline std::string test_data_path(const std::string& name) {
  const char* root = std::getenv("MINILLM_TEST_DATA");
  const std::filesystem::path base = root != nullptr ? root : "$MINILLM_TEST_DATA";
  return (base / name).string();
}
inline bool has_test_data(const std::string& name) {
  return std::filesystem::exists(test_data_path(name));
}

}  // namespace minillm_testing

// First line of a test that reads `name`.
#define MINILLM_REQUIRE_TEST_DATA(name)                              \
  if (!minillm_testing::has_test_data(name))                         \
  GTEST_SKIP() << "needs '" << minillm_testing::test_data_path(name) \
               << "' (set MINILLM_TEST_DATA to the folder that holds the test data)"

#endif  // TESTS_TESTING_TEST_DATA_H_
