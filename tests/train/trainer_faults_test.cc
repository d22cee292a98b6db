// What the Trainer does with numbers that are not numbers, and with steps that teach nothing.

#include "libminillm/train/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "libminillm/optim/grad_norm.h"
#include "tests/testing/expect_error.h"
#include "tests/train/test_run.h"

namespace minillm {
namespace {

using minillm_testing::copy;
using minillm_testing::copy_task_batch;
using minillm_testing::CopyTask;
using minillm_testing::load_moments;
using minillm_testing::read_metrics;
using minillm_testing::ten_steps;
using minillm_testing::TestRun;
using ::testing::Contains;
using ::testing::HasSubstr;

TEST(TrainerFaults, SkipsAStepWithANonFiniteGradientAndNamesTheTensor) {
  CopyTask task;
  task.nan_gradient_steps = {3};
  TrainConfig config = ten_steps();
  config.save_every = 1;
  TestRun run;
  std::map<Index, std::vector<Real>> parameters;
  run.on_step = [&](const StepReport& report) {
    parameters[report.step] = copy(task.model.parameters());
  };
  EXPECT_EQ(run.train(task, config), TrainOutcome::kFinished);

  EXPECT_THAT(run.messages, Contains(HasSubstr("step 4 skipped: loss ")));
  EXPECT_THAT(
      run.messages,
      Contains(HasSubstr(
          "the gradient of 'model.layers.1.mlp.up_proj.weight' is not finite (1 in a row)")));
  EXPECT_EQ(parameters[4], parameters[3]);
  EXPECT_NE(parameters[5], parameters[4]);
  const auto moments_after = [&](Index step) {
    return load_moments(run.directory, step, task.model.tensors());
  };
  EXPECT_EQ(moments_after(4), moments_after(3));
  EXPECT_NE(moments_after(5), moments_after(4));
  EXPECT_EQ(Checkpoint::open(run.directory.path()).state()->skipped_steps, 1);
  EXPECT_FALSE(first_non_finite(task.model.parameters()));
}

TEST(TrainerFaults, SkipsAStepWithANonFiniteLoss) {
  CopyTask task, untouched;
  task.nan_loss_steps = {0};
  TrainConfig config = ten_steps();
  config.steps = 1;
  TestRun run;
  run.train(task, config);
  EXPECT_EQ(copy(task.model.parameters()), copy(untouched.model.parameters()));
  EXPECT_THAT(run.messages, Contains(HasSubstr("every single gradient finite")));
  const auto lines = read_metrics(run.directory);
  ASSERT_EQ(lines.size(), 3u);  // evaluation, training, evaluation
  EXPECT_TRUE(lines[1]["loss"].is_null());
  EXPECT_EQ(lines[1]["skipped_steps"], 1);
}

TEST(TrainerFaults, CorrectsTheMomentsBiasByUpdatesAndNotBySteps) {
  CopyTask skipped, plain;
  skipped.nan_loss_steps = {0, 1, 2};
  const auto same_batch = [](Index, Index) { return copy_task_batch(4, 7); };
  skipped.batch_of = plain.batch_of = same_batch;
  TrainConfig config = ten_steps();
  config.schedule.kind = "constant";
  config.schedule.warmup_ratio = 0;
  config.steps = 1;
  TestRun().train(plain, config);
  config.steps = 4;
  TestRun().train(skipped, config);
  EXPECT_EQ(copy(skipped.model.parameters()), copy(plain.model.parameters()));
}

TEST(TrainerFaults, StopsWhenTenStepsInARowAreNotFinite) {
  CopyTask task;
  TrainConfig config = ten_steps();
  config.steps = 40;
  config.save_every = 0;
  config.eval_every = 0;
  task.nan_gradient_steps = {1, 2, 3};  // too few
  for (Index step = 20; step < 40; ++step) task.nan_gradient_steps.insert(step);
  TestRun run;
  try {
    run.train(task, config);
    ADD_FAILURE() << "expected the run to diverge";
  } catch (const Error& e) {
    EXPECT_EQ(e.exit_code(), ExitCode::kDiverged);
    EXPECT_THAT(e.what(),
                HasSubstr("step 30: the loss or the gradient was not finite in 10 steps in a row"));
    EXPECT_THAT(e.what(), HasSubstr("start again with a lower train.learning_rate"));
  }
  EXPECT_EQ(run.reports.size(), 30u);
  EXPECT_FALSE(run.directory.has_checkpoint());
  EXPECT_FALSE(first_non_finite(task.model.parameters()));
  EXPECT_EQ(read_metrics(run.directory).back()["skipped_steps"], 13);
}

TEST(TrainerFaults, SkipsAStepWithoutTargetsWithLossZero) {
  CopyTask task;
  const auto normal = task.batch_of;
  task.batch_of = [&](Index step, Index micro) {
    TokenBatch batch = normal(step, micro);
    if (step == 2) batch.targets.clear();
    if (step == 3)
      for (Target& target : batch.targets) target.weight = 0;
    return batch;
  };
  TestRun run;
  std::map<Index, std::vector<Real>> parameters;
  run.on_step = [&](const StepReport& report) {
    parameters[report.step] = copy(task.model.parameters());
  };
  run.train(task, ten_steps());
  for (Index step : {3, 4}) {
    EXPECT_EQ(run.reports[static_cast<size_t>(step - 1)].loss, 0);
    EXPECT_EQ(run.reports[static_cast<size_t>(step - 1)].grad_norm, 0);
    EXPECT_EQ(parameters[step], parameters[step - 1]);
  }
  EXPECT_THAT(run.messages,
              Contains("step 4 skipped: no target of its batch carries loss, 2 skipped so far"));
  EXPECT_NE(parameters[5], parameters[4]);
}

TEST(TrainerFaults, NeverSavesWeightsThatAreNotFinite) {
  CopyTask task;
  TrainingTask stage = task.stage();
  stage.evaluate = nullptr;
  stage.micro_step = [&](Index) {
    task.model.parameters()[3] = std::numeric_limits<Real>::infinity();
    return Contribution{.loss = 1, .weight = 1, .tokens = 1};
  };
  TestRun run;
  try {
    run.train(task, ten_steps(), stage);
    ADD_FAILURE() << "expected an error";
  } catch (const Error& e) {
    EXPECT_EQ(e.exit_code(), ExitCode::kDiverged);
    EXPECT_THAT(e.what(),
                HasSubstr("step 5: the weights of 'model.embed_tokens.weight' are not finite"));
  }
  EXPECT_FALSE(run.directory.has_checkpoint());
}

// Where a number can go bad within a step.
enum class Place { kWeight, kActivation, kTargetWeight, kLossGradient, kGradient };

struct BadNumber {
  Place place;
  Real value;
};

class BadNumbers : public ::testing::TestWithParam<BadNumber> {};

// A micro-step of the copy task in which one number is bad, for this step only.
Contribution bad_micro_step(CopyTask& task, const BadNumber& bad, Index step) {
  TokenBatch batch = task.batch_of(step, 0);
  const auto* norm = task.model.tensors().find("model.layers.0.post_attention_layernorm.weight");
  Real& weight = task.model.parameters()[static_cast<size_t>(norm->offset + 2)];
  const Real good_weight = weight;
  if (bad.place == Place::kWeight) weight = bad.value;
  if (bad.place == Place::kTargetWeight) batch.targets[1].weight = bad.value;
  task.model.forward(batch, task.workspace);
  if (bad.place == Place::kActivation)
    const_cast<Real*>(task.workspace.hidden(batch.rows()).row(batch.targets[1].row))[3] = bad.value;
  const auto logp = task.model.log_probs(batch, task.workspace);
  task.dlogp.assign(logp.size(), 0);
  Contribution sum = next_token_loss(task.dlogp, logp, batch.targets);
  if (bad.place == Place::kLossGradient) task.dlogp[1] = bad.value;
  task.model.backward(batch, task.dlogp, task.workspace);
  if (bad.place == Place::kGradient) task.model.gradients()[100] = bad.value;
  weight = good_weight;
  sum.tokens = batch.rows();
  return sum;
}

TEST_P(BadNumbers, SkipTheStepAreCountedAndLeaveNoTrace) {
  CopyTask task;
  TrainingTask stage = task.stage();
  stage.micro_step = [&](Index step) {
    return step == 3 || step == 4 ? bad_micro_step(task, GetParam(), step) : task.micro_step(step);
  };
  TrainConfig config = ten_steps();
  config.save_every = 1;
  TestRun run;
  std::vector<std::vector<Real>> parameters = {copy(task.model.parameters())};
  run.on_step = [&](const StepReport&) { parameters.push_back(copy(task.model.parameters())); };
  EXPECT_EQ(run.train(task, config, stage), TrainOutcome::kFinished);

  const auto moments_after = [&](Index step) {
    return load_moments(run.directory, step, task.model.tensors());
  };
  for (const Index step : {4, 5}) {
    EXPECT_EQ(parameters[static_cast<size_t>(step)], parameters[3]);
    EXPECT_EQ(moments_after(step), moments_after(3));
  }
  EXPECT_NE(parameters[6], parameters[5]);
  EXPECT_FALSE(first_non_finite(task.model.parameters()));
  const TrainerState state = *Checkpoint::open(run.directory.path()).state();
  EXPECT_EQ(state.skipped_steps, 2);
  EXPECT_EQ(state.consecutive_skips, 0);

  // The steps since are those of a run that had no such steps but the batches after them.
  CopyTask clean;
  TrainingTask shifted = clean.stage();
  shifted.micro_step = [&](Index step) {
    if (step != 3 && step != 4) return clean.micro_step(step);
    return Contribution{};  // nothing to learn: skipped
  };
  TestRun other;
  other.train(clean, config, shifted);
  EXPECT_EQ(copy(clean.model.parameters()), copy(task.model.parameters()));
}

INSTANTIATE_TEST_SUITE_P(
    TrainerFaults, BadNumbers, ::testing::ValuesIn([] {
      constexpr Real kInfinity = std::numeric_limits<Real>::infinity();
      std::vector<BadNumber> all;
      for (const Place place : {Place::kWeight, Place::kActivation, Place::kTargetWeight,
                                Place::kLossGradient, Place::kGradient})
        for (const Real value : {std::numeric_limits<Real>::quiet_NaN(), kInfinity, -kInfinity})
          all.push_back({place, value});
      return all;
    }()));

TEST(TrainerFaults, AWeightThatGoesBadForGoodStopsTheRunAndSpoilsNoCheckpoint) {
  CopyTask task;
  TrainingTask stage = task.stage();
  stage.evaluate = nullptr;
  stage.micro_step = [&](Index step) {
    if (step == 7) task.model.parameters()[3] = std::numeric_limits<Real>::quiet_NaN();
    return task.micro_step(step);
  };
  TrainConfig config = ten_steps();
  config.steps = 40;
  config.save_every = 6;  // saved after step 6; step 12 must not be
  TestRun run;
  try {
    run.train(task, config, stage);
    ADD_FAILURE() << "expected the run to diverge";
  } catch (const Error& e) {
    EXPECT_EQ(e.exit_code(), ExitCode::kDiverged);
    EXPECT_THAT(e.what(), HasSubstr("'model.embed_tokens.weight' are not finite: not saved"));
  }
  const Checkpoint last = Checkpoint::open(run.directory.path());
  EXPECT_EQ(last.state()->step, 6);
  EXPECT_TRUE(last.warnings().empty());
}

}  // namespace
}  // namespace minillm
