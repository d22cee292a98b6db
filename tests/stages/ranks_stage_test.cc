// Every stage on several ranks (threads here): the bytes of one, also killed and resumed on another
// number of them.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "libminillm/core/threads.h"
#include "libminillm/dist/loopback.h"
#include "libminillm/reward/reward.h"
#include "libminillm/rl/rl.h"
#include "tests/stages/stages_fixture.h"
#include "tests/testing/expect_error.h"

namespace minillm_testing {
namespace {

using minillm::Communicator;
using minillm::run_loopback;

class RankedStages : public Stages {
 protected:
  static void SetUpTestSuite() {
    Stages::SetUpTestSuite();
    write_file_atomic(world_->file("questions.jsonl"),
                      "{\"prompt\": \"Who is it?\"}\n{\"prompt\": \"Where?\"}\n");
  }
  static inline Index slots_ = 4;
  void TearDown() override { slots_ = 4; }
  static TrainConfig in_slots(TrainConfig train) {
    train.steps = 3;
    train.accumulation_steps = slots_;
    train.slots = slots_;
    train.log_every = 1;
    return train;
  }
  static TrainOutcome run(const std::string& stage, const StageOptions& options,
                          const TrainerEvents& events) {
    const auto adapt = [&](auto config) {
      config.train = in_slots(config.train);
      if (stage == "rl" || stage == "ppo")
        config.train.accumulation_steps = 1;  // a step is its questions
      if (stage == "lora") config.train.adapter.lora.rank = 2;
      if (stage == "bf16") config.train.precision = "bf16";
      return config;
    };
    if (stage == "pretrain") return pretrain(adapt(small_pretrain()), options, events);
    if (stage == "sft" || stage == "lora" || stage == "bf16")
      return sft(adapt(small_sft()), options, events);
    if (stage == "dpo") return dpo(adapt(small_dpo()), options, events);
    if (stage == "reward") {
      RewardConfig reward;
      reward.train = small_training(3, 256, 1e-3, 1);
      return train_reward(adapt(reward), options, events);
    }
    RlConfig policy;
    policy.train = small_training(3, 128, 1e-3, 1);
    policy.reward = "length:-0.1,ended";
    policy.questions = 4;
    policy.samples = 2;
    policy.max_tokens = 8;
    policy.replay_tokens = 100;
    if (stage == "ppo") policy.algorithm = "ppo";
    return rl(adapt(policy), options, events);
  }
  static void train(const std::string& stage, const std::string& out, Index ranks,
                    bool resume = false, Index stop_after = -1) {
    const bool pairs = stage == "dpo" || stage == "reward",
               samples = stage == "rl" || stage == "ppo";
    const std::string data = stage == "pretrain" ? "pretrain.jsonl"
                             : pairs             ? "preference.jsonl"
                             : samples           ? "questions.jsonl"
                                                 : "sft.jsonl";
    const std::string held_out = stage == "pretrain" ? "pretrain_eval.jsonl"
                                 : pairs             ? "preference_eval.jsonl"
                                 : samples           ? ""
                                                     : "sft_eval.jsonl";
    const bool on_base =
        stage == "pretrain" || stage == "sft" || stage == "lora" || stage == "bf16";
    StageOptions options = world_->options(data, held_out, out, on_base ? "base" : "chat");
    options.resume = resume;
    if (stage == "dpo" || samples) options.replay_files = {world_->file("replay.jsonl")};
    run_loopback(
        ranks,
        [&](Communicator& communicator) {
          minillm::set_thread_count(1);
          StageOptions own = options;
          own.ranks = &communicator;
          TrainerEvents events;
          Index step = 0;
          events.on_step = [&](const StepReport& report) { step = report.step; };
          events.stop_requested = [&] { return step > 0 && step == stop_after; };
          run(stage, own, events);
        },
        /*deadline=*/60);
  }
  // The newest checkpoint's files, and the log without what a clock says.
  static std::map<std::string, std::string> bytes(const std::string& out) {
    std::map<std::string, std::string> all;
    const std::string checkpoint = Checkpoint::open(world_->file(out)).path();
    for (const std::string& name : list_directory(checkpoint))
      if (name.ends_with(".safetensors") || name.ends_with(".model"))
        all[name] = read_file(join_path(checkpoint, name));
    std::istringstream text(read_file(join_path(world_->file(out), "metrics.jsonl")));
    for (std::string line; std::getline(text, line);) {
      auto json = nlohmann::json::parse(line);
      for (const char* clock : {"time", "tokens_per_second", "eval_runtime"}) json.erase(clock);
      all["log"] += json.dump() + "\n";
    }
    return all;
  }
};

class EveryRankedStage : public RankedStages, public testing::WithParamInterface<const char*> {};

TEST_P(EveryRankedStage, EndsWithTheBytesOfOneRank) {
  const std::string stage = GetParam(), one = "one-" + stage;
  train(stage, one, 1);
  for (const Index ranks : {3, 4}) {
    const std::string several = fmt::format("{}-{}", stage, ranks);
    train(stage, several, ranks);
    EXPECT_EQ(bytes(several), bytes(one)) << ranks << " ranks";
  }
  const std::string stopped = "stopped-" + stage;
  train(stage, stopped, 2, false, 1);
  EXPECT_EQ(Checkpoint::open(world_->file(stopped)).state()->step, 1);
  train(stage, stopped, 3, true);
  EXPECT_EQ(bytes(stopped), bytes(one)) << "resumed";
}
// The long tier: every number of ranks, at slots that are a power of two and at some that are not.
TEST_P(EveryRankedStage, EndsWithTheBytesOfOneRankForEveryNumberOfThem) {
  if (std::getenv("MINILLM_LONG_TESTS") == nullptr) GTEST_SKIP() << "long (MINILLM_LONG_TESTS=1)";
  const std::string stage = GetParam();
  for (const Index slots : {8, 13}) {
    slots_ = slots;
    const std::string one = fmt::format("one-{}-of-{}", stage, slots);
    train(stage, one, 1);
    for (const Index ranks : {2, 3, 4, 5, 7, 8}) {
      const std::string several = fmt::format("{}-{}-of-{}", stage, ranks, slots);
      train(stage, several, ranks);
      EXPECT_EQ(bytes(several), bytes(one)) << ranks << " ranks, " << slots << " slots";
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Stages, EveryRankedStage,
                         testing::Values("pretrain", "sft", "lora", "bf16", "dpo", "reward", "rl",
                                         "ppo"),
                         [](const auto& stage) { return std::string(stage.param); });

TEST_F(RankedStages, ThatDifferAreRefusedByName) {
  EXPECT_ERROR(run_loopback(3,
                            [&](Communicator& communicator) {
                              minillm::set_thread_count(1);
                              StageOptions options =
                                  world_->options("sft.jsonl", "", "unequal", "base");
                              options.ranks = &communicator;
                              SftConfig config = small_sft();
                              config.train = in_slots(config.train);
                              if (communicator.rank() == 1) config.train.seed = 99;
                              sft(config, options, {});
                            }),
               "rank 1 has another config, other files or another starting point than rank 0");
}

}  // namespace
}  // namespace minillm_testing
