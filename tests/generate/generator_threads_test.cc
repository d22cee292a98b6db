// Generators and threads: one that is stopped by another, and two on one model.

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "libminillm/generate/generator.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::random_tokens;
using minillm_testing::toy_model;
using minillm_testing::toy_tokenizer;

TEST(Generator, StopsWhenAnotherThreadAsks) {
  const Model model = toy_model();
  std::atomic<int> asked = 0;
  std::atomic<bool> stop = false;
  std::thread user([&] {
    while (asked < 3) std::this_thread::yield();
    stop = true;
  });
  const auto stop_requested = [&] {
    if (++asked > 10)  // it waits for a slow user
      while (!stop) std::this_thread::yield();
    return stop.load();
  };
  GenerationConfig config;
  config.stop_tokens = {toy_tokenizer().control("<|im_start|>")};
  const Generation result =
      Generator(model).generate(random_tokens(4, 2), config, {.stop_requested = stop_requested});
  user.join();
  EXPECT_EQ(result.reason, StopReason::kInterrupted);
  EXPECT_LE(result.tokens.size(), 10u);
}

// A model and a tokenizer are only read: any number of generators may share them.
TEST(Generator, TwoOnOneModelInTwoThreadsSayWhatEachSaysAlone) {
  const Model model = toy_model();
  const auto texts = [&](uint64_t seed) {
    Generator generator(model, toy_tokenizer());
    GenerationConfig config;
    config.sampling.temperature = 1.5;
    config.max_tokens = 20;
    config.seed = seed;
    std::vector<std::string> result;
    const std::vector<std::vector<Token>> prompts = {random_tokens(9, 1), random_tokens(30, 2)};
    for (const Generation& g : generator.generate_all(prompts, config)) result.push_back(g.text);
    return result;
  };
  const auto first_alone = texts(1), second_alone = texts(2);
  std::vector<std::string> first, second;
  std::thread other([&] { first = texts(1); });
  second = texts(2);
  other.join();
  EXPECT_EQ(first, first_alone);
  EXPECT_EQ(second, second_alone);
}

}  // namespace
}  // namespace minillm
