// The promises about bits, for every kind of adapter, and what is special about each.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "libminillm/nn/adapter_composition.h"
#include "libminillm/nn/adapter_config.h"
#include "libminillm/nn/packed_weights.h"
#include "libminillm/nn/trainable.h"
#include "libminillm/nn/virtual_tokens.h"
#include "libminillm/objectives/next_token.h"
#include "tests/testing/compare.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/tiny_model.h"

namespace minillm {
namespace {

using minillm_testing::AdapterKind;
using minillm_testing::append_sequence;
using minillm_testing::copy_rows;
using minillm_testing::expect_same_bits;
using minillm_testing::kAdapterKinds;
using minillm_testing::medium_config;
using minillm_testing::name_of;
using minillm_testing::PassResult;
using minillm_testing::random_adapter;
using minillm_testing::random_batch;
using minillm_testing::random_model;
using minillm_testing::random_tokens;
using minillm_testing::run_backward;
using minillm_testing::run_forward;
using minillm_testing::ThreadCount;
using minillm_testing::with_virtual_tokens;

constexpr Index V = 531;

class EveryAdapterKind : public testing::TestWithParam<AdapterKind> {
 protected:
  static Model adapted_model() {
    Model model = random_model(medium_config());
    model.adapt(random_adapter(GetParam(), medium_config()));
    return model;
  }
};
INSTANTIATE_TEST_SUITE_P(Kinds, EveryAdapterKind, testing::ValuesIn(kAdapterKinds),
                         [](const auto& kind) { return name_of(kind.param); });

TEST_P(EveryAdapterKind, ChangesWhatTheModelSaysAndNoneOfItsWeights) {
  Model model = random_model(medium_config());
  const TokenBatch batch = random_batch({40, 9}, V);
  const std::vector<Real> plain = run_forward(model, batch).logp;
  const std::vector<Real> before(model.parameters().begin(), model.parameters().end());
  model.adapt(random_adapter(GetParam(), medium_config()));
  const PassResult result = run_backward(model, with_virtual_tokens(batch, model.virtual_tokens()));
  double largest = 0;
  for (size_t m = 0; m < plain.size(); ++m)
    largest = std::max(largest, std::abs(double{result.logp[m]} - double{plain[m]}));
  EXPECT_GT(largest, 0.02);
  expect_same_bits(model.parameters(), before, "the model");
  EXPECT_EQ(result.gradients.size(), model.adapter()->parameters().size());
  for (const TensorInfo& tensor : model.adapter()->tensors().tensors()) {
    const auto gradient = tensor_span(std::span(result.gradients), tensor);
    EXPECT_TRUE(std::ranges::any_of(gradient, [](Real g) { return g != 0; })) << tensor.name;
  }
}

TEST_P(EveryAdapterKind, KeepsThePromisesAboutBits) {
  Model model = adapted_model();
  const Index P = model.virtual_tokens();
  const TokenBatch batch = with_virtual_tokens(random_batch({5, 1, 70, 130, 33}, V), P);
  for (const Precision precision : {Precision::kFloat, Precision::kBfloat16}) {
    model.set_precision(precision);
    PassResult one;
    for (const int count : {1, 2, 3}) {
      const ThreadCount threads(count);
      const PassResult result = run_backward(model, batch);
      if (count == 1) one = result;
      expect_same_bits(result.logp, one.logp, "logp, threads " + std::to_string(count));
      expect_same_bits(result.gradients, one.gradients, "gradient, threads");
    }
    auto logp = one.logp.begin();
    for (const Segment& s : batch.segments) {
      TokenBatch alone;
      append_sequence(alone, std::span(batch.tokens)
                                 .subspan(static_cast<size_t>(s.begin + P),
                                          static_cast<size_t>(s.length() - P)));
      const PassResult own = run_forward(model, with_virtual_tokens(alone, P));
      expect_same_bits({logp, own.logp.size()}, own.logp, "a sequence alone");
      logp += std::ssize(own.logp);
    }
  }
}

// A prompt that several answers share has the virtual tokens once.
TEST_P(EveryAdapterKind, SharedPromptsHaveTheBitsOfWholeSequences) {
  const Model model = adapted_model();
  const std::vector<Token> prompt = random_tokens(20, V, 1);
  const std::vector<std::vector<Token>> answers = {random_tokens(9, V, 2), random_tokens(4, V, 3)};
  TokenBatch shared, apart;
  minillm_testing::append_shared_prompt(shared, prompt, answers);
  minillm_testing::append_separately(apart, prompt, answers);
  const Index P = model.virtual_tokens();
  expect_same_bits(run_forward(model, with_virtual_tokens(shared, P)).logp,
                   run_forward(model, with_virtual_tokens(apart, P)).logp, "logp");
}

TEST_P(EveryAdapterKind, RecomputedActivationsHaveTheBitsOfKeptOnes) {
  Model model = adapted_model();
  const std::span<Real> gradient = model.gradients();
  const TokenBatch batch =
      with_virtual_tokens(random_batch({40, 70, 3}, V), model.virtual_tokens());
  std::vector<Real> dlogp(batch.targets.size());
  next_token_gradient(dlogp, batch.targets);
  std::vector<std::vector<Real>> gradients;
  for (const auto mode : {Workspace::Mode::kTraining, Workspace::Mode::kRecompute}) {
    Workspace workspace(model.config(), batch.rows() + 5, batch.target_count(), mode,
                        model.inner_states() + 2);
    std::ranges::fill(gradient, Real{0});
    model.forward(batch, workspace);
    model.backward(batch, dlogp, workspace);
    gradients.emplace_back(gradient.begin(), gradient.end());
  }
  expect_same_bits(gradients[1], gradients[0], "gradient");
}

TEST_P(EveryAdapterKind, CachedDecodingGivesTheBitsOfOneForward) {
  const Model model = adapted_model();
  const TokenBatch whole = with_virtual_tokens(random_batch({60}, V), model.virtual_tokens());
  const Index T = whole.rows();
  const PassResult expected = run_forward(model, whole);
  const PackedWeights packed(model.config(), model.weights(), Precision::kFloat);
  for (const Index piece : {Index{1}, Index{7}}) {
    KvCache cache(model.config(), T);
    Workspace workspace(model.config(), piece, 1, Workspace::Mode::kInference,
                        model.inner_states());
    std::vector<Real> hidden;
    for (Index begin = 0; begin < T; begin += piece) {
      const Index end = std::min(begin + piece, T);
      const TokenBatch batch{{whole.tokens.begin() + begin, whole.tokens.begin() + end},
                             {{0, end - begin, 0, begin}},
                             {}};
      model.forward(batch, workspace, packed.weights(), &cache);
      std::ranges::copy(copy_rows(workspace.hidden(end - begin)), std::back_inserter(hidden));
    }
    expect_same_bits(hidden, expected.hidden, "pieces of " + std::to_string(piece));
  }
}

// All kinds in one batch, and none: each segment has the bits of its own alone.
TEST(AdapterKinds, OfAllKindsInOneBatchHaveTheirOwnBits) {
  const Model base = random_model(medium_config());
  std::vector<std::shared_ptr<Adapter>> adapters;
  std::vector<const Adapter*> all;
  Index inner = 0;
  for (const AdapterKind kind : kAdapterKinds) {
    adapters.push_back(random_adapter(kind, medium_config()));
    all.push_back(adapters.back().get());
    inner = std::max(inner, all.back()->inner_states());
  }
  const AdaptedWeights weights(base.weights(), all);
  TokenBatch batch;
  std::vector<std::vector<Real>> alone;
  for (const Index adapter : {3, 3, -1, 0, 2, 1, 0, -1, 2}) {
    TokenBatch plain;
    append_sequence(plain, random_tokens(5 + std::ssize(alone) * 3, V, alone.size()));
    Model model = random_model(medium_config());
    if (adapter >= 0) model.adapt(adapters[static_cast<size_t>(adapter)]);
    const TokenBatch own = with_virtual_tokens(plain, model.virtual_tokens());
    alone.push_back(run_forward(model, own).hidden);
    const Index begin = batch.rows();
    batch.tokens.insert(batch.tokens.end(), own.tokens.begin(), own.tokens.end());
    batch.segments.push_back({begin, batch.rows(), 0, 0, adapter});
  }
  Workspace workspace(base.config(), batch.rows(), 1, Workspace::Mode::kInference, inner);
  base.forward(batch, workspace, weights.weights());
  const std::vector<Real> hidden = copy_rows(workspace.hidden(batch.rows()));
  for (size_t s = 0; s < alone.size(); ++s)
    expect_same_bits({hidden.data() + batch.segments[s].begin * 264, alone[s].size()}, alone[s],
                     "segment " + std::to_string(s));
}

// --- virtual tokens

// A sequence's positions begin after them, and keys are used as they are stored: then virtual
// tokens that are what real ones give are those, to the bit.
TEST(VirtualTokens, ThatBeginAsRealOnesSayWhatTheseSay) {
  Model model = random_model(medium_config());
  const std::vector<Token> text = random_tokens(4, V, 9), own = random_tokens(30, V, 8);
  std::vector<Token> joined = text;
  joined.insert(joined.end(), own.begin(), own.end());
  TokenBatch real, plain;
  append_sequence(real, joined, 5);
  append_sequence(plain, own);
  const std::vector<Real> expected = run_forward(model, real).logp;
  for (const bool prefix : {false, true}) {
    AdapterShape shape;
    shape.virtual_tokens = 4;
    shape.prefix = prefix;
    const auto adapter = std::make_shared<Adapter>(model.config(), shape);
    model.adapt(nullptr);
    initialize_virtual_tokens(*adapter, model, text);
    model.adapt(adapter);
    expect_same_bits(run_forward(model, with_virtual_tokens(plain, 4)).logp, expected,
                     prefix ? "prefix" : "prompt");
  }
}

TEST(VirtualTokens, BeginAsATextRepeatedOrAsDrawnOnes) {
  AdapterShape shape;
  shape.virtual_tokens = 5;
  Adapter adapter(medium_config(), shape);
  const std::vector<Token> text = {7, 8, 9};
  EXPECT_THAT(tokens_to_begin_as(adapter, text, V, 1), testing::ElementsAre(7, 8, 9, 7, 8));
  const std::vector<Token> drawn = tokens_to_begin_as(adapter, {}, V, 1);
  EXPECT_EQ(drawn, tokens_to_begin_as(adapter, {}, V, 1));
  EXPECT_NE(drawn, tokens_to_begin_as(adapter, {}, V, 2));
  EXPECT_THAT(drawn, testing::Each(testing::AllOf(testing::Ge(0), testing::Lt(V))));
  EXPECT_ERROR(initialize_virtual_tokens(adapter, random_model(medium_config()), text),
               "virtual tokens: expected 5 to begin as, got 3");
}

// An adapter whose virtual tokens were left out would do nothing, in silence.
TEST(VirtualTokens, LeftOutOrMisplacedAreAnError) {
  Model model = random_model(medium_config());
  const TokenBatch plain = random_batch({6}, V);
  EXPECT_ERROR(run_forward(model, with_virtual_tokens(plain, 3)), "token id -3: expected 0 to 530");
  model.adapt(random_adapter(AdapterKind::kPrefix, medium_config()));
  EXPECT_EQ(model.positions(), medium_config().max_position_embeddings - 3);
  EXPECT_ERROR(
      run_forward(model, plain),
      "at position 0: expected -3, as the adapter's 3 virtual tokens begin every sequence");
  EXPECT_ERROR(run_forward(model, with_virtual_tokens(plain, 2)), "at position 0: expected -3");
  EXPECT_ERROR(run_forward(model, with_virtual_tokens(plain, 4)), "at position 0: expected -3");
  TokenBatch batch = with_virtual_tokens(plain, 3);
  batch.tokens[5] = -1;
  EXPECT_ERROR(run_forward(model, batch), "token id -1: expected 0 to 530");
}

TEST(Adapter, OfOtherKindsThanLoraIsNotMerged) {
  Model model = random_model(medium_config());
  for (const AdapterKind kind : kAdapterKinds) {
    const auto adapter = random_adapter(kind, medium_config());
    model.adapt(adapter);
    const WeightedAdapter one[] = {{adapter.get(), 0.5}};
    if (kind == AdapterKind::kLora) continue;
    EXPECT_ERROR(merged(model), "cannot be merged");
    if (kind != AdapterKind::kParallel) EXPECT_ERROR(composed(model, one), "expected it alone");
  }
}

// Their outputs add up, with weights of either sign: twice one of them is 2.5 times it minus half.
TEST(Composition, OfParallelAdaptersIsTheirSum) {
  Model model = random_model(medium_config());
  const auto adapter = random_adapter(AdapterKind::kParallel, medium_config());
  const TokenBatch batch = random_batch({40}, V);
  const auto said = [&](std::vector<WeightedAdapter> adapters) {
    model.adapt(nullptr);
    model.adapt(std::make_shared<Adapter>(composed(model, adapters)));
    return run_forward(model, batch).logp;
  };
  const auto twice = said({{adapter.get(), 2}});
  const auto sum = said({{adapter.get(), 2.5}, {adapter.get(), -0.5}});
  for (size_t m = 0; m < twice.size(); ++m)
    EXPECT_NEAR(sum[m], twice[m], minillm_testing::by_precision(1e-4, 1e-11));
}

TEST(AdapterConfig, NamesWhatIsWrong) {
  const ModelConfig model = minillm_testing::tiny_config();
  AdapterConfig both;
  both.lora.rank = 2;
  both.prefix.tokens = 3;
  EXPECT_ERROR(both.validate(),
               "config: lora.rank, prefix.tokens: expected one kind of adapter, got 2");
  EXPECT_ERROR(AdapterConfig{.parallel = {.width = -1}}.validate(), "parallel.width: expected 0");
  EXPECT_ERROR(adapter_shape(model, {.parallel = {.width = 2, .targets = {"mlp"}}}),
               "parallel.targets: 'mlp': expected one of attention, ffn");
  EXPECT_ERROR(adapter_shape(model, {.parallel = {.width = 2, .scale = 0}}),
               "parallel.scale: expected a number over 0");
  EXPECT_ERROR(adapter_shape(model, {.prompt = {.tokens = 32, .text = ""}}),
               "prompt.tokens: expected 1 to 31");
}

TEST(AdapterConfig, GivesShapes) {
  const ModelConfig model = minillm_testing::tiny_config();
  const AdapterShape parallel =
      adapter_shape(model, {.parallel = {.width = 3, .scale = 2, .targets = {"ffn"}}});
  ASSERT_EQ(parallel.updates.size(), 2u);
  EXPECT_EQ(parallel.updates[1], (AdapterShape::Update{1, Module::kFfn, 3, 2}));
  const Adapter beside(model, parallel);
  EXPECT_EQ(beside.tensors().tensors()[0].name, "model.layers.0.mlp.adapter_down.weight");
  const Adapter prefix(model, adapter_shape(model, {.prefix = {.tokens = 4, .text = ""}}));
  ASSERT_EQ(prefix.tensors().tensors().size(), 1u);
  EXPECT_EQ(prefix.tensors().tensors()[0].shape, (std::vector<Index>{4, 2 * 2 * 2 * 2}));
}

}  // namespace
}  // namespace minillm
