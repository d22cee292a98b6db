// Several ranks (threads here) train as one: the bytes of checkpoints and of the log do not depend
// on their number, also where it changes from one resume to the next.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>

#include "libminillm/dist/loopback.h"
#include "tests/testing/expect_error.h"
#include "tests/train/test_run.h"

namespace minillm_testing {
namespace {

using minillm::Communicator;
using minillm::join_path;
using minillm::read_file;
using minillm::run_loopback;
using testing::Contains;
using testing::HasSubstr;

TrainConfig config_of(int64_t slots) {
  TrainConfig config = ten_steps();
  config.steps = 7;
  config.save_every = 3;
  config.accumulation_steps = 16;
  config.slots = slots;
  return config;
}

// A directory that ranks train into, one after another.
struct RankedRun {
  TempDir dir;
  std::string path = dir.file("run");
  std::vector<std::string> messages;                                     // of the first rank
  std::function<void(CopyTask&, Index)> plan = [](CopyTask&, Index) {};  // faults, by rank
  Index stop_after = -1, stopped_rank = 0;                               // as Ctrl-C on one rank
  std::vector<TrainOutcome> outcomes;                                    // by rank

  void train(Index ranks, const TrainConfig& config, bool resume = false, Index micro_batches = 0) {
    outcomes.assign(static_cast<size_t>(ranks), TrainOutcome::kDryRun);
    run_loopback(
        ranks,
        [&](Communicator& communicator) {
          omp_set_num_threads(1);
          const Index rank = communicator.rank();
          CopyTask task;
          task.accumulation = config.accumulation_steps;
          plan(task, rank);
          std::optional<RunDirectory> directory;
          if (rank == 0) directory.emplace(path);
          TrainingTask stage = task.stage();
          stage.micro_batches = micro_batches;
          Trainer trainer(config, config.steps, stage, directory ? &*directory : nullptr,
                          &communicator);
          if (resume) trainer.resume();
          TrainerEvents events;
          Index step = 0;
          events.on_step = [&](const StepReport& report) { step = report.step; };
          events.stop_requested = [&] { return rank == stopped_rank && step == stop_after; };
          if (rank == 0)
            events.on_message = [&](const std::string& text) { messages.push_back(text); };
          outcomes[static_cast<size_t>(rank)] = trainer.run(events);
        },
        /*deadline=*/20);
  }

  // All of the newest checkpoint, and the log without what a clock says.
  std::map<std::string, std::string> bytes() const {
    std::map<std::string, std::string> all;
    const RunDirectory run(path);
    const std::string checkpoint = Checkpoint::open(path).path();
    for (const char* name : {"model.safetensors", "optimizer.safetensors", "config.json"})
      all[name] = read_file(join_path(checkpoint, name));
    auto state = nlohmann::json::parse(read_file(join_path(checkpoint, "trainer_state.json")));
    state["minillm"].erase("metrics_offset");  // counts the digits of the times
    all["state"] = state["minillm"].dump();
    for (nlohmann::json line : read_metrics(run)) {
      for (const char* clock : {"time", "tokens_per_second", "eval_runtime"}) line.erase(clock);
      all["log"] += line.dump() + "\n";
    }
    return all;
  }
};

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
