// Generation under constraints: alone and among others, in texts and in answers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>

#include "libminillm/constrain/constraint_cache.h"
#include "libminillm/core/rng.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/generate/chat.h"
#include "libminillm/generate/generator.h"
#include "tests/data/test_tokenizer.h"
#include "tests/generate/engine_user.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::Followed;
using minillm_testing::toy_model;
using minillm_testing::toy_tokenizer;

ConstraintCache& cache() {
  static ConstraintCache constraints(toy_tokenizer());
  return constraints;
}

const char* const kSchema = R"({"type": "object", "properties": {
    "name": {"type": "string", "maxLength": 9}, "goat": {"type": "boolean"},
    "lanes": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 12},
              "maxItems": 2}}, "required": ["name", "lanes"]})";

GenerationConfig constrained(uint64_t seed) {
  GenerationConfig config;
  config.sampling.temperature = seed % 3 == 0 ? 0 : 1.3;
  config.max_tokens = 400;
  config.seed = seed;
  config.constraint = seed % 2 == 0 ? cache().json_schema(kSchema)
                                    : cache().regex("the [a-z]{2,9}( goat| mason){0,3}\\.");
  return config;
}

void expect_obeys(const std::string& text, uint64_t seed) {
  if (seed % 2 == 1) {
    EXPECT_TRUE(std::regex_match(text, std::regex("the [a-z]{2,9}( goat| mason){0,3}\\."))) << text;
    return;
  }
  ASSERT_TRUE(nlohmann::json::accept(text)) << text;
  const nlohmann::json value = nlohmann::json::parse(text);
  EXPECT_LE(value.at("lanes").size(), 2u);
  EXPECT_TRUE(value.at("name").is_string());
}

TEST(ConstrainedGeneration, TextsObeyAndEndWhereTheyAreComplete) {
  const Model model = toy_model(1, 512);
  Generator generator(model, toy_tokenizer());
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const Generation said =
        generator.generate(minillm_testing::random_tokens(5, seed), constrained(seed));
    ASSERT_EQ(said.reason, StopReason::kEndToken) << said.text;
    expect_obeys(said.text, seed);
  }
}

// The engine's promise holds with constraints, too.
TEST(ConstrainedGeneration, HasTheSameBitsWhoeverSharesTheBatch) {
  const Model model = toy_model(1, 256);
  constexpr uint64_t kRequests = 24;
  std::vector<EngineRequest> requests;
  for (uint64_t i = 0; i < kRequests; ++i) {
    EngineRequest request{.prompt = minillm_testing::random_tokens(3 + i % 7, i % 5)};
    request.config = constrained(i);
    if (i % 4 == 3) request.config.constraint = nullptr;
    request.config.max_tokens = i % 5 == 4 ? 7 : 120;
    request.config.log_probs = true;
    request.config.top_log_probs = 2;
    requests.push_back(std::move(request));
  }
  std::vector<Generation> alone;
  for (const EngineRequest& request : requests) {
    Engine engine(model, &toy_tokenizer(), nullptr, {.slots = 1});
    Followed followed;
    minillm_testing::submit(engine, request, followed);
    minillm_testing::run(engine);
    ASSERT_TRUE(followed.result) << *followed.error;
    alone.push_back(*followed.result);
  }
  for (const Index slots : {2, 7}) {
    Engine engine(model, &toy_tokenizer(), nullptr, {.slots = slots, .prompt_rows = 5});
    std::vector<Followed> followed(requests.size());
    for (size_t i = 0; i < requests.size(); ++i) {
      minillm_testing::submit(engine, requests[i], followed[i]);
      engine.step();
      if (i % 6 == 5) engine.cancel(followed[i - 1].id);
    }
    minillm_testing::run(engine);
    for (size_t i = 0; i < requests.size(); ++i) {
      if (i % 6 == 4) continue;  // cancelled, if it had not ended
      ASSERT_TRUE(followed[i].result) << *followed[i].error;
      minillm_testing::expect_told_alike(followed[i]);
      minillm_testing::expect_same_answer(*followed[i].result, alone[i]);
    }
  }
}

TEST(ConstrainedGeneration, LogProbabilitiesAreTheModels) {
  const Model model = toy_model();
  const std::vector<Token> prompt = minillm_testing::random_tokens(4, 2);
  GenerationConfig config = constrained(1);
  config.max_tokens = 8;
  config.log_probs = true;
  const Generation said = Generator(model, toy_tokenizer()).generate(prompt, config);
  // As a prompt the same tokens get the same scores.
  Engine engine(model, &toy_tokenizer(), nullptr, {.slots = 1});
  EngineRequest request{.prompt = prompt};
  request.prompt.insert(request.prompt.end(), said.tokens.begin(), said.tokens.end());
  request.config.max_tokens = 1;
  request.config.prompt_log_probs = true;
  Followed scored;
  minillm_testing::submit(engine, request, scored);
  minillm_testing::run(engine);
  ASSERT_TRUE(scored.result);
  for (size_t i = 0; i < said.tokens.size(); ++i)
    EXPECT_EQ(said.log_probs[i], scored.result->prompt_log_probs[prompt.size() - 1 + i]);
}

TEST(ConstrainedGeneration, TokensThatRunOutLeaveTheTextAsItIs) {
  const Model model = toy_model();
  GenerationConfig config = constrained(0);
  config.max_tokens = 3;
  const Generation said =
      Generator(model, toy_tokenizer()).generate(minillm_testing::random_tokens(4, 2), config);
  EXPECT_EQ(said.reason, StopReason::kMaxTokens);
  EXPECT_TRUE(said.text.starts_with("{"));
}

TEST(ConstrainedGeneration, AnswersObeyWithoutTheSpaceOfTheTemplate) {
  const Model model = toy_model(1, 512);
  ChatSession chat(model, toy_tokenizer());
  for (uint64_t seed = 0; seed < 12; ++seed) {
    chat.reset();
    std::string told;
    const ChatAnswer answer = chat.ask("the goat", constrained(seed),
                                       {.on_text = [&](const std::string& text) { told += text; }});
    ASSERT_EQ(answer.generation.reason, StopReason::kEndToken);
    expect_obeys(answer.text, seed);
    EXPECT_EQ(told, answer.text);
  }
}

// Where no token ends a text, it ends all the same when it is complete.
TEST(ConstrainedGeneration, CompleteTextsEndWithoutAnEndToken) {
  const Model model = toy_model();
  GenerationConfig config = constrained(1);
  config.constraint = cache().regex("goat");
  config.stop_tokens = {100000};  // no token at all
  const Generation said =
      Generator(model, toy_tokenizer()).generate(minillm_testing::random_tokens(4, 2), config);
  EXPECT_EQ(said.text, "goat");
  EXPECT_EQ(said.reason, StopReason::kEndToken);
  EXPECT_FALSE(said.end_token);
}

TEST(ConstrainedGeneration, AConstraintOfAnotherTokenizerIsRefused) {
  const Model model = toy_model();
  ConstraintCache other(minillm_testing::test_tokenizer());
  GenerationConfig config = constrained(1);
  config.constraint = other.regex("a");
  Generator generator(model, toy_tokenizer());
  EXPECT_ERROR(generator.generate(minillm_testing::random_tokens(4, 2), config),
               "constraint: it was compiled for another tokenizer");
  Generator ids(model);
  config.constraint = cache().regex("a");
  EXPECT_ERROR(ids.generate(minillm_testing::random_tokens(4, 2), config), "another tokenizer");
}

}  // namespace
}  // namespace minillm
