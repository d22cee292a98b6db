#include "libminillm/generate/engine.h"

#include <gtest/gtest.h>

#include <deque>
#include <limits>

#include "libminillm/data/packing.h"
#include "tests/generate/engine_user.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/tiny_model.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::asking;
using minillm_testing::EngineTest;
using minillm_testing::expect_same_answer;
using minillm_testing::Followed;
using minillm_testing::random_tokens;
using minillm_testing::run;
using minillm_testing::submit;
using minillm_testing::toy_model;
using minillm_testing::toy_tokenizer;

// T-11: somebody's long prompt costs the others a portion of it a step, and nothing else.
TEST_F(EngineTest, ALongPromptHoldsUpNobody) {
  Engine engine(model_, &toy_tokenizer(), nullptr, {.slots = 3, .prompt_rows = 4});
  Followed running, long_one, short_one;
  submit(engine, asking(random_tokens(4, 1), 40), running);
  engine.step();
  ASSERT_EQ(running.tokens.size(), 1u);
  submit(engine, asking(random_tokens(33, 2), 4), long_one);
  for (size_t step = 1; step <= 3; ++step) {  // 12 rows of 33
    engine.step();
    EXPECT_EQ(running.tokens.size(), 1 + step);
  }
  submit(engine, asking(random_tokens(4, 3), 40), short_one);
  engine.step();  // two rows each
  EXPECT_TRUE(short_one.tokens.empty());
  engine.step();
  EXPECT_EQ(short_one.tokens.size(), 1u) << "it waits for the long one's end";
  int more = 0;  // 33 - 12 - 2 - 2 = 17 rows in fours
  for (; long_one.tokens.empty(); ++more) engine.step();
  EXPECT_EQ(more, 5);
  EXPECT_EQ(running.tokens.size(), 11u);
  EXPECT_EQ(short_one.tokens.size(), 6u);
}

TEST_F(EngineTest, CancelsWhatWaitsWhatIsReadAndWhatIsSaid) {
  Engine engine(model_, &toy_tokenizer(), nullptr, {.slots = 2, .prompt_rows = 4});
  Followed running, reading, waiting, next;
  submit(engine, asking(random_tokens(3, 1), 50), running);
  submit(engine, asking(random_tokens(30, 2), 50), reading);
  submit(engine, asking(random_tokens(3, 3), 50), waiting);
  submit(engine, asking(random_tokens(3, 4), 50), next);
  for (int i = 0; i < 3; ++i) engine.step();
  ASSERT_FALSE(running.tokens.empty());
  ASSERT_TRUE(reading.tokens.empty());
  for (const Followed* one : {&running, &reading, &waiting}) engine.cancel(one->id);
  engine.cancel(running.id);  // again
  engine.cancel(999);         // nobody
  const size_t said = running.tokens.size();
  EXPECT_TRUE(engine.step());
  for (const Followed* one : {&running, &reading, &waiting}) {
    ASSERT_TRUE(one->result);
    EXPECT_EQ(one->result->reason, StopReason::kInterrupted);
    expect_told_alike(*one);
  }
  EXPECT_EQ(running.tokens.size(), said);
  EXPECT_EQ(next.tokens.size(), 1u) << "a slot was not free before the step";
  EXPECT_EQ(engine.counters().cancelled, 3);
  engine.cancel(next.id);
  EXPECT_TRUE(engine.step());
  EXPECT_FALSE(engine.step());
  engine.cancel(next.id);  // it has ended
  EXPECT_FALSE(engine.step());
  EXPECT_EQ(engine.counters().cancelled, 4);
}

TEST_F(EngineTest, RefusesWhenTheQueueIsFull) {
  Engine engine(model_, &toy_tokenizer(), nullptr, {.slots = 1, .queue = 2});
  std::deque<Followed> taken(4);
  submit(engine, asking(random_tokens(3, 1), 2), taken[0]);
  engine.step();  // it has the slot
  for (const size_t i : {1, 2}) submit(engine, asking(random_tokens(3, 1), 2), taken[i]);
  EXPECT_EQ(engine.counters().waiting, 2);
  EXPECT_EQ(engine.counters().running, 1);
  try {
    submit(engine, asking(random_tokens(3, 1), 2), taken[3]);
    ADD_FAILURE() << "it was taken";
  } catch (const RequestRefused& refused) {
    EXPECT_EQ(refused.reason(), RequestRefused::Reason::kBusy);
    EXPECT_STREQ(refused.what(),
                 "engine: busy: expected at most 2 requests in the queue, got one more (try again "
                 "later)");
  }
  for (int i = 0; i < 2; ++i) engine.step();  // the first ends, and the next has its slot
  submit(engine, asking(random_tokens(3, 1), 2), taken[3]);
  run(engine);
  for (const Followed& one : taken) EXPECT_TRUE(one.result);
  EXPECT_EQ(engine.counters().requests, 4);
}

TEST_F(EngineTest, OwnersTakeTurns) {
  for (const bool reuse : {true, false}) {
    Engine engine(model_, &toy_tokenizer(), nullptr, {.slots = 1, .reuse_prefixes = reuse});
    std::string order;
    const auto ask = [&](const std::string& owner) {
      engine.submit(asking(random_tokens(3, 1), 1, owner),
                    {.on_end = [&order, owner](Generation&&) { order += owner; }});
    };
    for (int i = 0; i < 4; ++i) ask("a");
    ask("b");
    ask("b");
    ask("c");
    engine.step();  // a
    engine.step();  // b
    ask("d");
    run(engine);
    EXPECT_EQ(order, "abcdabaa");
    EXPECT_EQ(engine.counters().reused_tokens > 0, reuse);
  }
}

TEST_F(EngineTest, SaysWhatIsWrongWithARequest) {
  Engine engine(model_, &toy_tokenizer(), nullptr, {.slot_rows = 20});
  Followed followed;
  const auto expect = [&](const EngineRequest& request, const std::string& text) {
    EXPECT_ERROR(submit(engine, request, followed), text);
  };
  const EngineRequest good = asking({1, 7}, 5);
  expect(asking({}, 5), "prompt: it has no tokens");
  expect(asking({1, 300}, 5), "prompt: token id 300: expected 0 to 299");
  expect(asking({1, -1}, 5), "prompt: token id -1: expected 0 to 299");
  expect(asking({1, 7}, 0), "max_tokens: expected 1 or more, got 0");
  try {
    submit(engine, asking(random_tokens(21, 1), 5), followed);
    ADD_FAILURE() << "it was taken";
  } catch (const RequestRefused& refused) {
    EXPECT_EQ(refused.reason(), RequestRefused::Reason::kTooLong);
    EXPECT_STREQ(refused.what(),
                 "prompt: too long: expected at most 20 tokens (the engine's slot_rows), got 21");
  }
  EngineRequest bad = good;
  bad.adapter =
      minillm_testing::random_adapter(minillm_testing::AdapterKind::kPrompt, model_.config());
  bad.prompt = random_tokens(18, 1);
  expect(bad, "at most 17 tokens (the engine's slot_rows, less its adapter's virtual tokens)");
  bad = good;
  bad.config.sampling.temperature = -1;
  expect(bad, "temperature: expected");
  bad = good;
  bad.config.sampling.logit_bias = {{300, 1.0}};
  expect(bad, "logit_bias: token 300: expected 0 to 299");
  bad.config.sampling.logit_bias = {{3, 101.0}};
  expect(bad, "logit_bias: of token 3: expected a number in [-100, 100], got 101");
  bad = good;
  bad.config.top_log_probs = 21;
  expect(bad, "top_log_probs: expected 0 (none) to 20, got 21");
  bad = good;
  bad.config.stop = {""};
  expect(bad, "stop string: expected some text");
  bad = good;
  bad.config.weights = Precision::kBfloat16;
  expect(bad, "weights: the engine's are packed already");
  EXPECT_FALSE(engine.step()) << "one of them was taken";
  EXPECT_EQ(engine.counters().requests, 0);

  Engine ids_only(model_, nullptr, nullptr);
  bad = good;
  bad.config.stop = {"x"};
  EXPECT_ERROR(submit(ids_only, bad, followed), "stop strings: the checkpoint has no tokenizer");
}

TEST_F(EngineTest, SaysWhatIsWrongWithItsConfigOrModel) {
  const auto make = [&](const EngineConfig& config) {
    Engine engine(model_, &toy_tokenizer(), nullptr, config);
  };
  EXPECT_ERROR(make({.slots = 0}), "slots: expected 1 or more, got 0");
  EXPECT_ERROR(make({.prompt_rows = 0}), "prompt_rows: expected 1 or more, got 0");
  EXPECT_ERROR(make({.queue = 0}), "queue: expected 1 or more, got 0");
  EXPECT_ERROR(make({.slot_rows = -1}), "slot_rows: expected 0 (the context) or more, got -1");
  ModelConfig small = minillm_testing::toy_config();
  small.vocab_size = 200;
  const Model other(small);
  EXPECT_ERROR(Engine(other, &toy_tokenizer(), nullptr), "tokenizer: 300 pieces: expected at most");
  const Model judge = with_heads(model_, Heads::kScore);
  EXPECT_ERROR(Engine(judge, &toy_tokenizer(), nullptr), "model: is a reward model");
}

TEST_F(EngineTest, AnErrorEndsItsStreamOnly) {
  const auto broken = minillm_testing::random_adapter(model_.config());
  for (Real& w : broken->parameters()) w = std::numeric_limits<Real>::quiet_NaN();
  Engine engine(model_, &toy_tokenizer(), nullptr, {.slots = 3});
  Followed good, bad, scored;
  submit(engine, asking(random_tokens(5, 1), 9), good);
  EngineRequest failing = asking(random_tokens(5, 2), 9, "ann");
  failing.adapter = broken;
  submit(engine, failing, bad);
  failing.config.prompt_log_probs = true;
  submit(engine, failing, scored);
  run(engine);
  ASSERT_TRUE(bad.error && scored.error);
  EXPECT_THAT(*bad.error, testing::HasSubstr("sampler: logit of token 0 is"));
  EXPECT_THAT(*scored.error, testing::HasSubstr("prompt: log-probability of token 1 is"));
  EXPECT_EQ(engine.counters().failed, 2);
  failing.config.prompt_log_probs = false;
  Followed again;
  submit(engine, failing, again);
  run(engine);
  EXPECT_EQ(engine.counters().reused_tokens, 0) << "what failed is not kept";
  expect_same_answer(*good.result, alone(asking(random_tokens(5, 1), 9)));
}

TEST_F(EngineTest, ACallThatThrowsEndsItsRequestAndIsThrownByTheStep) {
  Engine engine(model_, &toy_tokenizer(), nullptr);
  Followed good;
  engine.submit(asking(random_tokens(5, 1), 9),
                {.on_token = [](const TokenEvent&) { throw std::runtime_error("no more"); },
                 .on_end = [](Generation&&) { ADD_FAILURE() << "a call after it threw"; }});
  submit(engine, asking(random_tokens(5, 1), 9), good);
  EXPECT_THROW(engine.step(), std::runtime_error);
  EXPECT_EQ(good.tokens.size(), 1u);
  EXPECT_EQ(engine.counters().running, 1);
  run(engine);
  expect_same_answer(*good.result, alone(asking(random_tokens(5, 1), 9)));
}

TEST_F(EngineTest, CallsMaySubmitAndCancel) {
  Engine engine(model_, &toy_tokenizer(), nullptr, {.slots = 1});
  Followed second;
  RequestId first = 0;
  first = engine.submit(asking(random_tokens(5, 1), 9),
                        {.on_token =
                             [&](const TokenEvent&) {
                               engine.cancel(first);
                               if (second.id == 0)
                                 submit(engine, asking(random_tokens(5, 3), 9), second);
                             },
                         .on_end =
                             [](Generation&& result) {
                               EXPECT_EQ(result.reason, StopReason::kInterrupted);
                               EXPECT_EQ(result.tokens.size(), 1u);
                             }});
  run(engine);
  EXPECT_EQ(second.tokens.size(), 9u);
}

TEST_F(EngineTest, TellsTheModelsLogProbabilitiesOfPromptAndTextAndTheirAlternatives) {
  Engine engine(model_, &toy_tokenizer(), nullptr, {.prompt_rows = 7});
  EngineRequest request = asking(random_tokens(23, 1), 9, "ann");
  request.config.sampling = {.temperature = 2, .top_k = 5, .repetition_penalty = 1.5};
  request.config.top_log_probs = 4;
  request.config.prompt_log_probs = true;
  Followed first, followed;
  submit(engine, request, first);
  run(engine);
  submit(engine, request, followed);  // again: what the cache has is fed, too
  run(engine);
  const Generation& result = *followed.result;
  EXPECT_EQ(result.cached_tokens, 0);
  expect_same_answer(result, *first.result);
  expect_told_alike(followed);

  TokenBatch batch;
  std::vector<Token> answer(request.prompt.begin() + 1, request.prompt.end());
  answer.insert(answer.end(), result.tokens.begin(), result.tokens.end());
  const std::span<const Token> one[] = {answer};
  append_answers(batch, std::span(request.prompt).first(1), one);
  Workspace workspace(model_.config(), batch.rows(), batch.target_count(),
                      Workspace::Mode::kInference);
  model_.forward(batch, workspace);
  const std::span<const Real> logp = model_.log_probs(batch, workspace);
  minillm_testing::expect_same_bits(result.prompt_log_probs, logp.first(22), "prompt");
  minillm_testing::expect_same_bits(result.log_probs, logp.subspan(22), "text");

  ASSERT_EQ(result.prompt_top.size(), 22u);
  ASSERT_EQ(result.top.size(), 9u);
  const auto check = [](const std::vector<ScoredToken>& top, Token said, Real log_prob) {
    ASSERT_EQ(top.size(), 4u);
    for (size_t k = 1; k < 4; ++k) EXPECT_GE(top[k - 1].log_prob, top[k].log_prob);
    const auto place = std::ranges::find(top, said, &ScoredToken::token);
    EXPECT_EQ(place != top.end() ? place->log_prob : log_prob, log_prob);
    if (place == top.end()) {
      EXPECT_LE(log_prob, top.back().log_prob);
    }
  };
  for (size_t i = 0; i < 22; ++i)
    check(result.prompt_top[i], request.prompt[i + 1], result.prompt_log_probs[i]);
  for (size_t i = 0; i < 9; ++i) check(result.top[i], result.tokens[i], result.log_probs[i]);
}

TEST_F(EngineTest, CountsWhatItDoes) {
  Engine engine(model_, &toy_tokenizer(), nullptr, {.slots = 4, .prompt_rows = 8});
  EXPECT_FALSE(engine.step());
  EXPECT_EQ(engine.counters().steps, 0);
  Followed a, b;
  submit(engine, asking(random_tokens(8, 1), 3), a);
  submit(engine, asking(random_tokens(12, 2), 2), b);
  EXPECT_EQ(run(engine), 4);  // rows: 4 + 4, 4 + 4, 1 + 4, 1 + 1
  const EngineCounters counters = engine.counters();
  EXPECT_EQ(counters.steps, 4);
  EXPECT_EQ(counters.prompt_tokens, 20);
  EXPECT_EQ(counters.generated_tokens, 5);
  EXPECT_EQ(counters.busy_slots, 8);
  EXPECT_EQ(counters.reused_tokens + counters.cancelled + counters.failed, 0);
  EXPECT_EQ(counters.running + counters.waiting, 0);
  EXPECT_GT(counters.prompt_seconds, 0);
  EXPECT_GT(counters.generation_seconds, 0);
}

TEST_F(EngineTest, ASlotThatIsFullEndsTheText) {
  Engine engine(model_, &toy_tokenizer(), nullptr, {.slot_rows = 12});
  Followed followed;
  submit(engine, asking(random_tokens(10, 1), 50), followed);
  run(engine);
  EXPECT_EQ(followed.result->reason, StopReason::kContextFull);
  EXPECT_EQ(followed.tokens.size(), 3u);
}

TEST_F(EngineTest, AModelsOwnAdapterIsUsedUnlessAnotherOrNoneIsAskedFor) {
  Model model = toy_model();
  const auto own =
      minillm_testing::random_adapter(minillm_testing::AdapterKind::kPrefix, model.config());
  const auto other = minillm_testing::random_adapter(model.config(), 2);
  const auto said = [](const Model& m, const std::shared_ptr<const Adapter>& adapter,
                       bool use_own) {
    Engine engine(m, &toy_tokenizer(), nullptr);
    EngineRequest request = asking(random_tokens(9, 1), 9);
    request.adapter = adapter;
    request.own_adapter = use_own;
    Followed followed;
    submit(engine, request, followed);
    run(engine);
    return followed.tokens;
  };
  const auto bare = said(model, nullptr, true), with_own = said(model, own, true),
             with_other = said(model, other, true);
  EXPECT_NE(bare, with_own);
  EXPECT_NE(with_own, with_other);
  model.adapt(own);
  EXPECT_EQ(said(model, nullptr, true), with_own);
  EXPECT_EQ(said(model, other, true), with_other);
  EXPECT_EQ(said(model, nullptr, false), bare);
}

}  // namespace
}  // namespace minillm
