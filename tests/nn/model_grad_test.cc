// The two-layer model through every objective, against central differences. Double build only.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "libminillm/objectives/next_token.h"
#include "libminillm/objectives/preference.h"
#include "libminillm/ops/score.h"
#include "tests/testing/compare.h"
#include "tests/testing/grad_check.h"
#include "tests/testing/tiny_model.h"

namespace minillm {
namespace {

using minillm_testing::random_tokens;

constexpr Index V = 11;
using Objective = std::function<Contribution(std::span<Real> dlogp, std::span<const Real> logp)>;

// Tied and untied, and with heads that are together wider than the residual stream.
std::vector<ModelConfig> configs() {
  std::vector<ModelConfig> all = {minillm_testing::tiny_config(true),
                                  minillm_testing::tiny_config(false),
                                  minillm_testing::tiny_config(true)};
  all.back().head_dim = 6;
  return all;
}

// Every parameter of the model.
void expect_model_gradient(const TokenBatch& batch, const Objective& objective) {
  const minillm_testing::ThreadCount one(1);  // thousands of tiny passes
  for (const ModelConfig& config : configs()) {
    Model model = minillm_testing::random_model(config);
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
      minillm_testing::expect_gradient(
          loss, tensor_span(model.parameters(), tensor), tensor_span(model.gradients(), tensor),
          1e-5,
          fmt::format("{}, head_dim {}, {} head", tensor.name, config.head_dim,
                      config.tie_word_embeddings ? "tied" : "own"));
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

TEST(ModelGradient, ThroughEveryPairLossMatchesCentralDifferences) {
  const Pairs pairs;
  for (const PairLoss& loss : pair_losses()) {
    SCOPED_TRACE(loss.name);
    const PairLossConfig config = {.name = loss.name, .beta = 0.3};
    expect_model_gradient(pairs.batch, [&](auto dlogp, auto logp) {
      return pair_loss(dlogp, logp, pairs.items, loss, config);
    });
  }
}

TEST(ModelGradient, ThroughDpoWithTheSftTermMatchesCentralDifferences) {
  const Pairs pairs;
  expect_model_gradient(pairs.batch, [&](auto dlogp, auto logp) {
    const PairLossConfig config = {.beta = 0.3, .label_smoothing = 0.1};
    Contribution sum = pair_loss(dlogp, logp, pairs.items, pair_loss_of(config), config);
    return sum += chosen_sft_loss(dlogp, logp, pairs.items, 0.4);
  });
}

// A second head on the same trunk: half the squared scores of some targets' rows, beside next-token
// prediction.
TEST(ModelGradient, OfTwoHeadsOnOneTrunkMatchesCentralDifferences) {
  const minillm_testing::ThreadCount one(1);
  TokenBatch batch = minillm_testing::random_batch({7, 1, 5}, V);
  minillm_testing::append_shared_prompt(
      batch, random_tokens(4, V, 1), std::vector{random_tokens(3, V, 2), random_tokens(2, V, 3)});
  const size_t M = batch.targets.size();
  for (const bool tied : {true, false}) {
    Model model = minillm_testing::random_model(minillm_testing::tiny_config(tied));
    Workspace workspace = minillm_testing::training_workspace(model.config(), batch);
    Matrix weight(1, model.config().hidden_size), dweight(1, model.config().hidden_size);
    std::ranges::copy(minillm_testing::random_values(weight.span().size(), 4),
                      weight.span().begin());
    std::vector<Real> scores(M), dscores(M);
    const auto score_loss = [&] {
      score_forward(scores, workspace.hidden(batch.rows()), weight.view(), batch.targets);
      double sum = 0;
      for (size_t m = 0; m < M; ++m) {
        const double strength = static_cast<double>(m % 3);
        sum += 0.5 * strength * scores[m] * scores[m];
        dscores[m] = static_cast<Real>(strength * scores[m]);
      }
      return sum;
    };
    const auto loss = [&] {
      model.forward(batch, workspace);
      return next_token_loss(model.log_probs(batch, workspace), batch.targets).loss + score_loss();
    };
    loss();
    HeadPass head = model.head_pass(batch, workspace);
    next_token_gradient(head.dlogp(), batch.targets);
    head.finish();
    score_backward(workspace.dhidden(batch.rows()), dweight.view(), dscores,
                   workspace.hidden(batch.rows()), weight.view(), batch.targets);
    model.backward(batch, workspace);
    for (const TensorInfo& tensor : model.tensors().tensors())
      minillm_testing::expect_gradient(loss, tensor_span(model.parameters(), tensor),
                                       tensor_span(model.gradients(), tensor), 1e-5,
                                       tensor.name + (tied ? " (tied head)" : ""));
    minillm_testing::expect_gradient(loss, weight.span(), dweight.span(), 1e-5, "score.weight");
  }
}

}  // namespace
}  // namespace minillm
