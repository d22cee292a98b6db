// The two-layer model through every objective, against central differences. Double build only.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "libminillm/nn/model_family.h"
#include "libminillm/nn/trainable.h"
#include "libminillm/objectives/bradley_terry.h"
#include "libminillm/objectives/next_token.h"
#include "libminillm/objectives/policy_gradient.h"
#include "libminillm/objectives/preference.h"
#include "tests/testing/compare.h"
#include "tests/testing/grad_check.h"
#include "tests/testing/tiny_model.h"

namespace minillm {
namespace {

using minillm_testing::AdapterKind;
using minillm_testing::random_tokens;

constexpr Index V = 11;
using Objective = std::function<Contribution(std::span<Real> dlogp, std::span<const Real> logp)>;

// Tied and untied, with heads that are together wider than the residual stream, and of every
// family; some with an adapter, too.
std::vector<std::pair<ModelConfig, std::optional<AdapterKind>>> configs() {
  const ModelConfig tied = minillm_testing::tiny_config(true);
  const ModelConfig own = minillm_testing::tiny_config(false);
  ModelConfig wide = tied;
  wide.head_dim = 6;
  std::vector<std::pair<ModelConfig, std::optional<AdapterKind>>> all = {
      {tied, {}},
      {own, {}},
      {wide, {}},
      {wide, AdapterKind::kLora},
      {own, AdapterKind::kLora},
      {wide, AdapterKind::kParallel},
      {own, AdapterKind::kPrompt},
      {wide, AdapterKind::kPrefix}};
  for (const ModelFamily& family : model_families().subspan(1)) {
    all.push_back({minillm_testing::tiny_config_of(family.name), {}});
    all.push_back({minillm_testing::tiny_config_of(family.name), AdapterKind::kLora});
  }
  all.push_back({minillm_testing::tiny_config_of("granite"), AdapterKind::kPrompt});
  all.push_back({minillm_testing::tiny_config_of("granite"), AdapterKind::kPrefix});
  all.push_back({minillm_testing::tiny_config_of("qwen3"), AdapterKind::kPrefix});
  return all;
}

// Every parameter of the model, or of an adapter on it.
void expect_gradient_of(Model& model, const std::function<double()>& loss,
                        const std::string& what) {
  const Trainable trained = trainable_of(model);
  for (const TensorInfo& tensor : trained.tensors->tensors())
    minillm_testing::expect_gradient(loss, tensor_span(trained.parameters, tensor),
                                     tensor_span(trained.gradients, tensor), 1e-5,
                                     tensor.name + ", " + what);
}

// Of the model, and of an adapter on it.
void expect_model_gradient(const TokenBatch& plain, const Objective& objective) {
  const minillm_testing::ThreadCount one(1);  // thousands of tiny passes
  for (const auto& [config, kind] : configs()) {
    Model model = minillm_testing::random_model(config);
    if (kind) model.adapt(minillm_testing::random_adapter(*kind, config));
    const TokenBatch batch = minillm_testing::with_virtual_tokens(plain, model.virtual_tokens());
    trainable_of(model);  // allocates gradients
    Workspace workspace = minillm_testing::training_workspace(model, batch);
    std::vector<Real> dlogp(batch.targets.size());
    const auto loss = [&] {
      model.forward(batch, workspace);
      std::ranges::fill(dlogp, Real{0});
      return objective(dlogp, model.log_probs(batch, workspace)).loss;
    };
    loss();
    model.backward(batch, dlogp, workspace);
    expect_gradient_of(model, loss,
                       fmt::format("{}, head_dim {}, {} head{}", family_of(config).name,
                                   config.head_dim, config.tie_word_embeddings ? "tied" : "own",
                                   kind ? ", " + minillm_testing::name_of(*kind) : ""));
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

TEST(ModelGradient, ThroughThePolicyGradientMatchesCentralDifferences) {
  const TokenBatch batch = minillm_testing::random_batch({7, 1, 5, 2}, V);
  const size_t M = batch.targets.size();
  std::vector<Real> sampled = minillm_testing::random_values(M, 5), reference = sampled;
  std::vector<double> advantage, weight;
  for (size_t m = 0; m < M; ++m) {
    sampled[m] -= 2.4;  // near what the model says, so that not all tokens are clipped
    reference[m] = sampled[m] + Real{0.1} * static_cast<Real>(m % 3);
    advantage.push_back(m % 2 == 0 ? 1.5 : -0.5);
    weight.push_back(0.2 + 0.1 * static_cast<double>(m % 4));
  }
  expect_model_gradient(batch, [&](auto dlogp, auto logp) {
    return policy_gradient_loss(dlogp, logp, {sampled, reference, advantage, weight},
                                {.kl_weight = 0.3});
  });
}

TEST(ModelGradient, ThroughDpoWithTheSftTermMatchesCentralDifferences) {
  const Pairs pairs;
  expect_model_gradient(pairs.batch, [&](auto dlogp, auto logp) {
    const PairLossConfig config = {.beta = 0.3, .label_smoothing = 0.1};
    Contribution sum = pair_loss(dlogp, logp, pairs.items, pair_loss_of(config), config);
    return sum += chosen_sft_loss(dlogp, logp, pairs.items, 0.4);
  });
}

// The score head, alone (a reward model) and beside next-token prediction on one trunk.
TEST(ModelGradient, ThroughBradleyTerryMatchesCentralDifferences) {
  const minillm_testing::ThreadCount one(1);
  TokenBatch plain = minillm_testing::random_batch({7, 1, 5}, V);
  minillm_testing::append_shared_prompt(
      plain, random_tokens(4, V, 1), std::vector{random_tokens(3, V, 2), random_tokens(2, V, 3)});
  if (plain.targets.size() % 2 == 1) plain.targets.pop_back();
  const std::vector<double> margins(plain.targets.size() / 2, 0.3);
  for (const Heads heads : {Heads::kScore, Heads::kBoth}) {
    using Kind = std::optional<AdapterKind>;
    for (const auto& [tied, kind] : {std::pair(true, Kind()),
                                     {false, Kind()},
                                     {true, Kind(AdapterKind::kLora)},
                                     {true, Kind(AdapterKind::kParallel)},
                                     {true, Kind(AdapterKind::kPrefix)}}) {
      ModelConfig config = minillm_testing::tiny_config(tied);
      config.heads = heads;
      Model model = minillm_testing::random_model(config);
      const auto weight = tensor_span(model.parameters(), *model.tensors().find("score.weight"));
      EXPECT_EQ(std::ranges::count(weight, Real{0}), std::ssize(weight)) << "begins at zero";
      std::ranges::copy(minillm_testing::random_values(weight.size(), 4), weight.begin());
      if (kind) model.adapt(minillm_testing::random_adapter(*kind, config));
      const TokenBatch batch = minillm_testing::with_virtual_tokens(plain, model.virtual_tokens());
      trainable_of(model);  // allocates gradients
      Workspace workspace = minillm_testing::training_workspace(model, batch);
      std::vector<Real> scores(batch.targets.size()), dscores(scores.size());
      const auto loss = [&] {
        model.forward(batch, workspace);
        model.scores(scores, batch, workspace);
        std::ranges::fill(dscores, Real{0});
        double sum = bradley_terry_loss(dscores, scores, margins, 0.05).loss;
        if (heads == Heads::kBoth)
          sum += next_token_loss(model.log_probs(batch, workspace), batch.targets).loss;
        return sum;
      };
      loss();
      if (heads == Heads::kBoth) {
        HeadPass head = model.head_pass(batch, workspace);
        next_token_gradient(head.dlogp(), batch.targets);
        head.finish();
      }
      model.scores_backward(dscores, batch, workspace);
      model.backward(batch, workspace);
      expect_gradient_of(model, loss,
                         fmt::format("{} head, {}{}", tied ? "tied" : "own",
                                     heads == Heads::kBoth ? "both" : "score",
                                     kind ? ", " + minillm_testing::name_of(*kind) : ""));
    }
  }
}

}  // namespace
}  // namespace minillm
