// A model whose matrices are kept in bfloat16: every number is that of the same model in Real.

#include "libminillm/nn/parameter_store.h"

#include <gtest/gtest.h>

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

// The same numbers, which bfloat16 can hold, kept in both ways.
struct BothWays {
  Model half, real;
  explicit BothWays(const ModelConfig& config)
      : half(copy_of(random_model(config), Storage::kBfloat16)),
        real(copy_of(half, Storage::kReal)) {}
};

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

TEST(ParameterStore, OfBfloat16GivesTheBitsOfTheSameNumbersInReal) {
  const TokenBatch batch = random_batch({5, 40, 1}, V);
  for (const char* family : {"llama", "qwen2", "qwen3", "granite"}) {
    for (const auto precision : {Precision::kFloat, Precision::kBfloat16}) {
      BothWays models(as_family(medium_config(), family));
      models.half.set_precision(precision);
      models.real.set_precision(precision);
      const auto half = run_forward(models.half, batch), real = run_forward(models.real, batch);
      expect_same_bits(half.hidden, real.hidden, family);
      expect_same_bits(half.logp, real.logp, family);
    }
  }
}

TEST(ParameterStore, OfBfloat16IsPackedAsTheSameNumbersInReal) {
  const BothWays models(medium_config());
  const TokenBatch batch = random_batch({20}, V);
  for (const auto precision : {Precision::kFloat, Precision::kBfloat16, Precision::kInt8}) {
    std::vector<std::vector<Real>> hidden;
    for (const Model* model : {&models.half, &models.real}) {
      const PackedWeights packed(model->config(), model->weights(), precision);
      Workspace workspace(model->config(), batch.rows(), batch.target_count(),
                          Workspace::Mode::kInference);
      model->forward(batch, workspace, packed.weights());
      hidden.push_back(minillm_testing::copy_rows(workspace.hidden(batch.rows())));
    }
    expect_same_bits(hidden[0], hidden[1], "hidden");
  }
}

TEST(ParameterStore, AnAdapterOnBfloat16HasTheGradientOfOneOnTheSameNumbersInReal) {
  for (const AdapterKind kind : minillm_testing::kAdapterKinds) {
    BothWays models(medium_config());
    std::vector<std::vector<Real>> gradients;
    for (Model* model : {&models.half, &models.real}) {
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

TEST(ParameterStore, WhatIsMadeOfAModelInBfloat16IsWhatIsMadeOfTheSameInReal) {
  BothWays models(medium_config());
  AdapterShape shape;
  shape.updates = {{0, Module::kQ, 2, 1.0}};
  shape.tokens = {3, 9};
  const auto initialised = [&](const Model& model) {
    auto adapter = std::make_shared<Adapter>(model.config(), shape);
    adapter->initialize(1, model.weights());
    return adapter;
  };
  const auto adapter = initialised(models.half);
  expect_same_bits(adapter->parameters(), initialised(models.real)->parameters(), "new rows");
  models.half.adapt(adapter);
  models.real.adapt(adapter);
  expect_same_bits(merged(models.half).parameters(), merged(models.real).parameters(), "merged");
  const Model scoring = with_heads(models.half, Heads::kBoth);
  EXPECT_EQ(scoring.store().storage(), Storage::kBfloat16);
  expect_same_bits(copy_of(scoring, Storage::kReal).parameters(),
                   with_heads(models.real, Heads::kBoth).parameters(), "with heads");
}

TEST(ParameterStore, OfBfloat16CannotBeTrainedOrDrawnAnew) {
  Model half(medium_config(), Storage::kBfloat16);
  EXPECT_ERROR(half.initialize(1), "expected parameters in Real, got bfloat16");
  EXPECT_ERROR(half.gradients(), "kept in bfloat16, which cannot be trained: expected an adapter");
}

}  // namespace
}  // namespace minillm
