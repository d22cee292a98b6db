// The two-layer model through every objective, against central differences. Double build only.

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "libminillm/objectives/next_token.h"
#include "libminillm/objectives/preference.h"
#include "tests/testing/compare.h"
#include "tests/testing/grad_check.h"
#include "tests/testing/tiny_model.h"

namespace minillm {
namespace {

using minillm_testing::random_tokens;

constexpr Index V = 11;
using Objective = std::function<Contribution(std::span<Real> dlogp, std::span<const Real> logp)>;

// Every parameter of the model, tied and untied.
void expect_model_gradient(const TokenBatch& batch, const Objective& objective) {
  const minillm_testing::ThreadCount one(1);  // thousands of tiny passes
  for (const bool tied : {true, false}) {
    Model model = minillm_testing::random_model(minillm_testing::tiny_config(tied));
    Workspace workspace = minillm_testing::training_workspace(model.config(), batch);
    std::vector<Real> dlogp(batch.targets.size());
    const auto loss = [&] {
      model.forward(batch, workspace);
      std::ranges::fill(dlogp, Real{0});
      return objective(dlogp, model.log_probs(batch, workspace)).loss;
    };
    loss();
    model.backward(batch, dlogp, workspace);
    for (const TensorInfo& tensor : model.tensors().tensors())
      minillm_testing::expect_gradient(loss, tensor_span(model.parameters(), tensor),
                                       tensor_span(model.gradients(), tensor), 1e-5,
                                       tensor.name + (tied ? " (tied head)" : ""));
  }
}

// Two pairs with shared prompts; the log-probabilities of a reference that is near, but not equal.
struct Pairs {
  TokenBatch batch;
  std::vector<PreferenceItem> items;
  Pairs() {
    append_pair(5, 3, 4, {-6, -9});
    append_pair(2, 1, 6, {-3, -13});
  }
  void append_pair(Index prompt, Index chosen, Index rejected,
                   std::pair<double, double> reference) {
    const Index begin = batch.target_count();
    const uint64_t seed = static_cast<uint64_t>(begin);
    minillm_testing::append_shared_prompt(
        batch, random_tokens(prompt, V, seed),
        std::vector{random_tokens(chosen, V, seed + 1), random_tokens(rejected, V, seed + 2)});
    items.push_back({{begin, begin + chosen, begin + chosen, begin + chosen + rejected},
                     reference.first,
                     reference.second});
  }
};

TEST(ModelGradient, ThroughNextTokenLossMatchesCentralDifferences) {
  TokenBatch batch = minillm_testing::random_batch({7, 1, 5, 2}, V);
  for (size_t m = 0; m < batch.targets.size(); ++m)
    batch.targets[m].weight = static_cast<Real>(m % 3) * Real{0.5};
  expect_model_gradient(
      batch, [&](auto dlogp, auto logp) { return next_token_loss(dlogp, logp, batch.targets); });
}

TEST(ModelGradient, ThroughDpoLossMatchesCentralDifferences) {
  const Pairs pairs;
  expect_model_gradient(pairs.batch, [&](auto dlogp, auto logp) {
    return dpo_loss(dlogp, logp, pairs.items, 0.3, 0.1);
  });
}

TEST(ModelGradient, ThroughIpoLossMatchesCentralDifferences) {
  const Pairs pairs;
  expect_model_gradient(
      pairs.batch, [&](auto dlogp, auto logp) { return ipo_loss(dlogp, logp, pairs.items, 0.2); });
}

TEST(ModelGradient, ThroughDpoWithTheSftTermMatchesCentralDifferences) {
  const Pairs pairs;
  expect_model_gradient(pairs.batch, [&](auto dlogp, auto logp) {
    Contribution sum = dpo_loss(dlogp, logp, pairs.items, 0.3, 0);
    return sum += chosen_sft_loss(dlogp, logp, pairs.items, 0.4);
  });
}

}  // namespace
}  // namespace minillm
