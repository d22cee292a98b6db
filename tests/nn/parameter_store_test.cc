// A model whose matrices are narrow: every number is that of the same model in Real.

#include "libminillm/nn/parameter_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "libminillm/nn/adapter_composition.h"
#include "libminillm/nn/packed_weights.h"
#include "libminillm/nn/virtual_tokens.h"
#include "tests/testing/compare.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/tiny_model.h"

namespace minillm {
namespace {

using minillm_testing::AdapterKind;
using minillm_testing::as_family;
using minillm_testing::expect_same_bits;
using minillm_testing::medium_config;
using minillm_testing::random_batch;
using minillm_testing::random_model;
using minillm_testing::run_forward;

constexpr Index V = 531;

// The same numbers, which the narrow ones can hold, kept in both ways.
struct BothWays {
  Model narrow, real;
  BothWays(const ModelConfig& config, Storage storage)
      : narrow(copy_of(random_model(config), storage)), real(copy_of(narrow, Storage::kReal)) {}
};

class NarrowStore : public testing::TestWithParam<Storage> {};
INSTANTIATE_TEST_SUITE_P(All, NarrowStore, testing::Values(Storage::kBfloat16, Storage::kInt8),
                         [](const auto& instance) {
                           return instance.param == Storage::kInt8 ? "Int8" : "Bfloat16";
                         });

TEST(ParameterStore, HalvesTheMatricesAndKeepsTheGains) {
  for (const bool tied : {true, false}) {
    ModelConfig config = as_family(medium_config(), "qwen2");
    config.tie_word_embeddings = tied;
    const Model exact = random_model(config), half = copy_of(exact, Storage::kBfloat16);
    EXPECT_TRUE(half.parameters().empty());
    EXPECT_LT(half.store().bytes(), 0.51 * exact.store().bytes());
    for (const TensorInfo& tensor : exact.tensors().tensors()) {
      std::vector<Real> read(static_cast<size_t>(tensor.size));
      half.store().read(tensor, 0, read);
      const auto own = tensor_span(exact.parameters(), tensor);
      for (size_t i = 0; i < read.size(); ++i) {
        const Real expected = tensor.shape.size() == 1
                                  ? own[i]
                                  : static_cast<Real>(bfloat16_to_float(
                                        float_to_bfloat16(static_cast<float>(own[i]))));
        ASSERT_EQ(read[i], expected) << tensor.name << " " << i;
      }
    }
  }
}

// A block of a row has one scale, of which 16 bits count: numbers come out within half a step, and
// rounding again changes nothing.
TEST(ParameterStore, RoundsToInt8WithinHalfAStepOfTheBlocksLargest) {
  const Model exact = random_model(medium_config()), bytes = copy_of(exact, Storage::kInt8);
  EXPECT_LT(bytes.store().bytes(), 0.28 * exact.store().bytes());
  const Model twice = copy_of(copy_of(bytes, Storage::kReal), Storage::kInt8);
  for (const TensorInfo& tensor : exact.tensors().tensors()) {
    if (tensor.shape.size() < 2) continue;
    const auto own = tensor_span(exact.parameters(), tensor);
    std::vector<Real> read(own.size()), again(own.size());
    bytes.store().read(tensor, 0, read);
    twice.store().read(tensor, 0, again);
    expect_same_bits(again, read, tensor.name);
    const auto cols = static_cast<size_t>(tensor.shape[1]);
    for (size_t row = 0; row < own.size(); row += cols)
      for (size_t begin = 0; begin < cols; begin += kInt8Block) {
        Real largest = 0, error = 0;
        for (size_t i = row + begin; i < row + std::min<size_t>(begin + kInt8Block, cols); ++i) {
          largest = std::max(largest, std::abs(own[i]));
          error = std::max(error, std::abs(read[i] - own[i]));
        }
        ASSERT_GT(error, 0) << tensor.name;
        ASSERT_LE(error, largest / 127 * 0.5001) << tensor.name;
      }
  }
}

TEST_P(NarrowStore, GivesTheBitsOfTheSameNumbersInReal) {
  const TokenBatch batch = random_batch({5, 40, 1}, V);
  for (const char* family : {"llama", "qwen2", "qwen3", "granite"}) {
    for (const auto precision : {Precision::kFloat, Precision::kBfloat16}) {
      BothWays models(as_family(medium_config(), family), GetParam());
      models.narrow.set_precision(precision);
      models.real.set_precision(precision);
      const auto narrow = run_forward(models.narrow, batch), real = run_forward(models.real, batch);
      expect_same_bits(narrow.hidden, real.hidden, family);
      expect_same_bits(narrow.logp, real.logp, family);
    }
  }
}

TEST_P(NarrowStore, IsPackedAsTheSameNumbersInReal) {
  const BothWays models(medium_config(), GetParam());
  const TokenBatch batch = random_batch({20}, V);
  for (const auto precision : {Precision::kFloat, Precision::kBfloat16, Precision::kInt8}) {
    std::vector<std::vector<Real>> hidden;
    for (const Model* model : {&models.narrow, &models.real}) {
      const PackedWeights packed(model->config(), model->weights(), precision);
      Workspace workspace(model->config(), batch.rows(), batch.target_count(),
                          Workspace::Mode::kInference);
      model->forward(batch, workspace, packed.weights());
      hidden.push_back(minillm_testing::copy_rows(workspace.hidden(batch.rows())));
    }
    expect_same_bits(hidden[0], hidden[1], "hidden");
  }
}

TEST_P(NarrowStore, AnAdapterOnItHasTheGradientOfOneOnTheSameNumbersInReal) {
  for (const AdapterKind kind : minillm_testing::kAdapterKinds) {
    BothWays models(medium_config(), GetParam());
    std::vector<std::vector<Real>> gradients;
    for (Model* model : {&models.narrow, &models.real}) {
      model->adapt(minillm_testing::random_adapter(kind, model->config()));
      const TokenBatch batch =
          minillm_testing::with_virtual_tokens(random_batch({20, 7}, V), model->virtual_tokens());
      const std::vector<Real> dlogp(batch.targets.size(), Real{0.5});
      Workspace workspace = minillm_testing::training_workspace(*model, batch);
      model->gradients();
      model->forward(batch, workspace);
      model->backward(batch, dlogp, workspace);
      gradients.emplace_back(model->gradients().begin(), model->gradients().end());
    }
    expect_same_bits(gradients[0], gradients[1], minillm_testing::name_of(kind));
  }
}

TEST_P(NarrowStore, WhatIsMadeOfItIsWhatIsMadeOfTheSameInReal) {
  BothWays models(medium_config(), GetParam());
  AdapterShape shape;
  shape.updates = {{0, Module::kQ, 2, 1.0}};
  shape.tokens = {3, 9};
  const auto initialised = [&](const Model& model) {
    auto adapter = std::make_shared<Adapter>(model.config(), shape);
    adapter->initialize(1, model.weights());
    return adapter;
  };
  const auto adapter = initialised(models.narrow);
  expect_same_bits(adapter->parameters(), initialised(models.real)->parameters(), "new rows");
  models.narrow.adapt(adapter);
  models.real.adapt(adapter);
  expect_same_bits(merged(models.narrow).parameters(), merged(models.real).parameters(), "merged");
  const Model scoring = with_heads(models.narrow, Heads::kBoth);
  EXPECT_EQ(scoring.store().storage(), GetParam());
  expect_same_bits(copy_of(scoring, Storage::kReal).parameters(),
                   with_heads(models.real, Heads::kBoth).parameters(), "with heads");
}

TEST_P(NarrowStore, CannotBeTrainedOrDrawnAnew) {
  Model narrow(medium_config(), GetParam());
  EXPECT_ERROR(narrow.initialize(1), "expected parameters in Real, got narrow ones");
  EXPECT_ERROR(narrow.gradients(),
               "in bfloat16 or int8 and cannot be trained: expected an adapter");
}

}  // namespace
}  // namespace minillm
