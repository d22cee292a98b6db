// Every target on its seeds, on what fuzzing once found (tests/fuzz/found/), and on a few thousand
// mutations of both: what fuzzing is when there is no fuzzer.

#include <gtest/gtest.h>

#include <filesystem>

#include "libminillm/core/file.h"
#include "libminillm/core/rng.h"
#include "tests/fuzz/seeds.h"
#include "tests/fuzz/targets.h"
#include "tests/testing/test_data.h"

namespace minillm_testing {
namespace {

using minillm::Rng;

std::string mutated(std::string bytes, Rng& rng) {
  constexpr uint8_t kValues[] = {0, 1, 0x7f, 0x80, 0xff, '"', '{', '['};
  for (uint64_t times = 1 + rng.below(4); times > 0 && !bytes.empty(); --times) {
    const size_t at = rng.below(bytes.size());
    switch (rng.below(6)) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << rng.below(8)));
        break;
      case 1:
        bytes[at] = static_cast<char>(kValues[rng.below(std::size(kValues))]);
        break;
      case 2:
        bytes.resize(at);
        break;
      case 3:
        bytes.erase(at, 1 + rng.below(8));
        break;
      case 4:
        bytes.insert(at, bytes.substr(rng.below(bytes.size()), rng.below(64)));
        break;
      default:
        for (size_t i = at; i < std::min(at + 8, bytes.size()); ++i) bytes[i] = '\xff';
    }
  }
  return bytes;
}

class FuzzTargets : public testing::TestWithParam<std::string> {};

TEST_P(FuzzTargets, TakeTheirSeedsAndMutationsOfThem) {
  static const auto seeds = make_seeds(has_test_data("") ? test_data_path("") : "");
  const FuzzTarget& target = *find_fuzz_target(GetParam());
  std::vector<std::string> inputs = seeds.at(target.name);
  const std::string found = std::string(MINILLM_SOURCE_DIR "/tests/fuzz/found/") + target.name;
  if (minillm::is_directory(found))
    for (const std::string& name : minillm::list_directory(found))
      inputs.push_back(minillm::read_file(minillm::join_path(found, name)));
  ASSERT_FALSE(inputs.empty());
  for (const std::string& input : inputs) target.run(input);
  Rng rng(1);
  for (int i = 0; i < 2000; ++i) target.run(mutated(inputs[rng.below(inputs.size())], rng));
  target.run("");
}

std::vector<std::string> names() {
  std::vector<std::string> names;
  for (int i = 0; i < kFuzzTargetCount; ++i) names.push_back(kFuzzTargets[i].name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(All, FuzzTargets, testing::ValuesIn(names()),
                         [](const auto& target) { return target.param; });

}  // namespace
}  // namespace minillm_testing
