// The engine's promise: an answer has the same bits whoever shares the batch, streamed or not, with
// or without reuse, for any slots, portions, threads and weights. Random schedules against each
// request alone.

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>

#include "libminillm/core/rng.h"
#include "tests/generate/engine_user.h"
#include "tests/testing/tiny_model.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::Followed;
using minillm_testing::ThreadCount;
using minillm_testing::toy_model;
using minillm_testing::toy_tokenizer;

Index between(Rng& rng, Index low, Index high) {
  return low + static_cast<Index>(rng.below(static_cast<uint64_t>(high - low + 1)));
}

constexpr size_t kLongest = 45;  // prompt: with virtual tokens it fits into every slot
constexpr int kArrivals = 30;    // steps in which requests come

struct Scheduled {
  EngineRequest request;
  int arrives = 0;       // at this step
  bool goes_on = false;  // from what another has asked and heard, if any has by then
  int cancelled = -1;    // at this step; -1: never
  Followed followed;
};

class Promise {
 public:
  Promise() {
    for (const auto kind : minillm_testing::kAdapterKinds) {
      adapters_.push_back(minillm_testing::random_adapter(kind, model_.config()));
      for (Real& w : adapters_.back()->parameters()) w *= 4;
    }
    const Weights& weights = model_.weights();
    for (const Precision precision : {Precision::kFloat, Precision::kBfloat16, Precision::kInt8})
      packed_.push_back(std::make_shared<PackedWeights>(model_.config(), weights, precision));
  }

  // One random schedule, and every request of it alone.
  void check(uint64_t seed) {
    Rng rng(seed, 4);
    const auto packed = packed_[rng.below(3)];
    const EngineConfig config{.slots = between(rng, 1, 8),
                              .prompt_rows = between(rng, 1, 64),
                              .slot_rows = rng.chance(0.3) ? between(rng, 48, 64) : 0,
                              .reuse_prefixes = rng.chance(0.8)};
    std::vector<std::unique_ptr<Scheduled>> schedule;
    for (Index i = between(rng, 2, 12); i > 0; --i) schedule.push_back(draw(rng));
    {
      const ThreadCount threads(static_cast<int>(between(rng, 1, 3)));
      Engine engine(model_, &toy_tokenizer(), packed, config);
      for (int step = 0; step < kArrivals || !all_ended(schedule); ++step) {
        for (const auto& s : schedule) {
          if (s->arrives == step) {
            if (s->goes_on) go_on(*s, schedule);
            minillm_testing::submit(engine, s->request, s->followed);
          }
          if (s->cancelled == step) engine.cancel(s->followed.id);
        }
        engine.step();
        ASSERT_LT(step, 5000);
      }
      const EngineCounters counters = engine.counters();
      EXPECT_EQ(counters.running + counters.waiting, 0);
      EXPECT_EQ(counters.requests, std::ssize(schedule));
      reused_ += counters.reused_tokens;
    }
    const ThreadCount threads(1);
    for (const auto& s : schedule) compare_to_alone(*s, packed, config.slot_rows);
  }
  int64_t reused() const { return reused_; }
  int64_t interrupted() const { return interrupted_; }

 private:
  std::unique_ptr<Scheduled> draw(Rng& rng) const {
    auto result = std::make_unique<Scheduled>();
    EngineRequest& request = result->request;
    // Few beginnings: prompts are equal, or begin alike, or are each other's beginning.
    request.prompt =
        minillm_testing::random_tokens(static_cast<size_t>(between(rng, 1, 40)), rng.below(5) / 4);
    const std::vector<Token> end =
        minillm_testing::random_tokens(static_cast<size_t>(between(rng, 1, 4)), 10 + rng.below(3));
    if (rng.chance(0.5)) request.prompt.insert(request.prompt.end(), end.begin() + 1, end.end());
    if (rng.chance(0.4)) request.prompt = minillm_testing::random_tokens(21, 7);
    request.owner = rng.chance(0.85) ? (rng.chance(0.75) ? "ann" : "bob") : "";
    if (rng.chance(0.25)) request.adapter = adapters_[rng.below(adapters_.size())];
    GenerationConfig& config = request.config;
    config.sampling.temperature = static_cast<double>(rng.below(3)) * 0.7;
    if (rng.chance(0.3)) config.sampling.top_p = 0.9;
    if (rng.chance(0.3)) config.sampling.top_k = 20;
    if (rng.chance(0.3)) config.sampling.repetition_penalty = 1.3;
    if (rng.chance(0.2))
      config.sampling.logit_bias = {{static_cast<Token>(6 + rng.below(200)), 5.0}};
    config.max_tokens = between(rng, 1, 25);
    config.seed = rng.below(3);
    config.stream = rng.below(3);
    config.log_probs = rng.chance(0.8);
    config.top_log_probs = rng.chance(0.3) ? between(rng, 1, 5) : 0;
    config.prompt_log_probs = rng.chance(0.2);
    if (rng.chance(0.3)) config.stop = {"e", "the lane"};
    result->arrives = static_cast<int>(rng.below(kArrivals));
    result->goes_on = rng.chance(0.4);
    if (rng.chance(0.25)) result->cancelled = result->arrives + static_cast<int>(rng.below(10));
    return result;
  }

  static void go_on(Scheduled& s, const std::vector<std::unique_ptr<Scheduled>>& schedule) {
    for (const auto& other : schedule) {
      if (!other->followed.result || other->request.owner != s.request.owner) continue;
      std::vector<Token> prompt = other->request.prompt;
      prompt.insert(prompt.end(), other->followed.tokens.begin(), other->followed.tokens.end());
      prompt.insert(prompt.end(), {7, 9, 8});
      if (prompt.size() > kLongest) continue;
      s.request.prompt = std::move(prompt);
      s.request.adapter = other->request.adapter;
      return;
    }
  }

  static bool all_ended(const std::vector<std::unique_ptr<Scheduled>>& schedule) {
    return std::ranges::all_of(schedule, [](const auto& s) { return s->followed.ended(); });
  }

  void compare_to_alone(const Scheduled& s, std::shared_ptr<const PackedWeights> packed,
                        Index slot_rows) {
    Engine engine(model_, &toy_tokenizer(), packed,
                  {.slots = 1, .slot_rows = slot_rows, .reuse_prefixes = false});
    Followed alone;
    minillm_testing::submit(engine, s.request, alone);
    minillm_testing::run(engine);
    ASSERT_TRUE(alone.result);
    ASSERT_TRUE(s.followed.result) << s.followed.error.value_or("no end");
    expect_told_alike(s.followed);
    const Generation& result = *s.followed.result;
    if (result.reason == StopReason::kInterrupted) {
      ++interrupted_;
      ASSERT_LE(result.tokens.size(), alone.tokens.size());
      ASSERT_LE(result.log_probs.size(), alone.log_probs.size());
      alone.tokens.resize(result.tokens.size());
      alone.log_probs.resize(result.log_probs.size());
      EXPECT_EQ(result.tokens, alone.tokens);
      minillm_testing::expect_same_bits(result.log_probs, alone.log_probs,
                                        "log p before the cancel");
    } else {
      minillm_testing::expect_same_answer(result, *alone.result);
    }
    EXPECT_LE(result.cached_tokens, std::ssize(s.request.prompt));
    if (s.request.owner.empty() || s.request.config.prompt_log_probs) {
      EXPECT_EQ(result.cached_tokens, 0);
    }
  }

  Model model_ = toy_model();
  std::vector<std::shared_ptr<Adapter>> adapters_;
  std::vector<std::shared_ptr<const PackedWeights>> packed_;  // by precision
  int64_t reused_ = 0, interrupted_ = 0;
};

TEST(EnginePromise, AnAnswerHasTheSameBitsWhoeverSharesTheBatch) {
  Promise promise;
  const uint64_t schedules = std::getenv("MINILLM_LONG_TESTS") != nullptr ? 10000 : 400;
  for (uint64_t seed = 1; seed <= schedules; ++seed) {
    promise.check(seed);
    ASSERT_FALSE(testing::Test::HasFailure()) << "schedule " << seed;
  }
  EXPECT_GT(promise.reused(), 5000);
  EXPECT_GT(promise.interrupted(), 50);
}

}  // namespace
}  // namespace minillm
