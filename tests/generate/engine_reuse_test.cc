// What is in the cache already is not fed again, and whose it is.

#include <gtest/gtest.h>

#include <deque>

#include "libminillm/generate/generator.h"
#include "tests/generate/engine_user.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::asking;
using minillm_testing::expect_same_answer;
using minillm_testing::Followed;
using minillm_testing::random_tokens;
using minillm_testing::run;
using minillm_testing::submit;
using minillm_testing::toy_model;
using minillm_testing::toy_tokenizer;
using EngineReuse = minillm_testing::EngineTest;

TEST_F(EngineReuse, AConversationIsNotReadAgain) {
  Engine engine(model_, &toy_tokenizer(), nullptr, {.slots = 2});
  EngineRequest request = asking(random_tokens(20, 1), 8, "ann");
  Followed first, second;
  submit(engine, request, first);
  run(engine);
  EXPECT_EQ(first.result->cached_tokens, 0);
  EXPECT_EQ(engine.counters().prompt_tokens, 20);

  request.prompt.insert(request.prompt.end(), first.tokens.begin(), first.tokens.end());
  const std::vector<Token> more = random_tokens(6, 2);
  request.prompt.insert(request.prompt.end(), more.begin(), more.end());
  submit(engine, request, second);
  run(engine);
  EXPECT_EQ(second.result->cached_tokens, 27);  // the last token of the answer was never fed
  EXPECT_EQ(engine.counters().prompt_tokens, 20 + 7);
  EXPECT_EQ(engine.counters().reused_tokens, 27);
  expect_same_answer(*second.result, alone(request));
}

// T-13: the time to the first token would tell one user what another has asked.
TEST_F(EngineReuse, NothingIsReusedAcrossOwners) {
  Engine engine(model_, &toy_tokenizer(), nullptr, {.slots = 4});
  const auto prompt_of = [](uint64_t seed) {  // prompts have not even a beginning in common
    const std::vector<Token> tokens = random_tokens(21, seed);
    return std::vector<Token>(tokens.begin() + 1, tokens.end());
  };
  const auto ask = [&](const std::string& owner) {
    Followed followed;
    submit(engine, asking(prompt_of(1), 3, owner), followed);
    run(engine);
    return followed.result->cached_tokens;
  };
  EXPECT_EQ(ask("ann"), 0);
  EXPECT_EQ(ask("bob"), 0);
  EXPECT_EQ(ask(""), 0);
  EXPECT_EQ(ask(""), 0);
  EXPECT_EQ(engine.counters().reused_tokens, 0);
  EXPECT_EQ(ask("ann"), 19);
  EXPECT_EQ(engine.counters().reused_tokens, 19);

  // Nor among requests that are there together.
  Followed two[2];
  for (const int i : {0, 1})
    submit(engine, asking(prompt_of(5), 3, i == 0 ? "ann" : "bob"), two[i]);
  run(engine);
  EXPECT_EQ(engine.counters().reused_tokens, 19);
}

TEST_F(EngineReuse, OfEqualPromptsOneIsFedForAll) {
  Engine engine(model_, &toy_tokenizer(), nullptr, {.slots = 4, .prompt_rows = 8});
  EngineRequest request = asking(random_tokens(30, 1), 6, "ann");
  std::deque<Followed> group(6);  // more than there are slots
  for (size_t i = 0; i < group.size(); ++i) {
    request.config.stream = i;
    submit(engine, request, group[i]);
  }
  for (int step = 0; step < 4; ++step) engine.step();
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(group[i].tokens.size(), 1u) << i;
  EXPECT_EQ(engine.counters().prompt_tokens, 30);
  run(engine);
  EXPECT_EQ(engine.counters().prompt_tokens, 31) << "the later two feed the last token only";
  for (size_t i = 0; i < group.size(); ++i) {
    request.config.stream = i;
    expect_same_answer(*group[i].result, alone(request));
  }
}

TEST_F(EngineReuse, IfTheOneThatFeedsAPromptIsCancelledAnotherGoesOn) {
  Engine engine(model_, &toy_tokenizer(), nullptr, {.slots = 4, .prompt_rows = 8});
  EngineRequest request = asking(random_tokens(30, 1), 6, "ann");
  std::deque<Followed> group(4);
  for (Followed& one : group) submit(engine, request, one);
  engine.step();
  engine.cancel(group[0].id);
  engine.step();
  engine.cancel(group[1].id);
  engine.step();
  EXPECT_EQ(engine.counters().prompt_tokens, 24);
  run(engine);
  EXPECT_EQ(engine.counters().prompt_tokens, 30);
  for (const size_t i : {2, 3}) expect_same_answer(*group[i].result, alone(request));
}

TEST_F(EngineReuse, ReserveKeepsWhatSlotsHoldAndWhoRuns) {
  Engine engine(model_, &toy_tokenizer(), nullptr, {.slots = 2, .slot_rows = 24});
  EngineRequest request = asking(random_tokens(20, 1), 4, "ann");
  Followed first, running, second;
  submit(engine, request, first);
  run(engine);
  submit(engine, asking(random_tokens(10, 2), 9), running);
  engine.step();
  engine.reserve(5, 1000);
  EXPECT_EQ(engine.slots(), 5);
  EXPECT_EQ(engine.slot_rows(), 64) << "the context";
  request.prompt = random_tokens(40, 1);  // which begins with the first one
  submit(engine, request, second);
  run(engine);
  EXPECT_EQ(second.result->cached_tokens, 20);
  expect_same_answer(*second.result, alone(request));
  expect_same_answer(*running.result, alone(asking(random_tokens(10, 2), 9)));
}

TEST(Generator, KeepsWhatItHasReadFromCallToCallAndSaysTheSame) {
  const Model model = toy_model();
  Generator generator(model, toy_tokenizer());
  GenerationConfig config;
  config.max_tokens = 9;
  config.log_probs = true;
  std::vector<std::vector<Token>> prompts;
  for (uint64_t i = 0; i < 6; ++i) prompts.push_back(random_tokens(3 + 9 * i, i % 2));
  Index known = 0;
  for (const size_t count : {1, 3, 6, 2, 6}) {  // more streams and longer ones than before
    const auto some = std::span(prompts).first(count);
    const std::vector<Generation> kept = generator.generate_all(some, config);
    const std::vector<Generation> fresh =
        Generator(model, toy_tokenizer()).generate_all(some, config);
    for (size_t i = 0; i < count; ++i) {
      EXPECT_EQ(kept[i].tokens, fresh[i].tokens);
      EXPECT_EQ(kept[i].log_probs, fresh[i].log_probs);
      known += kept[i].cached_tokens;
    }
  }
  EXPECT_GT(known, 200);
}

}  // namespace
}  // namespace minillm
