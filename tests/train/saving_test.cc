// When a run saves and when it ends, besides at its last step.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "libminillm/core/check.h"
#include "libminillm/core/file_calls.h"
#include "libminillm/train/trainer.h"
#include "tests/testing/expect_error.h"
#include "tests/train/test_run.h"

namespace minillm {
namespace {

using minillm_testing::copy;
using minillm_testing::CopyTask;
using minillm_testing::ten_steps;
using minillm_testing::TestRun;
using ::testing::HasSubstr;

TEST(Trainer, PatienceEndsARunThatNoLongerImproves) {
  CopyTask task;
  TrainingTask stage = task.stage();
  double loss = 3;
  stage.evaluate = [&] {  // better twice, then never again
    loss += loss > 1.5 ? -1 : 0.5;
    return Metrics{{"eval_loss", loss}};
  };
  TrainConfig config = ten_steps();
  config.steps = 100;
  config.eval_every = 1;
  config.patience = 3;
  TestRun run;
  EXPECT_EQ(run.train(task, config, stage), TrainOutcome::kFinished);
  const TrainerState state = *Checkpoint::open(run.directory.path()).state();
  EXPECT_EQ(state.step, state.best_step + 3);
  EXPECT_LT(state.step, 100);
  EXPECT_EQ(state.stale_evaluations, 3);
  EXPECT_THAT(run.messages.back(), HasSubstr("3 evaluations without a better eval_loss"));
  // Continued, it is still out of patience; with more, it goes on.
  EXPECT_EQ(run.train(task, config, stage, true), TrainOutcome::kFinished);
  EXPECT_EQ(Checkpoint::open(run.directory.path()).state()->step, state.step);
  config.patience = 5;
  run.train(task, config, stage, true);
  EXPECT_EQ(Checkpoint::open(run.directory.path()).state()->step, state.step + 2);
}

TEST(Trainer, SavesByTheClockUnlessSpikesRollBack) {
  TrainConfig config = ten_steps();
  config.save_every = config.eval_every = 0;
  config.save_minutes = 1e-9;
  CopyTask task;
  TestRun run;
  run.train(task, config);
  const auto saves = [](const TestRun& r) {
    return std::ranges::count_if(r.messages, [](const auto& m) { return m.starts_with("saved"); });
  };
  EXPECT_EQ(saves(run), 10);
  CopyTask other;
  TestRun without;
  config.save_minutes = 0;
  without.train(other, config);
  EXPECT_EQ(saves(without), 1);
  EXPECT_EQ(copy(task.model.parameters()), copy(other.model.parameters()));
  CopyTask third;
  TestRun guarded;
  config.save_minutes = 1e-9;
  config.spike_guard.action = "rollback";
  guarded.train(third, config);
  EXPECT_EQ(saves(guarded), 1);
}

TEST(Trainer, ALogThatCannotBeWrittenEndsNothing) {
  TrainConfig config = ten_steps();
  config.log_every = 1;
  config.save_every = config.eval_every = 0;
  CopyTask task;
  TestRun run;
  int writes = 0;
  set_file_hook([&](const FileCall& call) {
    const bool log = call.operation == FileOperation::kWrite && call.path.ends_with("jsonl");
    const bool full = log && ++writes > 2 && writes < 8;
    return FileVerdict{.error = full ? ENOSPC : 0, .most_bytes = log ? 50u : size_t(-1)};
  });
  EXPECT_EQ(run.train(task, config), TrainOutcome::kFinished);
  set_file_hook({});
  EXPECT_EQ(std::ranges::count_if(run.messages,
                                  [](const auto& m) {
                                    return m.find("No space left") != std::string::npos &&
                                           m.find("training goes on") != std::string::npos;
                                  }),
            1);
  const std::string log = read_file(run.directory.metrics_path());
  for (int step = 1; step <= 10; ++step)
    EXPECT_THAT(log, HasSubstr(fmt::format("{{\"step\":{},", step)));
  EXPECT_EQ(std::ranges::count(log, '\n'), 12);  // and two evaluations
}

TEST(Trainer, ASampleThatFailsIsToldAndAnEvaluationThatFailsTakesNoStepWithIt) {
  CopyTask task;
  TrainingTask stage = task.stage();
  stage.sample = []() -> std::vector<Sample> { throw Error("no such prompt"); };
  int evaluations = 0;
  stage.evaluate = [&]() -> Metrics {
    if (++evaluations == 3) throw Error("the held-out file is gone");
    return {{"eval_loss", 1}};
  };
  TrainConfig config = ten_steps();
  config.sample_every = 1;
  config.eval_every = 3;
  config.save_every = 0;
  TestRun run;
  EXPECT_ERROR(run.train(task, config, stage), "the held-out file is gone");
  EXPECT_THAT(run.messages, testing::Contains(HasSubstr("warning: no sample at step 1: no such")));
  EXPECT_EQ(Checkpoint::open(run.directory.path()).state()->step, 6);
}

}  // namespace
}  // namespace minillm
