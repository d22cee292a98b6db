// Loss spikes: what counts as one, the update that is skipped, the run that goes back, and a
// resumed run, which decides the same way.

#include "libminillm/train/spike_guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>

#include "tests/testing/expect_error.h"
#include "tests/train/test_run.h"

namespace minillm {
namespace {

using minillm_testing::copy;
using minillm_testing::CopyTask;
using minillm_testing::load_moments;
using minillm_testing::read_metrics;
using minillm_testing::ten_steps;
using minillm_testing::TestRun;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(SpikeGuard, ZScoreCountsStandardDeviationsAboveTheMean) {
  const std::vector<double> window = {1, 3, 1, 3};  // mean 2, population deviation 1
  EXPECT_DOUBLE_EQ(z_score(window, 5), 3);
  EXPECT_DOUBLE_EQ(z_score(window, 0), -2);
  EXPECT_EQ(z_score(std::vector<double>{2, 2, 2}, 100), 0);
  EXPECT_EQ(z_score({}, 100), 0);
}

TEST(SpikeGuard, FindsWhatIsTooHighInAFullWindow) {
  const SpikeGuardConfig config = {.action = "skip", .threshold = 3, .window = 4};
  SpikeWindow window = {{1, 3, 1}, {1, 1.5, 1}};
  EXPECT_FALSE(find_spike(config, window, 1000, 1000)) << "the window is not full";
  remember_step(config, window, 3, 1.5);
  EXPECT_FALSE(find_spike(config, window, 5, 1)) << "three deviations are allowed";
  EXPECT_EQ(*find_spike(config, window, 6, 1),
            "loss 6 is 4.0 standard deviations above its last 4");
  EXPECT_THAT(*find_spike(config, window, 2, 9), HasSubstr("gradient norm 9 is "));
  EXPECT_FALSE(find_spike(config, window, -1000, 0)) << "too low is no spike";
  EXPECT_FALSE(find_spike({.action = "off", .threshold = 3, .window = 4}, window, 1000, 1000));
}

TEST(SpikeGuard, RemembersTheLastStepsOnly) {
  const SpikeGuardConfig config = {.action = "skip", .threshold = 3, .window = 2};
  SpikeWindow window;
  for (const double x : {1.0, 2.0, 3.0}) remember_step(config, window, x, 10 * x);
  EXPECT_THAT(window.losses, ElementsAre(2, 3));
  EXPECT_THAT(window.grad_norms, ElementsAre(20, 30));
  SpikeWindow unused;
  remember_step({}, unused, 1, 1);
  EXPECT_EQ(unused, SpikeWindow{}) << "nothing is kept where the guard is off";
}

TEST(SpikeGuard, NamesKeyValueAndRuleOfWhatIsOutOfRange) {
  EXPECT_ERROR((SpikeGuardConfig{.action = "stop"}.validate()),
               "train.spike_action: expected \"off\", \"skip\" or \"rollback\", got \"stop\"");
  EXPECT_ERROR((SpikeGuardConfig{.threshold = 0}.validate()), "train.spike_threshold");
  EXPECT_ERROR((SpikeGuardConfig{.window = 1}.validate()), "train.spike_window");
}

// 40 steps, a checkpoint every ten, a window of eight steps.
TrainConfig guarded(const std::string& action) {
  TrainConfig config = ten_steps();
  config.steps = 40;
  config.save_every = 10;
  config.eval_every = 0;
  config.spike_guard = {.action = action, .threshold = 8, .window = 8};
  return config;
}

// The copy task; the batches of the data steps `bad` have a loss and a gradient a thousand times
// too large. `order` gives the data step of a step.
TrainingTask spiking(CopyTask& task, std::set<Index> bad,
                     std::function<Index(Index)> order = nullptr) {
  TrainingTask stage = task.stage();
  stage.micro_step = [&task, bad, order](Index step) {
    const Index data_step = order ? order(step) : step;
    Contribution sum = task.micro_step(data_step);
    if (bad.contains(data_step)) {
      sum.loss *= 1000;
      for (Real& gradient : task.model.gradients()) gradient *= 1000;
    }
    return sum;
  };
  return stage;
}

TEST(SpikeGuard, IsOffByDefault) {
  CopyTask task;
  TestRun run;
  TrainConfig config = guarded("off");
  config.spike_guard = {};
  run.train(task, config, spiking(task, {23}));
  EXPECT_THAT(run.messages, Not(Contains(HasSubstr("standard deviations"))));
  EXPECT_EQ(Checkpoint::open(run.directory.path()).state()->spike_window, SpikeWindow{});
}

TEST(SpikeGuard, SkipsTheUpdateAndLeavesParametersAndMomentsAsTheyWere) {
  CopyTask task;
  TrainConfig config = guarded("skip");
  config.save_every = 1;
  config.keep_last = 50;
  TestRun run;
  std::vector<std::vector<Real>> parameters = {copy(task.model.parameters())};
  run.on_step = [&](const StepReport&) { parameters.push_back(copy(task.model.parameters())); };
  run.train(task, config, spiking(task, {23}));
  EXPECT_THAT(run.messages, Contains(HasSubstr("step 24 skipped: loss ")));
  EXPECT_EQ(parameters[24], parameters[23]);
  EXPECT_NE(parameters[25], parameters[24]);
  const auto moments_after = [&](Index step) {
    return load_moments(run.directory, step, task.model.tensors());
  };
  EXPECT_EQ(moments_after(24), moments_after(23));
  const TrainerState state = *Checkpoint::open(run.directory.path()).state();
  EXPECT_EQ(state.skipped_steps, 1);
  EXPECT_EQ(state.consecutive_skips, 0);
}

TEST(SpikeGuard, ALossThatStaysHighIsSkippedForASmallPartOfTheWindowOnly) {
  CopyTask task;
  TestRun run;
  std::set<Index> from_20;
  for (Index step = 20; step < 40; ++step) from_20.insert(step);
  TrainConfig config = guarded("skip");
  config.spike_guard.threshold = 3;
  run.train(task, config, spiking(task, from_20));
  EXPECT_LE(Checkpoint::open(run.directory.path()).state()->skipped_steps, 3);
}

TEST(SpikeGuard, GoesBackToTheCheckpointAndLeavesOutTheBatchesSince) {
  CopyTask task, other;
  TestRun run, expected;
  run.train(task, guarded("rollback"), spiking(task, {23}));
  EXPECT_THAT(run.messages, Contains(HasSubstr("step 24: loss ")));
  EXPECT_THAT(run.messages, Contains(HasSubstr("the batches of 4 steps left out, rollback 1")));

  // As if the data had never held those batches.
  expected.train(other, guarded("rollback"),
                 spiking(other, {23}, [](Index step) { return step < 20 ? step : step + 4; }));
  EXPECT_EQ(copy(task.model.parameters()), copy(other.model.parameters()));
  const TrainerState state = *Checkpoint::open(run.directory.path()).state();
  EXPECT_EQ(state.rollbacks, 1);
  EXPECT_EQ(state.batches_left_out, 4);
  EXPECT_EQ(state.spike_window, Checkpoint::open(expected.directory.path()).state()->spike_window);

  // Every step has one line, those since then show the rollback, and the epoch follows the data.
  std::vector<int> steps;
  for (const auto& line : read_metrics(run.directory)) {
    if (!line.contains("loss")) continue;
    steps.push_back(line["step"]);
    EXPECT_EQ(line.contains("rollbacks"), steps.back() > 20);
    EXPECT_EQ(line["epoch"], (steps.back() > 20 ? steps.back() + 4 : steps.back()) / 8.0);
  }
  std::vector<int> once(40);
  std::iota(once.begin(), once.end(), 1);
  EXPECT_EQ(steps, once);
}

// A step that is prepared is another one after a rollback, or it would sample the same again.
TEST(SpikeGuard, PreparedStepsAndTheirMicroBatchesGoOnCountingAfterARollback) {
  CopyTask task, other;
  TestRun run, expected;
  std::vector<Index> steps;
  TrainingTask stage = spiking(task, {23});
  stage.prepare = [&](Index step) {
    steps.push_back(step);
    return Index{1};
  };
  run.train(task, guarded("rollback"), stage);
  expected.train(other, guarded("rollback"), spiking(other, {23}));
  EXPECT_EQ(copy(task.model.parameters()), copy(other.model.parameters()));
  std::vector<Index> each_once(44);  // 40 steps, and the four that were left out
  std::iota(each_once.begin(), each_once.end(), 0);
  EXPECT_EQ(steps, each_once);
  EXPECT_EQ(Checkpoint::open(run.directory.path()).state()->micro_batches, 44);
}

TEST(SpikeGuard, SkipsTheUpdateWhileThereIsNoCheckpoint) {
  CopyTask task;
  TestRun run;
  TrainConfig config = guarded("rollback");
  config.save_every = 0;
  run.train(task, config, spiking(task, {23}));
  EXPECT_THAT(run.messages, Contains(HasSubstr("step 24 skipped: loss ")));
  EXPECT_EQ(Checkpoint::open(run.directory.path()).state()->rollbacks, 0);
}

TEST(SpikeGuard, GivesUpAfterTenReturnsToOneCheckpoint) {
  CopyTask task;
  TestRun run;
  std::set<Index> from_23;
  for (Index step = 23; step < 1000; ++step) from_23.insert(step);
  try {
    run.train(task, guarded("rollback"), spiking(task, from_23));
    ADD_FAILURE() << "expected the run to diverge";
  } catch (const Error& e) {
    EXPECT_EQ(e.exit_code(), ExitCode::kDiverged);
    EXPECT_THAT(e.what(), HasSubstr("after 10 returns to the same checkpoint (start again with"));
  }
  EXPECT_EQ(Checkpoint::open(run.directory.path()).state()->step, 20);
}

// Killed between any two steps, before and after the return, the run ends in the same bytes.
TEST(SpikeGuard, AResumedRunGoesBackJustAsTheRunThatNeverStopped) {
  const std::set<Index> bad = {13, 23, 26, 35};
  CopyTask task;
  TestRun whole;
  whole.train(task, guarded("rollback"), spiking(task, bad));
  const Checkpoint expected = Checkpoint::open(whole.directory.path());
  EXPECT_GE(expected.state()->rollbacks, 3);
  const size_t steps_taken = whole.reports.size();
  for (size_t killed = 1; killed < steps_taken; killed += 3) {
    SCOPED_TRACE(killed);
    CopyTask first, second;
    TestRun run;
    run.on_step = [&](const StepReport&) {
      if (run.reports.size() == killed) throw std::runtime_error("killed");
    };
    EXPECT_THROW(run.train(first, guarded("rollback"), spiking(first, bad)), std::runtime_error);
    run.on_step = nullptr;
    run.train(second, guarded("rollback"), spiking(second, bad), true);
    EXPECT_EQ(copy(second.model.parameters()), copy(task.model.parameters()));
    TrainerState state = *Checkpoint::open(run.directory.path()).state();
    state.metrics_offset = expected.state()->metrics_offset;  // times differ in their digits
    EXPECT_EQ(state, *expected.state());
    EXPECT_EQ(read_metrics(run.directory).size(), read_metrics(whole.directory).size());
  }
}

}  // namespace
}  // namespace minillm
