// AdamW and Muon side by side, and what is whose.

#include "libminillm/optim/optimizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "libminillm/nn/adapter_config.h"
#include "libminillm/nn/parameters.h"
#include "libminillm/optim/grad_norm.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/grad_check.h"
#include "tests/testing/tiny_model.h"

namespace minillm {
namespace {

using minillm_testing::random_values;

constexpr double kRate = 1.0 / 128;

std::vector<Real> moved(const TensorTable& table, const OptimizerConfig& config,
                        std::span<const ElementRange> own, double learning_rate = kRate) {
  Optimizer optimizer(table, config, {}, own);
  std::vector<Real> weights = random_values(static_cast<size_t>(table.size()), 9);
  for (Index t = 1; t <= 2; ++t)
    optimizer.update(weights, random_values(weights.size(), static_cast<uint64_t>(t)), 0.5,
                     learning_rate, t);
  return weights;
}
std::vector<Real> moved(const TensorTable& table, const OptimizerConfig& config,
                        double learning_rate = kRate) {
  const std::vector<ElementRange> all = {{0, table.size()}};
  return moved(table, config, all, learning_rate);
}

// Untied, with biases: every kind of tensor that a model can have.
ModelConfig config_with_everything() {
  ModelConfig config = minillm_testing::tiny_config();
  config.tie_word_embeddings = false;
  config.extras.qkv_bias = config.extras.qk_norm = true;
  return config;
}

// The one list of tensors says which they are.
TEST(Optimizer, KnowsEmbeddingsAndMatricesOfBlocks) {
  const TensorTable table = make_tensor_table(config_with_everything());
  for (const TensorInfo& tensor : table.tensors()) {
    const bool of_embedding =
        tensor.name == "model.embed_tokens.weight" || tensor.name == "lm_head.weight";
    const bool of_block = tensor.name.find("_proj.weight") != std::string::npos;
    EXPECT_EQ(tensor.role, of_embedding ? TensorRole::kEmbedding
                           : of_block   ? TensorRole::kBlockMatrix
                                        : TensorRole::kOther)
        << tensor.name;
  }
}

// Of an adapter, the rows that it replaces are the embedding's; it has no matrices of a block.
TEST(Optimizer, KnowsAnAdaptersRows) {
  const ModelConfig config = config_with_everything();
  AdapterShape shape = lora_shape(config, {.rank = 2});
  shape.tokens = {1, 4};
  const Adapter adapter(config, shape);
  EXPECT_EQ(elements_in(adapter.tensors().ranges_of(TensorRole::kEmbedding)),
            2 * 2 * config.hidden_size);
  EXPECT_TRUE(adapter.tensors().ranges_of(TensorRole::kBlockMatrix).empty());
}

TEST(Optimizer, MovesTheEmbeddingAtItsOwnRate) {
  const TensorTable table = make_tensor_table(config_with_everything());
  for (const bool muon : {false, true}) {
    OptimizerConfig config;
    if (muon) config.muon.emplace();
    const std::vector<Real> slow = moved(table, config), fast = moved(table, config, 4 * kRate);
    config.adamw.embedding_rate = 4;
    const std::vector<Real> own_rate = moved(table, config);
    for (const TensorInfo& tensor : table.tensors())
      for (Index i = tensor.offset; i < tensor.offset + tensor.size; ++i) {
        const auto k = static_cast<size_t>(i);
        ASSERT_EQ(own_rate[k], tensor.role == TensorRole::kEmbedding ? fast[k] : slow[k])
            << tensor.name;
      }
  }
}

TEST(Optimizer, LeavesWhatIsNoMatrixOfABlockToAdamW) {
  const TensorTable table = make_tensor_table(config_with_everything());
  const std::vector<Real> adamw = moved(table, {}), both = moved(table, {{}, MuonConfig()});
  for (const TensorInfo& tensor : table.tensors())
    for (Index i = tensor.offset; i < tensor.offset + tensor.size; ++i)
      ASSERT_EQ(both[static_cast<size_t>(i)] == adamw[static_cast<size_t>(i)],
                tensor.role != TensorRole::kBlockMatrix)
          << tensor.name;
}

TEST(Optimizer, RemembersOneNumberOfAMatrixAndTwoOfTheRest) {
  const TensorTable table = make_tensor_table(config_with_everything());
  Optimizer adamw(table, {}), both(table, {{}, MuonConfig()});
  EXPECT_EQ(std::ssize(adamw.exp_avg()), table.size());
  EXPECT_TRUE(adamw.momentum().empty());
  EXPECT_EQ(std::ssize(both.momentum()), elements_in(table.ranges_of(TensorRole::kBlockMatrix)));
  EXPECT_EQ(std::ssize(both.exp_avg()) + std::ssize(both.momentum()), table.size());
  EXPECT_EQ(both.exp_avg_sq().size(), both.exp_avg().size());
}

// Of whom the parts are does not matter: as one, or dealt out in turn.
TEST(Optimizer, HasTheSameBitsInParts) {
  const TensorTable table = make_tensor_table(config_with_everything());
  for (const bool muon : {false, true}) {
    OptimizerConfig config;
    if (muon) config.muon.emplace();
    const std::vector<ElementRange> parts = optimizer_parts(table, muon);
    EXPECT_LE(std::ssize(parts), kNormParts);
    Index end = 0;
    for (const ElementRange& part : parts) {
      EXPECT_EQ(part.begin, end);
      end = part.end;
    }
    EXPECT_EQ(end, table.size());
    const std::vector<Real> expected = moved(table, config);
    for (const size_t ranks : {2, 3, 4}) {
      std::vector<Real> weights(expected.size());
      for (size_t rank = 0; rank < ranks; ++rank) {
        std::vector<ElementRange> own;
        for (size_t p = rank; p < parts.size(); p += ranks) own.push_back(parts[p]);
        const std::vector<Real> theirs = moved(table, config, own);
        for (const ElementRange& part : own)
          std::ranges::copy(part_of(std::span(theirs), part),
                            part_of(std::span(weights), part).begin());
      }
      EXPECT_EQ(weights, expected) << ranks << " ranks";
    }
  }
}

TEST(Optimizer, WantsAnEmbeddingRateAboveZero) {
  EXPECT_ERROR(Optimizer(TensorTable(), {.adamw = {.embedding_rate = 0}}),
               "config: train.embedding_rate: expected a number > 0, got 0");
}

}  // namespace
}  // namespace minillm
