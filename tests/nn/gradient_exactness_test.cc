// Gradients of a step do not depend on how its sequences are batched: same bits on any number of
// threads, the same sums, up to rounding, however they are packed, accumulated or shared.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "libminillm/objectives/next_token.h"
#include "libminillm/optim/adamw.h"
#include "tests/testing/compare.h"
#include "tests/testing/tiny_model.h"

namespace minillm {
namespace {

using minillm_testing::append_separately;
using minillm_testing::append_sequence;
using minillm_testing::append_shared_prompt;
using minillm_testing::by_precision;
using minillm_testing::expect_same_bits;
using minillm_testing::medium_config;
using minillm_testing::random_batch;
using minillm_testing::random_model;
using minillm_testing::random_tokens;
using minillm_testing::relative_distance;
using minillm_testing::run_backward;
using minillm_testing::ThreadCount;
using testing::ElementsAre;

constexpr double kTolerance = by_precision(1e-6, 1e-12);
constexpr Index V = 531;

// The gradient of the mean loss over all targets of all micro-batches, as the Trainer accumulates
// it: sums first, one division last.
std::vector<Real> accumulated_gradient(Model& model, const std::vector<TokenBatch>& micro_batches) {
  std::ranges::fill(model.gradients(), Real{0});
  Contribution sum;
  for (const TokenBatch& batch : micro_batches) {
    Workspace workspace = minillm_testing::training_workspace(model, batch);
    std::vector<Real> dlogp(batch.targets.size());
    model.forward(batch, workspace);
    sum += next_token_loss(dlogp, model.log_probs(batch, workspace), batch.targets);
    model.backward(batch, dlogp, workspace);
  }
  std::vector<Real> gradient(model.gradients().begin(), model.gradients().end());
  for (Real& g : gradient) g /= static_cast<Real>(sum.weight);
  return gradient;
}

TEST(GradientExactness, OnePassOverTheLogitsHasTheBitsOfTwo) {
  Model model = random_model(medium_config());
  const TokenBatch batch = random_batch({40, 70}, V);
  std::vector<Real> dlogp(batch.targets.size());
  next_token_gradient(dlogp, batch.targets);
  Workspace workspace = minillm_testing::training_workspace(model, batch);
  std::vector<Real> gradients[2], logp[2];
  for (const int passes : {1, 2}) {
    std::ranges::fill(model.gradients(), Real{0});
    model.forward(batch, workspace);
    if (passes == 2) {
      const auto result = model.log_probs(batch, workspace);
      logp[1].assign(result.begin(), result.end());
      model.backward(batch, dlogp, workspace);
    } else {
      HeadPass head = model.head_pass(batch, workspace);
      while (head.next())
        std::copy(&dlogp[size_t(head.begin())], &dlogp[0] + head.end(),
                  &head.dlogp()[head.begin()]);
      model.backward(batch, workspace);
      logp[0].assign(head.logp().begin(), head.logp().end());
    }
    gradients[passes - 1].assign(model.gradients().begin(), model.gradients().end());
  }
  expect_same_bits(logp[0], logp[1], "logp");
  expect_same_bits(gradients[0], gradients[1], "gradient");
}

TEST(GradientExactness, RecomputedActivationsHaveTheBitsOfKeptOnes) {
  ModelConfig config = medium_config();
  config.num_hidden_layers = 3;
  Model model = random_model(config);
  const TokenBatch batch = random_batch({40, 70, 3}, V);
  std::vector<Real> dlogp(batch.targets.size());
  next_token_gradient(dlogp, batch.targets);
  std::vector<std::vector<Real>> gradients;
  for (const auto mode : {Workspace::Mode::kTraining, Workspace::Mode::kRecompute}) {
    Workspace workspace(config, batch.rows() + 5, batch.target_count(), mode);
    std::ranges::fill(model.gradients(), Real{0});
    for (int pass = 0; pass < 2; ++pass) {
      model.forward(batch, workspace);
      model.backward(batch, dlogp, workspace);
    }
    gradients.emplace_back(model.gradients().begin(), model.gradients().end());
  }
  expect_same_bits(gradients[1], gradients[0], "gradient");
}

// What a part of the forward pass reads is not read before its event, and what a part of the
// backward pass has left is final: of a model divided over ranks the one arrives and the other
// leaves.
TEST(GradientExactness, PassEventsComeBeforeReadingAndAfterTheLastWrite) {
  ModelConfig config = medium_config();
  config.num_hidden_layers = 3;
  Model model = random_model(config);
  const TokenBatch batch = random_batch({40, 7}, V);
  std::vector<Real> dlogp(batch.targets.size());
  next_token_gradient(dlogp, batch.targets);
  std::vector<Index> begins = {0};
  for (int l = 0; l < 3; ++l)
    for (const char* norm : {"input_layernorm", "post_attention_layernorm"})
      begins.push_back(
          model.tensors().find(fmt::format("model.layers.{}.{}.weight", l, norm))->offset);
  begins.push_back(model.tensors().find("model.norm.weight")->offset);
  begins.push_back(model.tensors().size());

  for (const auto mode : {Workspace::Mode::kTraining, Workspace::Mode::kRecompute}) {
    Workspace workspace(config, batch.rows(), batch.target_count(), mode);
    const auto pass = [&] {
      model.forward(batch, workspace);
      model.backward(batch, dlogp, workspace);
    };
    std::ranges::fill(model.gradients(), Real{0});
    pass();
    const std::vector<Real> gradient(model.gradients().begin(), model.gradients().end());
    const std::vector<Real> kept(model.parameters().begin(), model.parameters().end());
    std::ranges::fill(model.gradients(), Real{0});
    std::ranges::fill(model.parameters(), std::numeric_limits<Real>::quiet_NaN());
    std::vector<Index> forward, backward;
    PassEvents events;
    events.before_forward = [&](Index part) {
      forward.push_back(part);
      const auto begin = begins[static_cast<size_t>(part + 1)];
      std::copy_n(kept.begin() + begin, begins[static_cast<size_t>(part + 2)] - begin,
                  model.parameters().begin() + begin);
    };
    events.after_backward = [&](Index part) {
      backward.push_back(part);
      const auto begin = static_cast<size_t>(begins[static_cast<size_t>(part + 1)]);
      expect_same_bits(model.gradients().subspan(begin), std::span(gradient).subspan(begin),
                       fmt::format("gradient from part {} on", part));
    };
    model.watch_passes(&events);
    pass();
    model.watch_passes(nullptr);
    expect_same_bits(model.gradients(), gradient, "gradient");
    EXPECT_THAT(forward, ElementsAre(-1, 0, 1, 2, 3, 4, 5, 6));
    EXPECT_THAT(backward, ElementsAre(5, 4, 3, 2, 1, 0));
  }
}

// bfloat16 rounds the factors of products, nothing else: the gradient stays near the exact one, and
// all promises about bits hold.
TEST(GradientExactness, InBfloat16ThreadsChangeNoBitAndTheGradientIsNear) {
  Model model = random_model(medium_config());
  const TokenBatch batch = random_batch({5, 1, 70}, V);
  const std::vector<Real> exact = run_backward(model, batch).gradients;
  model.set_precision(Precision::kBfloat16);
  const auto run = [&](int count) {
    const ThreadCount threads(count);
    return run_backward(model, batch).gradients;
  };
  const std::vector<Real> one = run(1);
  for (const int count : {2, 3})
    expect_same_bits(run(count), one, "threads=" + std::to_string(count));
  EXPECT_LT(relative_distance(one, exact), 0.05);
  EXPECT_GT(relative_distance(one, exact), 1e-4);  // it did round
}

TEST(GradientExactness, ThreadsChangeNoBit) {
  Model model = random_model(medium_config());
  TokenBatch batch = random_batch({5, 1, 70}, V);
  append_shared_prompt(batch, random_tokens(30, V, 1),
                       std::vector{random_tokens(9, V, 2), random_tokens(70, V, 3)});
  const auto run = [&](int count) {
    const ThreadCount threads(count);
    return run_backward(model, batch).gradients;
  };
  const std::vector<Real> one = run(1);
  for (const int count : {2, 3, 4})
    expect_same_bits(run(count), one, "threads=" + std::to_string(count));
}

TEST(GradientExactness, RepeatingAPassRepeatsItsBits) {
  Model model = random_model(medium_config());
  const TokenBatch batch = random_batch({40, 70}, V);
  const std::vector<Real> first = run_backward(model, batch).gradients;
  run_backward(model, random_batch({90}, V, 50));
  expect_same_bits(run_backward(model, batch).gradients, first, "gradient");
}

// A null gradient view freezes a tensor: the others' gradients keep every bit, its own stays zero.
TEST(GradientExactness, FrozenTensorsChangeNoBitOfTheOthers) {
  ModelConfig config = medium_config();
  config.tie_word_embeddings = false;
  Model model = random_model(config);
  const TokenBatch batch = random_batch({40, 70}, V);
  const std::vector<Real> all = run_backward(model, batch).gradients;
  std::vector<Real> dlogp(batch.targets.size());
  next_token_gradient(dlogp, batch.targets);
  for_each_tensor(config, [&](const std::string& name, const auto&, TensorKind, auto member) {
    Gradients gradients = model.gradient_views();
    member(gradients) = View();
    std::ranges::fill(model.gradients(), Real{0});
    Workspace workspace = minillm_testing::training_workspace(model, batch);
    model.forward(batch, workspace);
    HeadPass head = model.head_pass(batch, workspace, {}, gradients);
    std::ranges::copy(dlogp, head.dlogp().begin());
    head.finish();
    model.backward(batch, workspace, gradients);
    for (const TensorInfo& tensor : model.tensors().tensors()) {
      const auto is = tensor_span(std::span<const Real>(model.gradients()), tensor);
      const bool frozen =  // the parts of a fused matrix freeze together
          std::ranges::all_of(is, [](Real g) { return g == 0; });
      if (tensor.name == name) {
        EXPECT_TRUE(frozen) << name;
      }
      if (!frozen) expect_same_bits(is, tensor_span(std::span(all), tensor), tensor.name);
    }
  });
}

TEST(GradientExactness, AFrozenEmbeddingTakesATiedHeadWithItAndNoOther) {
  for (const bool tied : {true, false}) {
    ModelConfig config = medium_config();
    config.tie_word_embeddings = tied;
    Model model = random_model(config);
    const TokenBatch batch = random_batch({40, 70}, V);
    const std::vector<Real> all = run_backward(model, batch).gradients;
    Gradients gradients = model.gradient_views();
    gradients.embed = {};
    if (tied) gradients.head = {};
    std::ranges::fill(model.gradients(), Real{0});
    Workspace workspace = minillm_testing::training_workspace(model, batch);
    model.forward(batch, workspace);
    HeadPass head = model.head_pass(batch, workspace, {}, gradients);
    next_token_gradient(head.dlogp(), batch.targets);
    head.finish();
    model.backward(batch, workspace, gradients);
    for (const TensorInfo& tensor : model.tensors().tensors()) {
      const auto is = tensor_span(std::span<const Real>(model.gradients()), tensor);
      if (tensor.name == "model.embed_tokens.weight")
        EXPECT_TRUE(std::ranges::all_of(is, [](Real g) { return g == 0; }));
      else
        expect_same_bits(is, tensor_span(std::span(all), tensor), tensor.name);
    }
  }
}

// Nothing of a base model has a gradient: what an adapter on it is trained with.
TEST(GradientExactness, AModelThatIsFrozenAsAWholePassesTheGradientOfItsHiddenStatesDown) {
  Model model = random_model(medium_config());
  const TokenBatch batch = random_batch({40, 70}, V);
  Workspace workspace = minillm_testing::training_workspace(model, batch);
  Gradients frozen;
  frozen.blocks.resize(model.weights().blocks.size());
  std::vector<std::vector<Real>> dx;
  for (const Gradients& gradients : {model.gradient_views(), frozen}) {
    std::ranges::fill(model.gradients(), Real{0});
    model.forward(batch, workspace);
    HeadPass head = model.head_pass(batch, workspace, {}, gradients);
    next_token_gradient(head.dlogp(), batch.targets);
    head.finish();
    model.backward(batch, workspace, gradients);
    dx.push_back(minillm_testing::copy_rows(workspace.dx.top(batch.rows())));
  }
  expect_same_bits(dx[1], dx[0], "the gradient of the embeddings' output");
  for (const Real g : model.gradients()) ASSERT_EQ(g, 0);
}

// One workspace serves every step: what a pass left in it must not reach the next.
TEST(GradientExactness, BackwardTwiceDoublesEveryGradient) {
  Model model = random_model(minillm_testing::tiny_config());
  const TokenBatch batch = random_batch({5, 9}, 11);
  Workspace workspace = minillm_testing::training_workspace(model, batch);
  const std::vector<Real> dlogp(batch.targets.size(), Real{-1});
  const auto run = [&] {
    model.forward(batch, workspace);
    model.log_probs(batch, workspace);
    model.backward(batch, dlogp, workspace);
    return std::vector<Real>(model.gradients().begin(), model.gradients().end());
  };
  std::vector<Real> once = run();
  for (Real& g : once) g *= 2;
  EXPECT_LT(relative_distance(run(), once), by_precision(1e-6, 1e-15));
}

// Sequences with very different numbers of targets, where a mean of means is known to go wrong.
class AccumulationTest : public testing::Test {
 protected:
  std::vector<std::vector<Token>> sequences() {
    std::vector<std::vector<Token>> result;
    for (const Index length : {2, 60, 9, 31, 3, 90, 17, 5})
      result.push_back(random_tokens(length, V, result.size()));
    return result;
  }
  // Micro-batches of `size` sequences each.
  std::vector<TokenBatch> batches_of(size_t size) {
    std::vector<TokenBatch> batches;
    const auto all = sequences();
    for (size_t i = 0; i < all.size(); ++i) {
      if (i % size == 0) batches.emplace_back();
      append_sequence(batches.back(), all[i],
                      i % 3 == 1 ? 1 : static_cast<Index>(all[i].size()) - 1);
    }
    return batches;
  }
};

TEST_F(AccumulationTest, OneBatchOfEightEqualsEightOfOneAndTwoOfFour) {
  Model model = random_model(medium_config());
  const std::vector<Real> one_batch = accumulated_gradient(model, batches_of(8));
  EXPECT_LT(relative_distance(accumulated_gradient(model, batches_of(1)), one_batch), kTolerance);
  EXPECT_LT(relative_distance(accumulated_gradient(model, batches_of(2)), one_batch), kTolerance);
  EXPECT_LT(relative_distance(accumulated_gradient(model, batches_of(4)), one_batch), kTolerance);
}

TEST_F(AccumulationTest, AMicroBatchWithoutTargetsAddsExactlyNothing) {
  Model model = random_model(medium_config());
  std::vector<TokenBatch> batches = batches_of(8);
  const std::vector<Real> without = accumulated_gradient(model, batches);
  TokenBatch no_targets;
  append_sequence(no_targets, random_tokens(12, V, 3), 12);
  batches.push_back(no_targets);
  expect_same_bits(accumulated_gradient(model, batches), without, "gradient");
}

TEST(GradientExactness, OfASharedPromptEqualsThatOfSeparateSequences) {
  Model model = random_model(medium_config());
  const std::vector<Token> prompt = random_tokens(90, V, 1);
  const std::vector<std::vector<Token>> answers = {random_tokens(20, V, 2), random_tokens(1, V, 3),
                                                   random_tokens(75, V, 4)};
  TokenBatch shared, separate;
  append_shared_prompt(shared, prompt, answers);
  append_separately(separate, prompt, answers);
  const auto expected = accumulated_gradient(model, {separate});
  EXPECT_LT(relative_distance(accumulated_gradient(model, {shared}), expected), kTolerance);
}

// The loss mask: a target of weight zero must equal no target, whatever its token.
TEST(GradientExactness, TargetsOfWeightZeroHaveExactlyNoInfluence) {
  Model model = random_model(medium_config());
  const std::vector<Token> tokens = random_tokens(40, V, 1);
  TokenBatch without, masked;
  append_sequence(without, tokens, 25);
  append_sequence(masked, tokens, 1);
  for (Target& t : masked.targets)
    if (t.row + 1 < 25) t.weight = 0;
  const std::vector<Real> expected = run_backward(model, without).gradients;
  expect_same_bits(run_backward(model, masked).gradients, expected, "masked");
  for (Target& t : masked.targets)
    if (t.weight == 0) t.token = (t.token + 1) % static_cast<Token>(V);
  expect_same_bits(run_backward(model, masked).gradients, expected, "masked, with other tokens");
}

// No prediction sees what comes after it, so tokens after the last target get no gradient at all.
TEST(GradientExactness, TokensBehindTheLastTargetGetNone) {
  ModelConfig config = medium_config();
  config.tie_word_embeddings = false;
  Model model = random_model(config);
  TokenBatch batch;
  append_sequence(batch, std::vector<Token>{7, 8, 9, 10, 11, 12});
  batch.targets.resize(3);  // rows 0 to 2: tokens 7, 8, 9 are read, and 10 to 12 are not
  run_backward(model, batch);
  const std::span<const Real> embed =
      tensor_span(model.gradients(), model.tensors().tensors().front());
  const auto row_norm = [&](Token token) {
    double sum = 0;
    for (const Real g : embed.subspan(static_cast<size_t>(token) * 264, 264))
      sum += std::abs(double{g});
    return sum;
  };
  for (const Token token : {7, 8, 9}) EXPECT_GT(row_norm(token), 0) << token;
  for (const Token token : {10, 11, 12, 13}) EXPECT_EQ(row_norm(token), 0) << token;
}

// Models share nothing that is written: the kernels' scratch memory is each thread's own.
TEST(GradientExactness, TwoModelsInTwoThreadsLearnWhatEachLearnsAlone) {
  const auto train = [](uint64_t seed) {
    Model model = random_model(medium_config(), seed);
    AdamW optimizer(model.tensors(), {});
    const TokenBatch batch = random_batch({70, 33, 1}, V, seed);
    for (Index step = 1; step <= 2; ++step) {
      run_backward(model, batch);
      optimizer.update(model.parameters(), model.gradients(), 0.01, 1e-3, step);
    }
    return std::vector<Real>(model.parameters().begin(), model.parameters().end());
  };
  const std::vector<Real> first_alone = train(1), second_alone = train(2);
  std::vector<Real> first, second;
  std::thread other([&] { first = train(1); });
  second = train(2);
  other.join();
  expect_same_bits(first, first_alone, "the first model");
  expect_same_bits(second, second_alone, "the second model");
}

}  // namespace
}  // namespace minillm
