// A user of the engine for tests: requests, and all that their events have told.

#ifndef TESTS_GENERATE_ENGINE_USER_H_
#define TESTS_GENERATE_ENGINE_USER_H_

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libminillm/generate/engine.h"
#include "tests/testing/compare.h"
#include "tests/testing/toy_model.h"

namespace minillm_testing {

// One request as its caller sees it.
struct Followed {
  minillm::RequestId id = 0;
  std::vector<minillm::Token> tokens;
  std::optional<minillm::Token> end_token;
  std::string text;
  std::vector<minillm::Real> log_probs;
  std::vector<std::vector<minillm::ScoredToken>> top;
  std::optional<minillm::Generation> result;
  std::optional<std::string> error;

  bool ended() const { return result || error; }
  minillm::RequestEvents events() {
    return {.on_token =
                [this](const minillm::TokenEvent& event) {
                  EXPECT_FALSE(ended()) << "a token after the end";
                  if (event.is_end)
                    end_token = event.token;
                  else
                    tokens.push_back(event.token);
                  text += event.text;
                  if (event.log_prob) log_probs.push_back(*event.log_prob);
                  if (!event.top.empty()) top.emplace_back(event.top.begin(), event.top.end());
                },
            .on_end =
                [this](minillm::Generation&& generation) {
                  EXPECT_FALSE(ended()) << "two ends";
                  result = std::move(generation);
                },
            .on_error =
                [this](const minillm::Error& e) {
                  EXPECT_FALSE(ended()) << "two ends";
                  error = e.what();
                }};
  }
};

inline void submit(minillm::Engine& engine, const minillm::EngineRequest& request,
                   Followed& followed) {
  followed.id = engine.submit(request, followed.events());
}

// Steps until there is nothing to do; how many.
inline int run(minillm::Engine& engine) {
  int steps = 0;
  while (engine.step()) ++steps;
  return steps;
}

inline void expect_same_top(const std::vector<std::vector<minillm::ScoredToken>>& actual,
                            const std::vector<std::vector<minillm::ScoredToken>>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_EQ(actual[i].size(), expected[i].size());
    for (size_t k = 0; k < actual[i].size(); ++k) {
      EXPECT_EQ(actual[i][k].token, expected[i][k].token);
      EXPECT_EQ(
          std::memcmp(&actual[i][k].log_prob, &expected[i][k].log_prob, sizeof(minillm::Real)), 0);
    }
  }
}

// All of an answer but what the cache gave, to the bit.
inline void expect_same_answer(const minillm::Generation& actual,
                               const minillm::Generation& expected) {
  EXPECT_EQ(actual.tokens, expected.tokens);
  EXPECT_EQ(actual.text, expected.text);
  EXPECT_EQ(actual.reason, expected.reason);
  EXPECT_EQ(actual.end_token, expected.end_token);
  expect_same_bits(actual.log_probs, expected.log_probs, "log p");
  expect_same_bits(actual.prompt_log_probs, expected.prompt_log_probs, "log p of the prompt");
  expect_same_top(actual.top, expected.top);
  expect_same_top(actual.prompt_top, expected.prompt_top);
}

// What was told while it was said is what was told at the end.
inline void expect_told_alike(const Followed& followed) {
  ASSERT_TRUE(followed.result);
  const minillm::Generation& result = *followed.result;
  EXPECT_EQ(followed.tokens, result.tokens);
  EXPECT_EQ(followed.end_token, result.end_token);
  if (result.reason == minillm::StopReason::kInterrupted) {
    EXPECT_TRUE(result.text.starts_with(followed.text));
  } else {
    EXPECT_EQ(followed.text, result.text);
  }
  expect_same_bits(followed.log_probs, result.log_probs, "log p as streamed");
  expect_same_top(followed.top, result.top);
}

// A request that no end token of the tokenizer ends, but one of its control tokens, seldom.
inline minillm::EngineRequest asking(std::vector<minillm::Token> prompt, int64_t max_tokens,
                                     const std::string& owner = "") {
  minillm::EngineRequest request{.prompt = std::move(prompt), .owner = owner};
  request.config.max_tokens = max_tokens;
  request.config.stop_tokens = {toy_tokenizer().control("<|im_start|>")};
  return request;
}

class EngineTest : public testing::Test {
 protected:
  minillm::Generation alone(const minillm::EngineRequest& request) {
    minillm::Engine other(model_, &toy_tokenizer(), nullptr, {.slots = 1, .reuse_prefixes = false});
    Followed followed;
    submit(other, request, followed);
    run(other);
    return *followed.result;
  }

  const minillm::Model model_ = toy_model();
};

}  // namespace minillm_testing

#endif  // TESTS_GENERATE_ENGINE_USER_H_
