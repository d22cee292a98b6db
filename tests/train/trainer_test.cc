#include "libminillm/train/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <cmath>

#include "libminillm/core/file.h"
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
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::StartsWith;

TEST(Trainer, OverfitsOneBatch) {
  CopyTask task;
  task.batch_of = [](Index, Index) { return copy_task_batch(4, 7); };
  TrainConfig config = ten_steps();
  config.steps = 150;
  config.eval_every = config.save_every = 0;
  TestRun run;
  EXPECT_EQ(run.train(task, config), TrainOutcome::kFinished);
  EXPECT_NEAR(run.reports.front().loss, std::log(32), 0.3);
  EXPECT_LT(run.reports.back().loss, 0.05);
}

TEST(Trainer, LearnsToReverseSequencesItHasNotSeen) {
  CopyTask task;
  task.batch_of = [](Index step, Index) {
    return copy_task_batch(32, static_cast<uint64_t>(step));
  };
  TrainConfig config = ten_steps();
  config.steps = 200;
  config.schedule.learning_rate = 0.02;
  config.eval_every = config.save_every = 0;
  TestRun run;
  run.train(task, config);
  EXPECT_LT(task.mean_loss(copy_task_batch(64, 12345)), 0.01);
}

TEST(Trainer, GivesTheSameBitsForAnyNumberOfThreads) {
  const auto train = [](int threads) {
    CopyTask task;
    TestRun run;
    run.threads = threads;
    run.train(task, ten_steps());
    return copy(task.model.parameters());
  };
  const std::vector<Real> expected = train(1);
  for (int threads : {2, 3, 4}) EXPECT_EQ(train(threads), expected) << threads;
}

TEST(Trainer, AccumulatesFourMicroBatchesToTheGradientOfOneFourTimesAsLarge) {
  // Micro-batches with 3, 6, 9 and 12 targets: a mean of means would give another gradient.
  const auto part = [](Index micro) {
    return copy_task_batch(1 + micro, 10 + static_cast<uint64_t>(micro));
  };
  CopyTask accumulated, whole;
  accumulated.batch_of = [&](Index, Index micro) { return part(micro); };
  whole.batch_of = [&](Index, Index) {
    TokenBatch batch;
    for (Index micro = 0; micro < 4; ++micro) {
      const TokenBatch small = part(micro);
      for (const Segment& s : small.segments) {
        const auto first = small.tokens.begin() + s.begin;
        minillm_testing::append_sequence(batch, std::vector<Token>(first, first + s.length()), 4);
      }
    }
    return batch;
  };
  TrainConfig config = ten_steps();
  config.steps = 1;
  TestRun run_whole, run_accumulated;
  run_whole.train(whole, config);
  config.accumulation_steps = 4;
  run_accumulated.train(accumulated, config);

  std::vector<Real> difference = copy(whole.model.gradients());
  for (size_t i = 0; i < difference.size(); ++i) difference[i] -= accumulated.model.gradients()[i];
  EXPECT_LE(l2_norm(difference), 1e-6 * l2_norm(whole.model.gradients()));
  EXPECT_NEAR(run_accumulated.reports[0].loss, run_whole.reports[0].loss, 1e-6);
  EXPECT_NEAR(run_accumulated.reports[0].grad_norm, run_whole.reports[0].grad_norm, 1e-6);
}

TEST(Trainer, ClipsTheMeanGradientToItsLargestNorm) {
  for (double max_norm : {0.01, 1e6, 0.0}) {
    CopyTask task;
    TrainConfig config = ten_steps();
    config.steps = 1;
    config.max_grad_norm = max_norm;
    TestRun run;
    run.train(task, config);
    // After one step the first moment is (1 - beta1) times the gradient that was applied.
    const minillm_testing::Moments moments = load_moments(run.directory, 1, task.model.tensors());
    const double applied = l2_norm(moments.exp_avg) / (1 - config.adamw.beta1);
    const double norm = run.reports[0].grad_norm;
    const double expected = max_norm == 0.01 ? max_norm : norm;
    EXPECT_NEAR(applied, expected, 1e-5 * expected) << max_norm;
    EXPECT_NEAR(norm, l2_norm(task.model.gradients()) / 12, 1e-9) << max_norm;  // 12 targets
  }
}

TEST(Trainer, LogsTheMeanLossSinceTheLastLineWeightedByTargets) {
  CopyTask task;
  task.batch_of = [](Index step, Index) {
    return copy_task_batch(1 + step, static_cast<uint64_t>(step));
  };
  TrainConfig config = ten_steps();
  config.steps = 6;
  config.log_every = 3;
  config.save_every = config.eval_every = 0;
  TrainingTask stage = task.stage();
  stage.evaluate = nullptr;
  TestRun run;
  run.train(task, config, stage);
  const auto lines = read_metrics(run.directory);
  ASSERT_EQ(lines.size(), 2u);
  double loss = 0;
  for (size_t i = 3; i < 6; ++i) loss += run.reports[i].loss * static_cast<double>(i + 1);
  EXPECT_NEAR(lines[1]["loss"].get<double>(), loss / (4 + 5 + 6), 1e-12);
  EXPECT_EQ(lines[1]["step"], 6);
  EXPECT_EQ(lines[1]["epoch"], 0.75);
  EXPECT_EQ(lines[1]["grad_norm"], run.reports[5].grad_norm);
  EXPECT_EQ(lines[1]["learning_rate"], run.reports[5].learning_rate);
  EXPECT_EQ(lines[1]["num_tokens"], 7 * (1 + 2 + 3 + 4 + 5 + 6));
  EXPECT_EQ(lines[1]["micro_steps"], 3);
  EXPECT_GT(lines[1]["tokens_per_second"].get<double>(), 0);
  EXPECT_GT(lines[1]["time"].get<double>(), 1.6e12);
  EXPECT_FALSE(lines[1].contains("skipped_steps"));
}

TEST(Trainer, EvaluatesBeforeTheFirstStepEveryFewAndAfterTheLast) {
  CopyTask task;
  TestRun run;
  run.train(task, ten_steps());
  std::vector<int> steps;
  for (const auto& line : read_metrics(run.directory)) {
    if (line.contains("eval_loss")) steps.push_back(line["step"].get<int>());
  }
  EXPECT_THAT(steps, ElementsAre(0, 4, 8, 10));
}

TEST(Trainer, ShowsSamplesWhenAsked) {
  CopyTask task;
  TrainConfig config = ten_steps();
  config.sample_every = 4;
  TrainingTask stage = task.stage();
  stage.sample = [] {
    return std::vector<Sample>{{"Who?", "Ann \"\xff\"", true, 0.5},
                               {"Once", std::string(9000, '.')}};
  };
  TestRun run;
  run.train(task, config, stage);
  ASSERT_EQ(run.samples.size(), 2u);
  EXPECT_THAT(run.samples[0], StartsWith("Who?\n  -> Ann \"\xff\"  (reward 0.5)\nOnce|..."));
  std::vector<nlohmann::json> logged;
  for (const auto& line : read_metrics(run.directory))
    if (line.contains("sample")) logged.push_back(line);
  ASSERT_EQ(logged.size(), 4u);
  EXPECT_EQ(logged[2]["step"], 8);
  EXPECT_EQ(logged[2]["sample"],
            nlohmann::json({{"prompt", "Who?"}, {"text", "Ann \"\ufffd\""}, {"reward", 0.5}}));
  EXPECT_EQ(logged[3]["sample"]["text"], std::string(4000, '.'));
}

TEST(Trainer, KeepsTheBestAndTheLastCheckpoints) {
  CopyTask task;
  TrainConfig config = ten_steps();
  config.save_every = 2;
  config.eval_every = 1;
  config.keep_last = 2;
  TrainingTask stage = task.stage();
  std::vector<double> losses = {1, 9, 8, 5, 7, 6, NAN, 8, 8, 8, 8};  // of steps 0 to 10: best is 3
  size_t next = 0;
  stage.evaluate = [&] { return Metrics{{"eval_loss", losses[next++]}}; };
  TestRun run;
  run.train(task, config, stage);
  std::vector<std::string> kept;
  for (const std::string& name : list_directory(run.directory.path())) {
    if (name.starts_with("checkpoint")) kept.push_back(name);
  }
  EXPECT_THAT(kept, ElementsAre("checkpoint-000003", "checkpoint-000008", "checkpoint-000010"));
  EXPECT_THAT(read_file(run.dir.file("run/best")), HasSubstr("checkpoint-000003"));
  const auto state = Checkpoint::open(run.directory.path()).state();
  EXPECT_EQ(state->best_eval_loss, 5);
  EXPECT_EQ(state->best_step, 3);
}

TEST(Trainer, MayHoldAMetricForBetterThatIsLarger) {
  CopyTask task;
  TrainConfig config = ten_steps();
  config.eval_every = 1;
  TrainingTask stage = task.stage();
  stage.best_metric = "eval_accuracy";
  stage.smaller_is_better = false;
  std::vector<double> accuracies = {9, 1, 3, 7, 2, NAN, INFINITY, 7, 5, 4, 6};  // best is step 3
  size_t next = 0;
  stage.evaluate = [&] {
    return Metrics{{"eval_loss", -1.0 * double(next)}, {"eval_accuracy", accuracies[next++]}};
  };
  TestRun run;
  run.train(task, config, stage);
  const auto state = Checkpoint::open(run.directory.path()).state();
  EXPECT_EQ(state->best_eval_loss, 7);
  EXPECT_EQ(state->best_step, 3);
}

TEST(Trainer, WithoutARunDirectoryTrainsTheSameBitsAndWritesNothing) {
  CopyTask task, other;
  TestRun run;
  run.train(task, ten_steps());
  std::vector<Metrics> lines;
  TrainerEvents events;
  events.on_log = [&](const Metrics& line) { lines.push_back(line); };
  Trainer trainer(ten_steps(), 10, other.stage(), nullptr);
  EXPECT_EQ(trainer.run(events), TrainOutcome::kFinished);
  EXPECT_EQ(copy(other.model.parameters()), copy(task.model.parameters()));
  EXPECT_EQ(lines.size(), read_metrics(run.directory).size());
  EXPECT_EQ(trainer.step(), 10);
  EXPECT_ERROR(trainer.resume(), "training: a run without a directory cannot be resumed");
}

TEST(Trainer, CountsMicroBatchesOverStepsAsAStepPreparesThem) {
  CopyTask task;
  TrainingTask stage = task.stage();
  std::vector<Index> steps, micro_batches;
  stage.prepare = [&](Index step) {
    steps.push_back(step);
    return 1 + step % 3;
  };
  stage.micro_step = [&](Index i) {
    micro_batches.push_back(i);
    return task.micro_step(i);
  };
  TrainConfig config = ten_steps();
  config.steps = 5;
  config.accumulation_steps = 7;  // `prepare` says otherwise
  TestRun run;
  run.train(task, config, stage);
  EXPECT_THAT(steps, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(micro_batches, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_EQ(Checkpoint::open(run.directory.path()).state()->micro_batches, 9);
}

TEST(Trainer, TheLastStepTakesOnlyTheMicroBatchesThatAreLeft) {
  CopyTask task;
  TrainingTask stage = task.stage();
  stage.micro_batches = 9;
  std::vector<std::pair<Index, Index>> steps;
  stage.begin_step = [&](Index begin, Index end) { steps.emplace_back(begin, end); };
  TrainConfig config = ten_steps();
  config.steps = 3;
  config.accumulation_steps = 4;
  TestRun run;
  run.train(task, config, stage);
  EXPECT_THAT(steps, ElementsAre(Pair(0, 4), Pair(4, 8), Pair(8, 9)));
  EXPECT_EQ(task.steps_seen, 0);                                 // told in full
  EXPECT_EQ(read_metrics(run.directory).back()["epoch"], 0.25);  // of the 9th, not of the 12th
  EXPECT_EQ(Checkpoint::open(run.directory.path()).state()->micro_batches, 9);
}

TEST(Trainer, RecordsLineageWithStepsAndTokens) {
  CopyTask task;
  TrainingTask stage = task.stage();
  LineageEntry parent;
  parent.stage = "pretrain";
  stage.ancestors = {parent};
  TestRun run;
  run.train(task, ten_steps(), stage);
  const auto state = Checkpoint::open(run.directory.path()).state();
  ASSERT_EQ(state->lineage.size(), 2u);
  EXPECT_EQ(state->lineage[0], parent);
  EXPECT_EQ(state->lineage[1].stage, "copy");
  EXPECT_EQ(state->lineage[1].steps, 10);
  EXPECT_EQ(state->lineage[1].tokens, 10 * 28);
  EXPECT_EQ(state->tokens, 10 * 28);
}

TEST(Trainer, RefusesADirectoryThatHoldsARun) {
  CopyTask task;
  TestRun run;
  run.train(task, ten_steps());
  EXPECT_ERROR(run.train(task, ten_steps()), "already holds a run");
  EXPECT_ERROR(run.train(task, ten_steps()), "set options.resume to continue it");
}

TEST(Trainer, RefusesARunWithoutSteps) {
  CopyTask task;
  TestRun run;
  EXPECT_ERROR(Trainer(ten_steps(), 0, task.stage(), &run.directory),
               "training: nothing to do: expected at least one step, got 0");
}

}  // namespace
}  // namespace minillm
