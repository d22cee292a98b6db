// Epochs are passes over the data, whatever the number of micro-batches in a step.

#include <gtest/gtest.h>

#include "tests/stages/stages_fixture.h"

namespace minillm_testing {
namespace {

template <typename Config>
Config epochs(Config config, double epochs, Index accumulation_steps) {
  config.train.steps = 0;
  config.train.epochs = epochs;
  config.train.accumulation_steps = accumulation_steps;
  config.train.log_every = 1;
  return config;
}

TEST_F(Stages, OneEpochIsOneAlsoWhereAStepHasRoomForMore) {
  const auto run = [&](Index accumulation_steps) {
    const std::string out = "epoch-" + std::to_string(accumulation_steps);
    sft(epochs(small_sft(), 1, accumulation_steps), world_->options("sft.jsonl", "", out, "base"),
        {});
    return Checkpoint::open(world_->file(out)).state()->tokens;
  };
  const int64_t tokens = run(1);
  const auto batches = Checkpoint::open(world_->file("epoch-1")).state()->step;
  ASSERT_NE(batches % 8, 0);  // the last step is a short one
  EXPECT_EQ(run(8), tokens);
  EXPECT_EQ(metrics("epoch-8").back()["epoch"], 1);
  EXPECT_EQ(Checkpoint::open(world_->file("epoch-8")).state()->step, batches / 8 + 1);
  // One step for everything, twice: with room to spare, and without.
  EXPECT_EQ(run(1000), tokens);
  EXPECT_EQ(run(batches), tokens);
  EXPECT_EQ(weights("epoch-1000"), weights("epoch-" + std::to_string(batches)));
}

// The terms of its loss are means over the step: over all that it is made of, and no more.
TEST_F(Stages, DpoAveragesAShortLastStepOverWhatItIsMadeOf) {
  const auto run = [&](const std::string& out, double passes, Index accumulation_steps) {
    run_dpo(world_->options("preference.jsonl", "", out, "chat"), {},
            epochs(small_dpo(), passes, accumulation_steps));
    return Checkpoint::open(world_->file(out)).state()->step;
  };
  const Index batches = run("pairs-1", 1, 1);
  EXPECT_EQ(run("pairs-spare", 1, 1000), 1);
  EXPECT_EQ(run("pairs-exact", 1, batches), 1);
  EXPECT_EQ(weights("pairs-spare"), weights("pairs-exact"));
  EXPECT_EQ(metrics("pairs-spare").back()["loss"], metrics("pairs-exact").back()["loss"]);
}

TEST_F(Stages, AHalfEpochIsHalfOfTheBatches) {
  pretrain(epochs(small_pretrain(), 1, 1), world_->options("pretrain_eval.jsonl", "", "passes-1"),
           {});
  pretrain(epochs(small_pretrain(), 0.5, 64),
           world_->options("pretrain_eval.jsonl", "", "passes-half"), {});
  EXPECT_NEAR(metrics("passes-half").back()["epoch"].get<double>(), 0.5, 0.05);
  EXPECT_EQ(metrics("passes-1").back()["epoch"], 1);
}

}  // namespace
}  // namespace minillm_testing
