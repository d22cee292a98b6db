// Adapters: what they change, that they change nothing else, and the promises about bits.

#include "libminillm/nn/adapter_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "libminillm/nn/adapter_composition.h"
#include "libminillm/nn/trainable.h"
#include "tests/testing/compare.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/tiny_model.h"

namespace minillm {
namespace {

using minillm_testing::append_sequence;
using minillm_testing::by_precision;
using minillm_testing::copy_rows;
using minillm_testing::expect_same_bits;
using minillm_testing::medium_config;
using minillm_testing::PassResult;
using minillm_testing::random_adapter;
using minillm_testing::random_batch;
using minillm_testing::random_model;
using minillm_testing::run_backward;
using minillm_testing::run_forward;

constexpr Index V = 531;

Model adapted_model(uint64_t seed = 1) {
  Model model = random_model(medium_config());
  model.adapt(random_adapter(medium_config(), seed));
  return model;
}

double largest_difference(std::span<const Real> a, std::span<const Real> b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(double{a[i]} - double{b[i]}));
  return largest;
}

TEST(LoraShape, HasTheScaleOfItsConfig) {
  const ModelConfig model = minillm_testing::tiny_config();
  const auto scale = [&](double alpha, const std::string& scaling) {
    return lora_shape(model, {.rank = 16, .alpha = alpha, .scaling = scaling}).updates[0].scale;
  };
  EXPECT_EQ(scale(8, "alpha/r"), 0.5);
  EXPECT_EQ(scale(8, "alpha/sqrt(r)"), 2);
  EXPECT_EQ(scale(0, "alpha/r"), 1);
  const AdapterShape some = lora_shape(model, {.rank = 2, .targets = {"v_proj", "q"}});
  ASSERT_EQ(some.updates.size(), 4u);
  EXPECT_EQ(some.updates[1].module, Module::kV);
  EXPECT_EQ(some.updates[2].layer, 1);
  EXPECT_FALSE(some.score);
}

TEST(LoraShape, NamesWhatIsWrong) {
  const ModelConfig model = minillm_testing::tiny_config();
  EXPECT_ERROR(lora_shape(model, {.rank = 2, .targets = {"q", "vproj"}}),
               "config: lora.targets: 'vproj': expected one of q, k, v, o, gate, up, down");
  EXPECT_ERROR(lora_shape(model, {.rank = 2, .targets = {"q", "q_proj"}}), "is named twice");
  EXPECT_ERROR(lora_shape(model, {.rank = 2, .targets = {"lm_head"}}), "'lm_head': expected one");
  EXPECT_ERROR(lora_shape(model, {.rank = 2, .targets = {}}), "expected at least one of");
  EXPECT_ERROR(lora_shape(model, {.rank = -1}), "lora.rank: expected 1 to");
  EXPECT_ERROR(lora_shape(model, {.rank = 2, .scaling = "r"}),
               "lora.scaling: expected \"alpha/r\"");
  EXPECT_ERROR(lora_shape(model, {.rank = 2, .alpha = NAN}), "lora.alpha: expected 0 or more");
  EXPECT_ERROR(lora_shape(model, {.rank = 2, .b_rate = 0}),
               "lora.b_rate: expected a number over 0");
}

TEST(Adapter, ListsPeftsNamesWithTheFactorsOfAFusedProductAdjacent) {
  const ModelConfig model = minillm_testing::tiny_config();
  const Adapter adapter(model, lora_shape(model, {.rank = 3, .targets = {"q", "v", "down"}}));
  const auto& tensors = adapter.tensors().tensors();
  ASSERT_EQ(tensors.size(), 12u);
  EXPECT_EQ(tensors[0].name, "model.layers.0.self_attn.q_proj.lora_A.weight");
  EXPECT_EQ(tensors[1].name, "model.layers.0.self_attn.v_proj.lora_A.weight");
  EXPECT_EQ(tensors[2].name, "model.layers.0.self_attn.q_proj.lora_B.weight");
  EXPECT_EQ(tensors[4].name, "model.layers.0.mlp.down_proj.lora_A.weight");
  EXPECT_EQ(tensors[4].shape, (std::vector<Index>{3, 14}));
  EXPECT_EQ(tensors[5].shape, (std::vector<Index>{3, 8}));  // turned
  EXPECT_EQ(adapter.inner_states(), 9);
}

TEST(Adapter, ThatIsNewChangesNoNumberAndOnlyBHasAGradient) {
  Model model = random_model(medium_config());
  const TokenBatch batch = random_batch({40, 7}, V);
  const std::vector<Real> plain = run_forward(model, batch).logp;
  const auto adapter =
      std::make_shared<Adapter>(medium_config(), lora_shape(medium_config(), {.rank = 4}));
  adapter->initialize(3, model.weights());
  model.adapt(adapter);
  const PassResult result = run_backward(model, batch);
  EXPECT_TRUE(std::ranges::equal(result.logp, plain));
  for (const TensorInfo& tensor : adapter->tensors().tensors()) {
    const auto gradient = tensor_span(std::span(result.gradients), tensor);
    const bool zero = std::ranges::all_of(gradient, [](Real g) { return g == 0; });
    EXPECT_EQ(zero, tensor.name.ends_with("lora_A.weight")) << tensor.name;
    const auto values = tensor_span(adapter->parameters(), tensor);
    const double bound = 1 / std::sqrt(static_cast<double>(tensor.shape.back()));
    if (!zero) continue;
    double squares = 0;
    for (const Real w : values) {
      EXPECT_LE(std::abs(w), bound);
      squares += double{w} * double{w};
    }
    EXPECT_NEAR(squares / static_cast<double>(values.size()), bound * bound / 3,
                0.2 * bound * bound / 3);
  }
}

TEST(Adapter, IsTrainedWhileTheModelStaysAsItIs) {
  Model model = random_model(medium_config());
  const std::vector<Real> before(model.parameters().begin(), model.parameters().end());
  model.adapt(random_adapter(medium_config()));
  const Trainable trained = trainable_of(model);
  EXPECT_EQ(trained.tensors, &model.adapter()->tensors());
  const TokenBatch batch = random_batch({40}, V);
  const PassResult result = run_backward(model, batch);
  EXPECT_EQ(result.gradients.size(), trained.parameters.size());
  EXPECT_EQ(model.gradient_views().embed.data, nullptr);
  EXPECT_EQ(model.gradient_views().blocks[1].wo.data, nullptr);
  expect_same_bits(model.parameters(), before, "the model");
}

TEST(Adapter, MergedHasTheLogProbabilitiesOfTheAdaptedModel) {
  const Model model = adapted_model();
  const TokenBatch batch = random_batch({90, 30}, V);
  const std::vector<Real> plain = run_forward(random_model(medium_config()), batch).logp;
  const std::vector<Real> adapted = run_forward(model, batch).logp;
  const Model whole = merged(model);
  EXPECT_EQ(whole.adapter(), nullptr);
  EXPECT_GT(largest_difference(adapted, plain), 0.05);
  EXPECT_LT(largest_difference(run_forward(whole, batch).logp, adapted), by_precision(1e-4, 1e-11));
}

// Every matrix by itself: an update that is read with a wrong shape, offset or scale is seen.
TEST(Adapter, OfOneModuleIsThatModulesMatrixOnly) {
  const TokenBatch batch = random_batch({30}, V);
  for (int m = 0; m < kMatrixModules; ++m) {
    Model model = random_model(medium_config());
    const std::vector<Real> before(model.parameters().begin(), model.parameters().end());
    model.adapt(random_adapter(medium_config(), 1, 1u << m));
    const Model whole = merged(model);
    for (const TensorInfo& tensor : model.tensors().tensors()) {
      const auto after = tensor_span(whole.parameters(), tensor);
      const bool same = std::ranges::equal(after, tensor_span(std::span(before), tensor));
      const bool own =  // and the embedding, for its replaced rows
          tensor.name == "model.embed_tokens.weight" ||
          tensor.name.ends_with(path_in_block(static_cast<Module>(m)) + std::string(".weight"));
      EXPECT_EQ(same, !own) << tensor.name;
    }
    EXPECT_LT(largest_difference(run_forward(whole, batch).logp, run_forward(model, batch).logp),
              by_precision(1e-4, 1e-11))
        << m;
  }
}

// Several tenants in one batch: each has the bits of its own adapter alone, and of none without.
TEST(AdaptedWeights, GiveEverySegmentTheBitsOfItsAdapterAlone) {
  const Model base = random_model(medium_config());
  std::vector<std::shared_ptr<Adapter>> adapters;
  std::vector<const Adapter*> all;
  for (const uint64_t seed : {1, 2, 3}) {
    adapters.push_back(random_adapter(medium_config(), seed, seed == 2 ? 0b1010101u : 127u));
    all.push_back(adapters.back().get());
  }
  const AdaptedWeights weights(base.weights(), all);
  TokenBatch batch = random_batch({20, 3, 41, 1, 17, 8, 30}, V);
  const std::vector<Index> order = {2, 2, -1, 0, 1, 0, -1};
  Index inner = 0;
  for (const auto& adapter : adapters) inner = std::max(inner, adapter->inner_states());
  for (size_t s = 0; s < order.size(); ++s) batch.segments[s].adapter = order[s];
  Workspace workspace(base.config(), batch.rows(), batch.target_count(),
                      Workspace::Mode::kInference, inner);
  base.forward(batch, workspace, weights.weights());
  const std::vector<Real> hidden = copy_rows(workspace.hidden(batch.rows()));
  for (size_t s = 0; s < order.size(); ++s) {
    const Segment& segment = batch.segments[s];
    TokenBatch alone;
    append_sequence(alone, std::span(batch.tokens)
                               .subspan(static_cast<size_t>(segment.begin),
                                        static_cast<size_t>(segment.length())));
    Model model = random_model(medium_config());
    if (order[s] >= 0) model.adapt(adapters[static_cast<size_t>(order[s])]);
    const std::vector<Real> own = run_forward(model, alone).hidden;
    expect_same_bits({hidden.data() + segment.begin * 264, own.size()}, own,
                     "segment " + std::to_string(s));
  }
  batch.segments[3].adapter = 3;
  EXPECT_ERROR(base.forward(batch, workspace, weights.weights()),
               "names adapter 3: expected -1 (none) to 2");
  Workspace small(base.config(), batch.rows(), 1, Workspace::Mode::kInference, 2);
  EXPECT_ERROR(base.forward(batch, small, weights.weights()), "workspace has room for 2");
}

// Weights with an adapter around them have its rows in the head, too, whatever the model has: what
// reinforcement learning compares its policy with.
TEST(AdaptedWeights, HaveTheHeadOfTheirOwnAdapter) {
  Model model = adapted_model(1);
  const TokenBatch batch = random_batch({25, 8}, V);
  const std::vector<Real> start = run_forward(model, batch).logp;
  const Adapter kept = with_score(*model.adapter(), model.config(), false);
  const Adapter* one[] = {&kept};
  const AdaptedWeights weights(model.weights(), one);
  for (Real& w : model.adapter()->parameters()) w += Real{0.5};  // it is trained on
  Workspace workspace = minillm_testing::training_workspace(model, batch);
  model.forward(batch, workspace, weights.weights());
  expect_same_bits(model.log_probs(batch, workspace, weights.weights()), start, "the start");
}

TEST(Adapter, IsSwitchedWithoutATrace) {
  Model model = random_model(medium_config());
  const TokenBatch batch = random_batch({25}, V);
  const std::vector<Real> none = run_forward(model, batch).logp;
  const auto a = random_adapter(medium_config(), 1), b = random_adapter(medium_config(), 2);
  std::vector<std::vector<Real>> logp;
  for (const auto& adapter : {a, b, a}) {
    model.adapt(adapter);
    logp.push_back(run_forward(model, batch).logp);
  }
  expect_same_bits(logp[2], logp[0], "the first one again");
  EXPECT_GT(largest_difference(logp[0], logp[1]), 0.01);
  model.adapt(nullptr);
  expect_same_bits(run_forward(model, batch).logp, none, "none");
}

TEST(Composition, IsTheSumOfTheUpdatesAndNotTheProductOfTheirMeans) {
  const ModelConfig config = medium_config();
  const TokenBatch batch = random_batch({40}, V);
  const auto a = random_adapter(config, 1), b = random_adapter(config, 2, 0b0110011u);
  const auto with = [&](double first, double second) {
    Model model = random_model(config);
    const WeightedAdapter both[] = {{a.get(), first}, {b.get(), second}};
    model.adapt(std::make_shared<Adapter>(composed(model, both)));
    return model;
  };
  Model alone = random_model(config);
  alone.adapt(a);
  expect_same_bits(run_forward(with(1, 0), batch).logp, run_forward(alone, batch).logp,
                   "weights 1 and 0");
  // In the weights: the base, plus each difference by its weight.
  const Model base = random_model(config), sum = merged(with(1.5, -0.5));
  const Model first = merged(alone);
  alone.adapt(b);
  const Model second = merged(alone);
  double worst = 0;
  for (size_t i = 0; i < base.parameters().size(); ++i) {
    const double w = base.parameters()[i];
    const double expected =
        w + 1.5 * (double{first.parameters()[i]} - w) - 0.5 * (double{second.parameters()[i]} - w);
    worst = std::max(worst, std::abs(double{sum.parameters()[i]} - expected));
  }
  EXPECT_LT(worst, by_precision(1e-6, 1e-14));
}

TEST(Composition, TakesOneScoreHead) {
  ModelConfig config = medium_config();
  config.heads = Heads::kScore;
  const auto a = random_adapter(config, 1), b = random_adapter(config, 2);
  const WeightedAdapter both[] = {{a.get(), 1}, {b.get(), 1}};
  EXPECT_ERROR(composed(random_model(config), both), "two have a score head");
}

TEST(WithHeads, CarriesTheAdapter) {
  const Model model = adapted_model();
  const Model critic = with_heads(model, Heads::kBoth);
  ASSERT_NE(critic.adapter(), nullptr);
  EXPECT_TRUE(critic.adapter()->shape().score);
  const TokenBatch batch = random_batch({25}, V);
  expect_same_bits(run_forward(critic, batch).logp, run_forward(model, batch).logp, "logp");
  const Model back = with_heads(critic, Heads::kLanguageModel);
  expect_same_bits(back.adapter()->parameters(), model.adapter()->parameters(), "parameters");
}

}  // namespace
}  // namespace minillm
