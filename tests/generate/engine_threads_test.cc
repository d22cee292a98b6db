// The engine and threads: others submit, cancel and look at its counters while it works.

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <thread>

#include "libminillm/core/rng.h"
#include "tests/generate/engine_user.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::Followed;
using minillm_testing::random_tokens;
using minillm_testing::toy_model;
using minillm_testing::toy_tokenizer;

EngineRequest drawn_request(Rng& rng) {
  EngineRequest request{.prompt = random_tokens(1 + rng.below(20), rng.below(3)),
                        .owner = rng.chance(0.5) ? "ann" : "bob"};
  request.config.sampling.temperature = rng.chance(0.5) ? 1 : 0;
  request.config.seed = rng.below(2);
  request.config.max_tokens = 1 + static_cast<int64_t>(rng.below(12));
  request.config.log_probs = true;
  return request;
}

TEST(EngineThreads, OthersSubmitCancelAndCountWhileItWorks) {
  const Model model = toy_model();
  Engine engine(model, &toy_tokenizer(), nullptr, {.slots = 3, .prompt_rows = 8, .queue = 1000});
  struct User {
    std::deque<EngineRequest> requests;
    std::deque<Followed> followed;
  };
  constexpr int kRequests = 20;
  User users[2];
  std::atomic<int> left = 2;
  const auto use = [&](int number) {
    Rng rng(7, static_cast<uint64_t>(number));
    User& user = users[number];
    for (int i = 0; i < kRequests; ++i) {
      user.requests.push_back(drawn_request(rng));
      submit(engine, user.requests.back(), user.followed.emplace_back());
      const EngineCounters counters = engine.counters();
      EXPECT_LE(counters.running, 3);
      if (rng.chance(0.3)) engine.cancel(user.followed[rng.below(user.followed.size())].id);
      if (rng.chance(0.5)) std::this_thread::yield();
    }
    --left;
  };
  std::thread first(use, 0), second(use, 1);
  while (engine.step() || left > 0) continue;
  first.join();
  second.join();
  while (engine.step()) continue;

  EXPECT_EQ(engine.counters().requests, 2 * kRequests);
  for (const User& user : users) {
    for (size_t i = 0; i < user.requests.size(); ++i) {
      expect_told_alike(user.followed[i]);
      const Generation& result = *user.followed[i].result;
      if (result.reason == StopReason::kInterrupted) continue;
      Engine alone(model, &toy_tokenizer(), nullptr, {.slots = 1, .reuse_prefixes = false});
      Followed expected;
      submit(alone, user.requests[i], expected);
      minillm_testing::run(alone);
      minillm_testing::expect_same_answer(result, *expected.result);
    }
  }
}

// Two engines on one model share its packed weights, each in a thread of its own.
TEST(EngineThreads, TwoEnginesShareAModelAndItsPackedWeights) {
  const Model model = toy_model();
  const auto packed =
      std::make_shared<PackedWeights>(model.config(), model.weights(), Precision::kFloat);
  const auto say = [&](Followed& followed) {
    Engine engine(model, &toy_tokenizer(), packed);
    Rng rng(3);
    submit(engine, drawn_request(rng), followed);
    minillm_testing::run(engine);
  };
  Followed one, other;
  std::thread thread([&] { say(one); });
  say(other);
  thread.join();
  minillm_testing::expect_same_answer(*one.result, *other.result);
}

}  // namespace
}  // namespace minillm
