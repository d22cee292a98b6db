#include "libminillm/train/preflight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <numbers>

#include "libminillm/dist/ordered_sum.h"
#include "libminillm/nn/model.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/tiny_model.h"

namespace minillm {
namespace {

using minillm_testing::TempDir;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(Preflight, AFreshModelsLossIsNearLnV) {
  EXPECT_EQ(check_fresh_loss(7.63, 2048),
            "initial loss 7.630, near ln V = 7.625, which knowing nothing costs");
  EXPECT_THAT(check_fresh_loss(7.625 * 1.11, 2048),
              StartsWith("warning: initial loss 8.464, not near"));
  EXPECT_THAT(check_fresh_loss(7.625 * 0.89, 2048), StartsWith("warning: "));
  EXPECT_ERROR(check_fresh_loss(std::numeric_limits<double>::quiet_NaN(), 2048), "not finite");
}

TEST(Preflight, ARealFreshModelPasses) {
  ModelConfig config = minillm_testing::tiny_config();
  config.initializer_range = 0.02;
  Model model(config);
  model.initialize(1);
  const TokenBatch batch = minillm_testing::random_batch({20, 20, 20}, config.vocab_size);
  double loss = 0;
  for (Real logp : minillm_testing::run_forward(model, batch).logp) loss -= logp;
  EXPECT_THAT(check_fresh_loss(loss / static_cast<double>(batch.target_count()), config.vocab_size),
              StartsWith("initial loss 2."));
}

TEST(Preflight, APreferenceLossStartsWhereItMust) {
  EXPECT_THAT(check_preference_start(std::numbers::ln2, std::numbers::ln2), HasSubstr("0.693147"));
  EXPECT_ERROR(check_preference_start(0.70, std::numbers::ln2), "expected 0.693147, got 0.700000");
  EXPECT_ERROR(check_preference_start(std::nan(""), std::numbers::ln2), "its own reference");
}

TEST(Preflight, CountsSequencesWithoutTargets) {
  EXPECT_EQ(check_targets(10, 0, 50, 200),
            "50 of 200 tokens (25.0 %) carry loss; 0 of 10 sequences have none");
  EXPECT_THAT(check_targets(10, 3, 50, 200), StartsWith("warning: "));
  EXPECT_ERROR(check_targets(10, 10, 0, 200), "no token carries loss");
}

TEST(Preflight, CountsIdenticalPairs) {
  EXPECT_EQ(check_identical_pairs(0, 8),
            "chosen and rejected are the same in 0 of 8 pairs (0.0 %)");
  EXPECT_EQ(check_identical_pairs(1, 8),
            "warning: chosen and rejected are the same in 1 of 8 pairs (12.5 %)");
  EXPECT_ERROR(check_identical_pairs(8, 8), "nothing to prefer");
}

TEST(Preflight, MemoryNeedIsWhatModelAndWorkspaceTake) {
  const ModelConfig config = minillm_testing::tiny_config();
  const MemoryNeed need = memory_need(config, 100, 50, 1000);
  const double arena = static_cast<double>(Model(config).parameters().size_bytes());
  EXPECT_EQ(need.parameters, arena);
  EXPECT_EQ(need.gradients, arena);
  EXPECT_EQ(need.moments, 2 * arena);
  TrainConfig train;
  train.accumulation_steps = 16;
  train.slots = 13;
  const auto with = [&](Index rank, Index ranks) {
    return memory_need(config, 100, 50, 1000, Workspace::Mode::kTraining, nullptr,
                       minillm::step_memory(train, make_tensor_table(config), rank, ranks));
  };
  EXPECT_EQ(with(0, 1).gradients, 5 * arena);
  EXPECT_EQ(with(0, 1).moments, 2 * arena);
  EXPECT_EQ(with(0, 1).staging, 0);
  // Slots 0 to 5 of 13: [0, 4) and [4, 6), the first of which takes two buffers more.
  EXPECT_EQ(with(0, 2).gradients, 4 * arena);
  EXPECT_NEAR(with(1, 2).moments, arena, 0.05 * arena);
  EXPECT_GT(with(0, 2).staging, 0);
  // Four replicas on two ranks: two of everything each, where they began, half of the momentum.
  train.slots = 1;
  train.outer.replicas = 4;
  EXPECT_EQ(with(0, 2).parameters, 4 * arena);
  EXPECT_EQ(with(0, 2).gradients, 4 * arena);
  EXPECT_NEAR(with(0, 2).moments, 4.5 * arena, 0.05 * arena);
  EXPECT_EQ(need.activations + need.head,
            Workspace::bytes(config, 100, 50, Workspace::Mode::kTraining));
  // A chunk of 50 rows: logits, hidden states and their gradient.
  EXPECT_EQ(need.head, 50.0 * static_cast<double>(sizeof(Real)) *
                           static_cast<double>(config.vocab_size + 2 * config.hidden_size));
  EXPECT_EQ(need.total(), 4 * arena + need.activations + need.head + need.packing + 1000);
}

// Muon remembers one number where AdamW remembers two, on whichever rank, and on the disk.
TEST(Preflight, MemoryNeedIsTheOptimizers) {
  const ModelConfig config = minillm_testing::tiny_config();
  const TensorTable table = make_tensor_table(config);
  TrainConfig train;
  train.slots = train.accumulation_steps = 8;
  const StepMemory adamw = step_memory(train, table);
  train.optimizer = "muon";
  Optimizer optimizer(table, optimizer_config(train));
  const auto numbers = static_cast<double>(
      optimizer.exp_avg().size() + optimizer.exp_avg_sq().size() + optimizer.momentum().size());
  const auto size = static_cast<double>(table.size());
  const StepMemory muon = step_memory(train, table);
  EXPECT_NEAR(muon.moments * size, numbers, 0.01);
  EXPECT_LT(muon.moments, adamw.moments);
  EXPECT_GT(muon.scratch, adamw.scratch);
  EXPECT_NEAR(optimizer_arrays(train, table) * size, numbers, 0.01);
  double of_ranks = 0;
  for (Index rank = 0; rank < 3; ++rank) {
    const std::vector<ElementRange> own = parts_of_rank(optimizer_parts(table, true), rank, 3);
    Optimizer part(table, optimizer_config(train), {}, own);
    const auto theirs = static_cast<double>(part.exp_avg().size() + part.exp_avg_sq().size() +
                                            part.momentum().size());
    const double told = step_memory(train, table, rank, 3).moments;
    EXPECT_NEAR(told * size, theirs, 0.01);
    of_ranks += told;
  }
  EXPECT_NEAR(of_ranks, muon.moments, 1e-9);
  train.outer.replicas = 2;
  EXPECT_NEAR(optimizer_arrays(train, table) * size, 2 * numbers + size, 0.01);
}

TEST(Preflight, TellsEveryPartOfTheMemory) {
  const MemoryNeed need{.parameters = 1e6,
                        .gradients = 1e6,
                        .moments = 2e6,
                        .activations = 30e6,
                        .head = 4e6,
                        .packing = 5e6,
                        .evaluation = 3e6,
                        .data = 6e6,
                        .program = 7e6};
  const std::string table = memory_table(need, 1e9);
  for (const char* line :
       {"parameters      1.0 MB", "gradients       1.0 MB", "moments         2.0 MB",
        "activations    30.0 MB", "head            4.0 MB", "packing         5.0 MB",
        "evaluation      3.0 MB", "data            6.0 MB", "program         7.0 MB",
        "total          59.0 MB", "of 1000.0 MB available"})
    EXPECT_THAT(table, HasSubstr(line));
  EXPECT_THAT(memory_table(need, std::nullopt), Not(HasSubstr("available")));
  EXPECT_GT(resident_memory(), 1e5);
  EXPECT_EQ(resident_memory("/nowhere"), 0);
}

TEST(Preflight, RefusesARunThatDoesNotFit) {
  const MemoryNeed model_heavy{
      .parameters = 1e9, .gradients = 1e9, .moments = 2e9, .activations = 1e9};
  EXPECT_THAT(check_memory(model_heavy, 10e9), HasSubstr("about 5000.0 MB (parameters 1000.0 MB"));
  EXPECT_THAT(check_memory(model_heavy, std::nullopt), Not(HasSubstr("available")));
  EXPECT_ERROR(check_memory(model_heavy, 5.1e9),
               "expected at most 90 % of the available 5100.0 MB, got 5000.0 MB");
  EXPECT_ERROR(check_memory(model_heavy, 5.1e9), "(make the model smaller)");
  const MemoryNeed batch_heavy{.parameters = 1e9, .activations = 2e9};
  EXPECT_ERROR(check_memory(batch_heavy, 3e9),
               "make train.batch_tokens, and train.accumulation_steps larger, smaller");
  try {
    check_memory(model_heavy, 1e9);
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.exit_code(), ExitCode::kUsage);
  }
}

TEST(Preflight, RefusesARunWhoseCheckpointsDoNotFitOnTheDisk) {
  const ModelConfig config = minillm_testing::tiny_config();
  const DiskNeed need = disk_need(config.parameter_count(), 2, true);
  EXPECT_EQ(need.checkpoints, 4);
  EXPECT_NEAR(need.checkpoint, 12.0 * static_cast<double>(config.parameter_count()), 1.1e6);
  const auto bytes = [&](double checkpoints) {
    return static_cast<uint64_t>(checkpoints * need.checkpoint) + 1;
  };
  EXPECT_THAT(check_disk(need, 0, bytes(4), "runs/a"), HasSubstr("up to 4 checkpoints of "));
  EXPECT_THAT(check_disk(need, 0, std::nullopt, "runs/a"), HasSubstr("up to 4 checkpoints of "));
  EXPECT_ERROR(check_disk(need, 0, bytes(3.9), "runs/a"),
               "disk: too little for this run in 'runs/a': expected room for 4 checkpoints of ");
  EXPECT_NO_THROW(check_disk(need, 3, bytes(1), "runs/a"));
  EXPECT_ERROR(check_disk(need, 3, bytes(0.9), "runs/a"), "(3 there already)");
}

TEST(Preflight, AvailableMemoryIsTheTightestLimit) {
  TempDir root;
  std::filesystem::create_directories(root.file("proc"));
  std::filesystem::create_directories(root.file("sys/fs/cgroup/memory"));
  EXPECT_EQ(available_memory(root.path()), std::nullopt);

  root.write("proc/meminfo", "MemTotal:  100 kB\nMemFree:  50 kB\nMemAvailable:   60 kB\n");
  EXPECT_EQ(available_memory(root.path()), 60 * 1024);

  root.write("sys/fs/cgroup/memory.max", "max\n");
  root.write("sys/fs/cgroup/memory.current", "1000\n");
  EXPECT_EQ(available_memory(root.path()), 60 * 1024);

  root.write("sys/fs/cgroup/memory.max", "20000\n");
  root.write("sys/fs/cgroup/memory.stat", "anon 300\ninactive_file 400\n");
  EXPECT_EQ(available_memory(root.path()), 20000 - 1000 + 400);

  root.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "500\n");
  root.write("sys/fs/cgroup/memory/memory.usage_in_bytes", "600\n");
  EXPECT_EQ(available_memory(root.path()), 0);
}

TEST(Preflight, KnowsTheMemoryOfThisMachine) {
  const auto available = available_memory();
  ASSERT_TRUE(available.has_value());
  EXPECT_GT(*available, 1e6);
}

}  // namespace
}  // namespace minillm
