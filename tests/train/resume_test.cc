// A run that was stopped or killed, and continued by another process, equals an uninterrupted one.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libminillm/core/file.h"
#include "libminillm/train/trainer.h"
#include "tests/testing/expect_error.h"
#include "tests/train/test_run.h"

namespace minillm {
namespace {

using minillm_testing::CopyTask;
using minillm_testing::load_moments;
using minillm_testing::read_metrics;
using minillm_testing::ten_steps;
using minillm_testing::TestRun;
using ::testing::Contains;
using ::testing::HasSubstr;

std::vector<nlohmann::json> metrics_without_times(const RunDirectory& run) {
  std::vector<nlohmann::json> lines = read_metrics(run);
  for (auto& line : lines) {
    for (const char* key : {"time", "tokens_per_second", "eval_runtime"}) line.erase(key);
  }
  return lines;
}

void expect_same_outcome(const TestRun& run, const TestRun& expected, Index last_step) {
  const std::string weights = "/model.safetensors";
  EXPECT_EQ(read_file(run.directory.checkpoint_path(last_step) + weights),
            read_file(expected.directory.checkpoint_path(last_step) + weights));
  const TensorTable table = make_tensor_table(minillm_testing::copy_task_config());
  EXPECT_EQ(load_moments(run.directory, last_step, table),
            load_moments(expected.directory, last_step, table));
  EXPECT_EQ(metrics_without_times(run.directory), metrics_without_times(expected.directory));
  TrainerState state = *Checkpoint::open(run.directory.path()).state();
  const TrainerState expected_state = *Checkpoint::open(expected.directory.path()).state();
  state.metrics_offset = expected_state.metrics_offset;  // times have different numbers of digits
  EXPECT_EQ(state, expected_state);
}

TEST(Resume, ContinuesByteForByteFromEveryStep) {
  TestRun whole;
  CopyTask task;
  whole.train(task, ten_steps());
  for (Index stop = 1; stop < 10; ++stop) {
    SCOPED_TRACE(stop);
    TestRun run;
    CopyTask first, second;
    run.stop_after = stop;
    EXPECT_EQ(run.train(first, ten_steps()), TrainOutcome::kInterrupted);
    EXPECT_EQ(run.reports.size(), static_cast<size_t>(stop));
    run.threads = stop == 5 ? 2 : 1;  // another number may be used
    EXPECT_EQ(run.train(second, ten_steps(), true), TrainOutcome::kFinished);
    EXPECT_THAT(run.messages, Contains(HasSubstr("' at step " + std::to_string(stop) + " of 10")));
    expect_same_outcome(run, whole, 10);
  }
}

TEST(Resume, ContinuesByteForByteWithSkippedStepsBeforeAndAfter) {
  const auto faulty = [](CopyTask& task) { task.nan_gradient_steps = {2, 6}; };
  TrainConfig config = ten_steps();
  config.log_every = 4;  // the interval is cut by the save after step 5
  TestRun whole, run;
  CopyTask task, first, second;
  faulty(task);
  faulty(first);
  faulty(second);
  whole.train(task, config);
  run.stop_after = 5;
  run.train(first, config);
  run.train(second, config, true);
  expect_same_outcome(run, whole, 10);
}

// With Muon's momentum, too; any number of threads may be used.
TEST(Resume, ContinuesByteForByteWithMuon) {
  TrainConfig config = ten_steps();
  config.optimizer = "muon";
  config.adamw.embedding_rate = 2;
  TestRun whole;
  CopyTask task;
  whole.threads = 2;
  whole.train(task, config);
  const auto bytes = [](const TestRun& run, const char* name) {
    return read_file(run.directory.checkpoint_path(10) + "/" + name);
  };
  for (const Index stop : {1, 5, 8}) {
    TestRun run;
    CopyTask first, second;
    run.stop_after = stop;
    EXPECT_EQ(run.train(first, config), TrainOutcome::kInterrupted);
    EXPECT_EQ(run.train(second, config, true), TrainOutcome::kFinished);
    for (const char* name : {"model.safetensors", "optimizer.safetensors"})
      EXPECT_EQ(bytes(run, name), bytes(whole, name)) << name << " from step " << stop;
    EXPECT_EQ(metrics_without_times(run.directory), metrics_without_times(whole.directory));
  }
  EXPECT_LT(bytes(whole, "optimizer.safetensors").size(),
            2 * bytes(whole, "model.safetensors").size());
}

// Where provenance does not tell, what is missing in the file does.
TEST(Resume, RefusesAnotherOptimizersState) {
  TestRun run;
  CopyTask first, second;
  run.stop_after = 3;
  run.train(first, ten_steps());
  TrainConfig config = ten_steps();
  config.optimizer = "muon";
  EXPECT_ERROR(run.train(second, config, true), "momentum.model.layers.0.self_attn.q_proj.weight");
}

// A checkpoint of whole steps knows nothing of the short one to come: so did those of 0.1.0.
TEST(Resume, ContinuesByteForByteToAShortLastStep) {
  TrainConfig config = ten_steps();
  config.accumulation_steps = 3;
  const auto stage_of = [](CopyTask& task) {
    TrainingTask stage = task.stage();
    stage.micro_batches = 28;
    return stage;
  };
  TestRun whole;
  CopyTask task;
  whole.train(task, config, stage_of(task));
  for (Index stop : {1, 9}) {
    SCOPED_TRACE(stop);
    TestRun run;
    CopyTask first, second;
    run.stop_after = stop;
    run.train(first, config, stage_of(first));
    EXPECT_EQ(Checkpoint::open(run.directory.path()).state()->micro_batches, 0);
    run.stop_after = -1;
    EXPECT_EQ(run.train(second, config, stage_of(second), true), TrainOutcome::kFinished);
    expect_same_outcome(run, whole, 10);
  }
}

// As reinforcement learning does it: how many micro-batches a step has comes out of the step.
TEST(Resume, ContinuesByteForByteWhereStepsHaveDifferentNumbersOfMicroBatches) {
  const auto stage_of = [](CopyTask& task) {
    TrainingTask stage = task.stage();
    stage.prepare = [](Index step) { return 1 + step % 3; };
    stage.micro_step = [&task](Index i) { return task.micro_step(i); };
    return stage;
  };
  TestRun whole;
  CopyTask task;
  whole.train(task, ten_steps(), stage_of(task));
  for (Index stop : {1, 2, 3, 7}) {
    SCOPED_TRACE(stop);
    TestRun run;
    CopyTask first, second;
    run.stop_after = stop;
    run.train(first, ten_steps(), stage_of(first));
    run.stop_after = -1;
    EXPECT_EQ(run.train(second, ten_steps(), stage_of(second), true), TrainOutcome::kFinished);
    expect_same_outcome(run, whole, 10);
  }
}

TEST(Resume, ContinuesByteForByteAfterACrashBetweenCheckpoints) {
  TestRun whole, run;
  CopyTask task, first, second;
  whole.train(task, ten_steps());
  first.crash_step = 7;  // saved after step 5, logged until step 7
  EXPECT_THROW(run.train(first, ten_steps()), std::runtime_error);
  run.train(second, ten_steps(), true);
  expect_same_outcome(run, whole, 10);
}

TEST(Resume, StartsFromTheBeginningIfThereIsNoCheckpointYet) {
  TestRun whole, run;
  CopyTask task, first, second;
  whole.train(task, ten_steps());
  first.crash_step = 2;
  EXPECT_THROW(run.train(first, ten_steps()), std::runtime_error);
  EXPECT_EQ(run.train(second, ten_steps(), true), TrainOutcome::kFinished);
  EXPECT_THAT(run.messages, Contains(HasSubstr("has no checkpoint: starting from the beginning")));
  expect_same_outcome(run, whole, 10);
}

TEST(Resume, FallsBackToAnOlderCheckpointIfTheLatestIsDamaged) {
  TestRun whole, run;
  CopyTask task, first, second;
  TrainConfig config = ten_steps();
  config.save_every = 1;
  whole.train(task, config);
  run.stop_after = 7;
  run.train(first, config);
  minillm_testing::overwrite_byte(run.directory.checkpoint_path(7) + "/model.safetensors", 2000);
  run.stop_after = -1;
  run.train(second, config, true);
  EXPECT_THAT(run.messages, Contains(HasSubstr("' at step 6 of 10")));
  expect_same_outcome(run, whole, 10);
}

TEST(Resume, RemembersHowManyStepsInARowWereNotFinite) {
  TrainConfig config = ten_steps();
  config.steps = 30;
  config.save_every = 0;
  TestRun run;
  CopyTask first, second;
  for (Index step = 4; step < 30; ++step) {
    first.nan_gradient_steps.insert(step);
    second.nan_gradient_steps.insert(step);
  }
  run.stop_after = 8;
  run.train(first, config);
  EXPECT_ERROR(run.train(second, config, true), "step 14: the loss or the gradient was not finite");
}

TEST(Resume, DoesNothingToARunThatIsFinished) {
  TestRun run;
  CopyTask first, second;
  run.train(first, ten_steps());
  const std::string metrics = read_file(run.directory.metrics_path());
  const size_t reports = run.reports.size();
  EXPECT_EQ(run.train(second, ten_steps(), true), TrainOutcome::kFinished);
  EXPECT_EQ(run.reports.size(), reports);
  EXPECT_EQ(read_file(run.directory.metrics_path()), metrics);
}

TEST(Resume, RefusesOtherDataAndTouchesNothing) {
  TestRun run;
  CopyTask first, second;
  run.stop_after = 5;
  run.train(first, ten_steps());
  const std::string metrics = read_file(run.directory.metrics_path());
  TrainingTask stage = second.stage();
  stage.provenance.hashes["train"] = "abd";
  EXPECT_ERROR(run.train(second, ten_steps(), stage, true),
               "the hash of 'train' was abc and is abd");
  EXPECT_EQ(read_file(run.directory.metrics_path()), metrics);
}

// With a constant rate no step knows how many there will be.
TEST(Resume, AConstantRateMayHaveMoreSteps) {
  TrainConfig config = ten_steps();
  config.schedule.kind = "constant";
  config.schedule.warmup_ratio = 0;
  CopyTask whole, parts;
  TestRun run, in_two;
  config.steps = 20;
  run.train(whole, config);
  config.steps = 10;
  in_two.train(parts, config);
  config.steps = 20;
  in_two.train(parts, config, true);
  EXPECT_EQ(minillm_testing::copy(whole.model.parameters()),
            minillm_testing::copy(parts.model.parameters()));
}

TEST(Resume, ARateThatKnewTheEndMayNot) {
  TrainConfig config = ten_steps();
  CopyTask task;
  const auto entry = [&] {
    TrainingTask stage = task.stage();
    stage.provenance.config = fmt::format("[train]\nsteps = {}\n", config.steps);
    return stage;
  };
  TestRun run;
  run.train(task, config, entry());
  config.steps = 20;
  EXPECT_ERROR(run.train(task, config, entry(), true), "train.steps was 10 and is 20");
}

TEST(Resume, OtherHeldOutDataBeginsANewSearchForTheBest) {
  TrainConfig config = ten_steps();
  CopyTask task;
  TestRun run;
  run.stop_after = 6;
  run.train(task, config);
  TrainingTask stage = task.stage();
  stage.provenance.hashes["eval"] = "other";
  stage.evaluate = [] { return Metrics{{"eval_loss", 1000}}; };
  run.stop_after = -1;
  EXPECT_EQ(run.train(task, config, stage, true), TrainOutcome::kFinished);
  EXPECT_THAT(run.messages, testing::Contains(testing::HasSubstr("chosen anew")));
  EXPECT_EQ(Checkpoint::open(run.directory.path()).state()->best_eval_loss, 1000);
}

}  // namespace
}  // namespace minillm
