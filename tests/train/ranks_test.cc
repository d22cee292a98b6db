// Several ranks (threads here) train as one: the bytes of checkpoints and of the log do not depend
// on their number, also where it changes from one resume to the next.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/expect_error.h"
#include "tests/train/ranked_run.h"

namespace minillm_testing {
namespace {

using testing::Contains;
using testing::HasSubstr;

TEST(Ranks, AnyNumberOfThemEndsWithTheBytesOfOne) {
  for (const int64_t slots : {8, 13}) {
    RankedRun one;
    one.train(1, config_of(slots));
    for (const Index ranks : {2, 3, 4, 5, 7, 8}) {
      RankedRun several;
      several.train(ranks, config_of(slots));
      EXPECT_EQ(several.bytes(), one.bytes()) << ranks << " ranks, " << slots << " slots";
    }
  }
}

// Gradients and parameters travel while the passes go on, and the bits are the same.
TEST(Ranks, ExchangeBesideTheirPasses) {
  for (const auto precision : {minillm::Precision::kFloat, minillm::Precision::kBfloat16}) {
    RankedRun one;
    one.plan = [&](CopyTask& task, Index) { task.model.set_precision(precision); };
    one.train(1, config_of(8));
    for (const Index ranks : {2, 3, 5, 8}) {
      RankedRun several;
      several.plan = one.plan;
      several.one_backward = true;
      several.train(ranks, config_of(8));
      EXPECT_EQ(several.bytes(), one.bytes()) << ranks << " ranks";
    }
  }
}

// A matrix's owner moves it, and so the division among ranks is another than AdamW's.
TEST(Ranks, HaveTheBitsOfOneWithMuon) {
  TrainConfig config = config_of(8);
  config.optimizer = "muon";
  config.adamw.embedding_rate = 2;
  RankedRun one;
  one.train(1, config);
  for (const bool one_backward : {false, true})
    for (const Index ranks : {2, 3, 4, 8}) {
      RankedRun several;
      several.one_backward = one_backward;
      several.train(ranks, config);
      EXPECT_EQ(several.bytes(), one.bytes()) << ranks << " ranks";
    }
  RankedRun killed;
  killed.plan = [](CopyTask& task, Index rank) { task.crash_step = rank == 2 ? 4 : -1; };
  EXPECT_THROW(killed.train(3, config), std::runtime_error);
  killed.plan = [](CopyTask&, Index) {};
  killed.train(4, config, /*resume=*/true);
  EXPECT_EQ(killed.bytes(), one.bytes());
}

// Bad memory, or another build on one machine: found before anything is saved.
TEST(Ranks, ThatHaveDriftedApartAreNotSaved) {
  RankedRun run;
  run.after_step = [](CopyTask& task, Index rank, Index step) {
    if (rank == 2 && step == 3) task.model.parameters()[7] += Real{0.25};
  };
  EXPECT_ERROR(run.train(3, config_of(8)), "rank 2 has other weights than rank 0");
  EXPECT_THROW(Checkpoint::open(run.path), minillm::Error);
}

// Without a communicator at all, and in one slot: the log of the stage's sums, too.
TEST(Ranks, OneIsNone) {
  RankedRun one;
  one.train(1, config_of(8));
  CopyTask task;
  TestRun alone;
  alone.train(task, config_of(8));
  const auto line = read_metrics(alone.directory).back();
  EXPECT_EQ(read_metrics(RunDirectory(one.path)).back()["eval_loss"], line["eval_loss"]);
  for (const char* name : {"model.safetensors", "optimizer.safetensors"})
    EXPECT_EQ(read_file(join_path(Checkpoint::open(alone.directory.path()).path(), name)),
              one.bytes()[name]);
}

TEST(Ranks, AKilledRunGoesOnWithAnotherNumber) {
  RankedRun whole;
  whole.train(1, config_of(8));
  RankedRun killed;
  killed.plan = [](CopyTask& task, Index rank) { task.crash_step = rank == 2 ? 4 : -1; };
  EXPECT_THROW(killed.train(3, config_of(8)), std::runtime_error);
  killed.plan = [](CopyTask& task, Index rank) { task.crash_step = rank == 0 ? 6 : -1; };
  EXPECT_THROW(killed.train(5, config_of(8), /*resume=*/true), std::runtime_error);
  killed.plan = [](CopyTask&, Index) {};
  killed.train(7, config_of(8), /*resume=*/true);
  EXPECT_EQ(killed.bytes(), whole.bytes());
}

TEST(Ranks, WhatOneIsAskedAllDo) {
  RankedRun whole, stopped;
  whole.train(2, config_of(8));
  stopped.stop_after = 4, stopped.stopped_rank = 3;
  stopped.train(4, config_of(8));
  EXPECT_THAT(stopped.outcomes, testing::Each(TrainOutcome::kInterrupted));
  EXPECT_EQ(Checkpoint::open(stopped.path).state()->step, 4);
  stopped.stop_after = -1;
  stopped.train(3, config_of(8), /*resume=*/true);
  EXPECT_THAT(stopped.outcomes, testing::Each(TrainOutcome::kFinished));
  EXPECT_EQ(stopped.bytes(), whole.bytes());
}

// A NaN in one rank's gradient, or in its loss, is everybody's.
TEST(Ranks, AllSkipWhatIsNotFiniteOnOne) {
  for (const bool in_loss : {false, true}) {
    RankedRun one, several;
    const auto damage = [&](Index damaged) {
      return [=](CopyTask& task, Index rank) {
        if (rank == damaged) (in_loss ? task.nan_loss_steps : task.nan_gradient_steps) = {2};
      };
    };
    one.plan = damage(0);
    one.train(1, config_of(8));
    several.plan = damage(3);
    several.train(4, config_of(8));
    EXPECT_EQ(several.bytes()["model.safetensors"], one.bytes()["model.safetensors"]);
    EXPECT_THAT(several.messages, Contains(HasSubstr("step 3 skipped")));
    EXPECT_THAT(several.messages,
                Contains(HasSubstr(in_loss ? "loss nan" : "layers.1.mlp.up_proj")));
  }
}

// The last step has fewer micro-batches than slots: some ranks have none.
TEST(Ranks, AStepMayHaveFewerMicroBatchesThanSlots) {
  RankedRun one, several;
  one.train(1, config_of(16), false, 6 * 16 + 3);
  several.train(5, config_of(16), false, 6 * 16 + 3);
  EXPECT_EQ(several.bytes(), one.bytes());
}

TEST(Ranks, GoBackTogetherAfterALossSpike) {
  TrainConfig config = config_of(8);
  config.spike_guard.action = "rollback";
  config.spike_guard.threshold = 4;
  config.spike_guard.window = 3;
  config.schedule.learning_rate = 1e-4;  // so that the loss hardly moves by itself
  RankedRun one, several;
  one.plan = several.plan = [](CopyTask& task, Index) {
    task.batch_of = [](Index step, Index micro) {  // all alike, and then a long gradient
      return copy_task_batch(4, static_cast<uint64_t>(step == 4 ? 7 : micro));
    };
  };
  one.train(1, config);
  several.train(3, config);
  EXPECT_EQ(several.bytes(), one.bytes());
  EXPECT_THAT(several.messages, Contains(HasSubstr("rollback 1")));
}

TEST(Ranks, WantASlotEach) {
  RankedRun run;
  EXPECT_ERROR(run.train(5, config_of(4)),
               "ranks: 5 of them: expected at most train.slots = 4, as each has slots of its own");
}

}  // namespace
}  // namespace minillm_testing
