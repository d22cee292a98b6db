// Models of all families (nn/model_family.h): what is promised of a Llama holds of each.

#include "libminillm/nn/model_family.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "libminillm/nn/packed_weights.h"
#include "tests/testing/compare.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/tiny_model.h"

namespace minillm {
namespace {

using minillm_testing::append_sequence;
using minillm_testing::as_family;
using minillm_testing::expect_same_bits;
using minillm_testing::medium_config;
using minillm_testing::random_batch;
using minillm_testing::random_model;
using minillm_testing::run_forward;
using minillm_testing::ThreadCount;

constexpr Index V = 531;

TEST(ModelFamily, IsWhatTheExtrasSay) {
  for (const ModelFamily& family : model_families()) {
    EXPECT_EQ(find_family(family.name), &family);
    EXPECT_EQ(&family_of(minillm_testing::tiny_config_of(family.name)), &family);
  }
  EXPECT_EQ(find_family("gpt2"), nullptr);
  ModelConfig two = minillm_testing::tiny_config_of("qwen2");
  two.extras.qk_norm = true;
  EXPECT_ERROR(family_of(two), "are not those of one family");
}

class OfFamily : public testing::TestWithParam<std::string> {
 protected:
  ModelConfig config_ = as_family(medium_config(), GetParam());
  Model model_ = random_model(config_);
};
INSTANTIATE_TEST_SUITE_P(Families, OfFamily,
                         testing::Values("llama", "qwen2", "qwen3", "smollm3", "granite"),
                         [](const auto& family) { return family.param; });

// That the extras do something is seen in what numpy computes (interop/hf_export_test.cc).
TEST_P(OfFamily, HasOtherResultsThanALlamaOfTheSameWeights) {
  const TokenBatch batch = random_batch({20}, V);
  Model llama(medium_config());
  for (const TensorInfo& tensor : llama.tensors().tensors())
    std::ranges::copy(tensor_span(model_.parameters(), *model_.tensors().find(tensor.name)),
                      tensor_span(llama.parameters(), tensor).begin());
  const double distance = minillm_testing::relative_distance(run_forward(model_, batch).logp,
                                                             run_forward(llama, batch).logp);
  EXPECT_EQ(distance > 1e-3, GetParam() != "llama") << distance;
}

TEST_P(OfFamily, ThreadsAndCompanyChangeNoBit) {
  const TokenBatch batch = random_batch({5, 1, 70, 33}, V);
  const auto run = [&](int count) {
    const ThreadCount threads(count);
    return run_forward(model_, batch);
  };
  const auto one = run(1), three = run(3);
  expect_same_bits(three.hidden, one.hidden, "hidden");
  expect_same_bits(three.logp, one.logp, "logp");
  TokenBatch alone;
  append_sequence(alone, std::span(batch.tokens).subspan(6, 70));
  expect_same_bits(run_forward(model_, alone).hidden,
                   std::span(one.hidden).subspan(6 * 264, 70 * 264), "alone");
}

TEST_P(OfFamily, CachedDecodingWithPackedWeightsGivesTheBitsOfOneForward) {
  constexpr Index T = 60;
  const TokenBatch whole = random_batch({T}, V);
  const auto expected = run_forward(model_, whole);
  const PackedWeights packed(config_, model_.weights(), Precision::kFloat);
  KvCache cache(config_, T);
  Workspace workspace(config_, 7, 1, Workspace::Mode::kInference);
  std::vector<Real> hidden, logits(static_cast<size_t>(V));
  for (Index begin = 0; begin < T; begin += 7) {
    const Index end = std::min(begin + 7, T);
    TokenBatch batch;
    batch.tokens.assign(whole.tokens.begin() + begin, whole.tokens.begin() + end);
    batch.segments = {{0, end - begin, 0, begin}};
    model_.forward(batch, workspace, packed.weights(), &cache);
    const auto rows = minillm_testing::copy_rows(workspace.hidden(end - begin));
    hidden.insert(hidden.end(), rows.begin(), rows.end());
    if (begin > 0) continue;
    // What is sampled from is what is scored.
    const Index row[] = {2};
    model_.logits(View(logits.data(), 1, V), row, workspace, packed.weights());
    const Real logp = logits[static_cast<size_t>(whole.tokens[3])] - log_sum_exp(logits.data(), V);
    EXPECT_EQ(logp, expected.logp[2]);
  }
  expect_same_bits(hidden, expected.hidden, "hidden");
}

TEST_P(OfFamily, RecomputedActivationsGiveTheSameGradient) {
  const TokenBatch batch = random_batch({40, 3}, V);
  const std::vector<Real> dlogp(batch.targets.size(), Real{0.5});
  std::vector<std::vector<Real>> gradients;
  for (const auto mode : {Workspace::Mode::kTraining, Workspace::Mode::kRecompute}) {
    for (const int count : {1, 3}) {
      const ThreadCount threads(count);
      Workspace workspace(config_, batch.rows(), batch.target_count(), mode);
      std::ranges::fill(model_.gradients(), Real{0});
      model_.forward(batch, workspace);
      model_.backward(batch, dlogp, workspace);
      gradients.emplace_back(model_.gradients().begin(), model_.gradients().end());
      expect_same_bits(gradients.back(), gradients.front(), "gradient");
    }
  }
}

TEST_P(OfFamily, StartsWithBiasesOfZeroAndGainsOfOneThatDoNotDecay) {
  Model fresh(config_);
  fresh.initialize(1);
  for (const TensorInfo& tensor : fresh.tensors().tensors()) {
    const bool is_bias = tensor.name.ends_with(".bias"),
               is_gain = tensor.name.find("norm") != std::string::npos;
    EXPECT_EQ(tensor.decay, !is_bias && !is_gain) << tensor.name;
    if (!is_bias && !is_gain) continue;
    for (const Real value : tensor_span(fresh.parameters(), tensor))
      EXPECT_EQ(value, is_gain ? 1 : 0) << tensor.name;
  }
}

}  // namespace
}  // namespace minillm
