// Replicas that meet every few steps: the algorithm, against a loop that follows the paper's lines,
// and the same bits for any number of ranks.

#include "libminillm/train/outer_steps.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "libminillm/optim/grad_norm.h"
#include "libminillm/optim/schedule.h"
#include "tests/testing/expect_error.h"
#include "tests/train/ranked_run.h"

namespace minillm_testing {
namespace {

using minillm::AdamW;
using minillm::Contribution;

// Six steps of eight micro-batches, four replicas that meet every second step.
TrainConfig replicated() {
  TrainConfig config = ten_steps();
  config.steps = 6;
  config.save_every = 2;
  config.eval_every = 2;
  config.accumulation_steps = 8;
  config.outer.replicas = 4;
  config.outer.every = 2;
  config.outer.learning_rate = 0.8;
  config.outer.momentum = 0.7;
  return config;
}

std::vector<Real> trained_by_hand(const TrainConfig& config) {
  CopyTask task;
  task.accumulation = config.accumulation_steps;
  minillm::Model& model = task.model;
  const auto k = static_cast<size_t>(config.outer.replicas);
  std::vector<Real> start = copy(model.parameters()), momentum(start.size());
  std::vector<std::vector<Real>> replicas(k, start);
  std::vector<std::unique_ptr<AdamW>> adamw;
  for (size_t j = 0; j < k; ++j)
    adamw.push_back(std::make_unique<AdamW>(model.tensors(), config.adamw));
  const Index each = config.accumulation_steps / config.outer.replicas;
  for (Index step = 0; step < config.steps; ++step) {
    const double rate = minillm::scheduled_learning_rate(config.schedule, step, config.steps);
    for (size_t j = 0; j < k; ++j) {
      std::ranges::copy(replicas[j], model.parameters().begin());
      std::ranges::fill(model.gradients(), Real{0});
      Contribution sum;
      const Index first = step * config.accumulation_steps + static_cast<Index>(j) * each;
      for (Index i = first; i < first + each; ++i) sum += task.micro_step(i);
      const double norm = minillm::l2_norm(model.gradients()) / sum.weight;
      adamw[j]->update(replicas[j], model.gradients(),
                       std::min(1.0, config.max_grad_norm / norm) / sum.weight, rate, step + 1);
    }
    if ((step + 1) % config.outer.every != 0) continue;
    for (size_t i = 0; i < start.size(); ++i) {
      double mean = 0;
      for (const auto& replica : replicas) mean += (start[i] - replica[i]) / static_cast<double>(k);
      const double v = config.outer.momentum * momentum[i] + mean;
      momentum[i] = static_cast<Real>(v);
      start[i] -=
          static_cast<Real>(config.outer.learning_rate * (mean + config.outer.momentum * v));
    }
    for (auto& replica : replicas) replica = start;
  }
  return start;
}

std::vector<Real> weights_of(const std::string& run) {
  const minillm::Model model = Checkpoint::open(run).load_model();
  return {model.parameters().begin(), model.parameters().end()};
}

TEST(OuterSteps, FollowThePaper) {
  RankedRun run;
  run.train(1, replicated());
  const std::vector<Real> trained = weights_of(run.path), expected = trained_by_hand(replicated());
  ASSERT_EQ(trained.size(), expected.size());
  for (size_t i = 0; i < trained.size(); ++i) ASSERT_NEAR(trained[i], expected[i], 2e-5) << i;
}

// Whatever the number of ranks, also where it changes between two meetings' checkpoints.
TEST(OuterSteps, HaveTheBitsOfOneRank) {
  RankedRun one;
  one.train(1, replicated());
  for (const Index ranks : {2, 3, 4}) {
    RankedRun several;
    several.train(ranks, replicated());
    EXPECT_EQ(several.bytes(), one.bytes()) << ranks << " ranks";
  }
  RankedRun killed;
  killed.plan = [](CopyTask& task, Index rank) { task.crash_step = rank == 1 ? 3 : -1; };
  EXPECT_THROW(killed.train(3, replicated()), std::runtime_error);
  EXPECT_EQ(Checkpoint::open(killed.path).state()->step, 2);
  killed.plan = [](CopyTask&, Index) {};
  killed.stop_after = 4;
  killed.train(2, replicated(), /*resume=*/true);
  killed.stop_after = -1;
  killed.train(4, replicated(), /*resume=*/true);
  EXPECT_EQ(killed.bytes(), one.bytes());
}

// Each replica has a Muon of its own, and its arrays are its owner's.
TEST(OuterSteps, HaveTheBitsOfOneRankWithMuon) {
  TrainConfig config = replicated();
  config.optimizer = "muon";
  RankedRun one, killed;
  one.train(1, config);
  killed.plan = [](CopyTask& task, Index rank) { task.crash_step = rank == 1 ? 3 : -1; };
  EXPECT_THROW(killed.train(3, config), std::runtime_error);
  killed.plan = [](CopyTask&, Index) {};
  killed.train(4, config, /*resume=*/true);
  EXPECT_EQ(killed.bytes(), one.bytes());
}

// A stop waits for the meeting: in between there is no one model to save.
TEST(OuterSteps, AreStoppedWhereReplicasMeet) {
  RankedRun run;
  run.stop_from = 3;
  run.train(2, replicated());
  EXPECT_EQ(Checkpoint::open(run.path).state()->step, 4);
}

// One replica that is followed all the way is a run without replicas.
TEST(OuterSteps, OfOneReplicaAreOrdinarySteps) {
  TrainConfig config = replicated();
  config.outer = {.replicas = 1, .every = 2, .learning_rate = 1, .momentum = 0};
  RankedRun one, ordinary;
  one.train(1, config);
  config.outer = {};
  ordinary.train(1, config);
  const std::vector<Real> a = weights_of(one.path), b = weights_of(ordinary.path);
  for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-6) << i;
}

TEST(OuterSteps, SkipWhatIsNotFiniteInOneReplica) {
  RankedRun one, several;
  one.plan = [](CopyTask& task, Index) { task.nan_gradient_steps = {2}; };
  one.train(1, replicated());
  EXPECT_THAT(one.messages, testing::Contains(testing::HasSubstr("step 3 skipped")));
  EXPECT_THAT(one.messages, testing::Contains(testing::HasSubstr("layers.1.mlp.up_proj")));
  several.plan = [](CopyTask& task, Index rank) {
    if (rank == 1) task.nan_gradient_steps = {2};
  };
  several.train(4, replicated());
  EXPECT_EQ(several.bytes()["model.safetensors"], one.bytes()["model.safetensors"]);
}

TEST(OuterSteps, SayWhatDoesNotFit) {
  const auto error_of = [](auto change) {
    TrainConfig config = replicated();
    change(config);
    RankedRun().train(1, config);
  };
  EXPECT_ERROR(error_of([](TrainConfig& c) { c.eval_every = 3; }),
               "train.eval_every: expected a multiple of outer.every = 2");
  EXPECT_ERROR(error_of([](TrainConfig& c) { c.save_every = 5; }),
               "train.save_every: expected a multiple of outer.every = 2");
  EXPECT_ERROR(error_of([](TrainConfig& c) { c.slots = 2; }),
               "train.slots: expected 1 with outer.replicas");
  EXPECT_ERROR(error_of([](TrainConfig& c) { c.accumulation_steps = 3; }),
               "outer.replicas: expected at most train.accumulation_steps = 3");
  EXPECT_ERROR(error_of([](TrainConfig& c) { c.outer.momentum = 1; }),
               "outer.momentum: expected 0 <= momentum < 1");
  EXPECT_ERROR(error_of([](TrainConfig& c) { c.outer.learning_rate = 0; }),
               "outer.learning_rate: expected a number > 0");
  EXPECT_ERROR(RankedRun().train(5, replicated()),
               "ranks: 5 of them: expected at most outer.replicas = 4");
}

}  // namespace
}  // namespace minillm_testing
