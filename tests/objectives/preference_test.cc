#include "libminillm/objectives/preference.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <vector>

#include "tests/testing/expect_error.h"
#include "tests/testing/grad_check.h"

namespace minillm {
namespace {

using minillm_testing::expect_gradient;
using minillm_testing::kRealIsDouble;
using minillm_testing::random_values;

// Three pairs in a batch of 18 targets: answers of 1 to 5 tokens, and two targets outside any pair.
constexpr size_t kTargets = 18;
std::vector<PreferenceItem> make_items() {
  std::vector<PreferenceItem> items(3);
  items[0].targets = {.chosen_begin = 0, .chosen_end = 3, .rejected_begin = 3, .rejected_end = 8};
  items[1].targets = {.chosen_begin = 8, .chosen_end = 9, .rejected_begin = 9, .rejected_end = 11};
  items[2].targets = {
      .chosen_begin = 13, .chosen_end = 17, .rejected_begin = 17, .rejected_end = 18};
  return items;
}

std::vector<Real> random_logp(uint64_t seed) {
  std::vector<Real> logp = random_values(kTargets, seed, 3);
  for (Real& value : logp) value = -std::abs(value);
  return logp;
}

// Pairs whose reference is the model that gave `logp`.
std::vector<PreferenceItem> items_at_start(const std::vector<Real>& logp) {
  std::vector<PreferenceItem> items = make_items();
  for (PreferenceItem& item : items) {
    const PairTargets& t = item.targets;
    item.reference_chosen = sum_log_probs(logp, t.chosen_begin, t.chosen_end);
    item.reference_rejected = sum_log_probs(logp, t.rejected_begin, t.rejected_end);
  }
  return items;
}

std::vector<PreferenceItem> items_under_way() {
  std::vector<PreferenceItem> items = items_at_start(random_logp(1));
  items[1].reference_chosen += 0.7;
  items[2].reference_rejected -= 2.5;
  return items;
}

PairLossConfig named(const std::string& name, double beta, double label_smoothing = 0) {
  return {.name = name, .beta = beta, .label_smoothing = label_smoothing};
}

Contribution pair_loss(std::span<Real> dlogp, std::span<const Real> logp,
                       std::span<const PreferenceItem> items, const PairLossConfig& config,
                       PreferenceSums* sums = nullptr) {
  return minillm::pair_loss(dlogp, logp, items, pair_loss_of(config), config, sums);
}

Contribution dpo_loss(std::span<Real> dlogp, std::span<const Real> logp,
                      std::span<const PreferenceItem> items, double beta, double label_smoothing,
                      PreferenceSums* sums = nullptr) {
  return pair_loss(dlogp, logp, items, named("dpo", beta, label_smoothing), sums);
}

Contribution ipo_loss(std::span<Real> dlogp, std::span<const Real> logp,
                      std::span<const PreferenceItem> items, double beta,
                      PreferenceSums* sums = nullptr) {
  return pair_loss(dlogp, logp, items, named("ipo", beta), sums);
}

TEST(DpoLoss, StartsAtLnTwoWithZeroRewardsAndNothingAccurate) {
  const auto logp = random_logp(1);
  const auto items = items_at_start(logp);
  for (double label_smoothing : {0.0, 0.1, 0.4}) {
    for (double beta : {0.1, 0.5, 10.0}) {
      std::vector<Real> dlogp(kTargets, 0);
      PreferenceSums sums;
      const Contribution sum = dpo_loss(dlogp, logp, items, beta, label_smoothing, &sums);
      EXPECT_EQ(sum.weight, 3);
      EXPECT_NEAR(sum.loss / sum.weight, std::numbers::ln2, 1e-12);
      EXPECT_EQ(sums.pairs, 3);
      EXPECT_EQ(sums.reward_chosen, 0);
      EXPECT_EQ(sums.reward_rejected, 0);
      EXPECT_EQ(sums.accurate, 0);  // a tie is not a preference
      EXPECT_EQ(sums.chosen_shift, 0);
    }
  }
}

TEST(DpoLoss, HasTheClosedFormsOfOnePair) {
  // h = 0.5 (s_w - s_l) = 0.5 ((-3 + 4) - (-5 + 3)) = 1.5
  const std::vector<Real> logp = {-1, -2, -5};
  PreferenceItem item{.targets = {0, 2, 2, 3}, .reference_chosen = -4, .reference_rejected = -3};
  std::vector<Real> dlogp(3, 0);
  PreferenceSums sums;
  const double plain = dpo_loss(dlogp, logp, {&item, 1}, 0.5, 0, &sums).loss;
  EXPECT_NEAR(plain, std::log1p(std::exp(-1.5)), 1e-14);
  const double gradient = -0.5 / (1 + std::exp(1.5));  // -beta sigma(-h)
  const double tolerance = kRealIsDouble ? 1e-15 : 1e-8;
  EXPECT_NEAR(dlogp[0], gradient, tolerance);
  EXPECT_NEAR(dlogp[1], gradient, tolerance);
  EXPECT_NEAR(dlogp[2], -gradient, tolerance);

  EXPECT_DOUBLE_EQ(sums.reward_chosen, 0.5);
  EXPECT_DOUBLE_EQ(sums.reward_rejected, -1);
  EXPECT_EQ(sums.accurate, 1);
  EXPECT_DOUBLE_EQ(sums.logp_chosen, -3);
  EXPECT_DOUBLE_EQ(sums.logp_rejected, -5);
  EXPECT_DOUBLE_EQ(sums.chosen_shift, 1);
  EXPECT_EQ(sums.chosen_tokens, 2);
  EXPECT_DOUBLE_EQ(sums.chosen_nll, 3);

  std::fill(dlogp.begin(), dlogp.end(), Real{0});
  const double smoothed = dpo_loss(dlogp, logp, {&item, 1}, 0.5, 0.25).loss;
  EXPECT_NEAR(smoothed, 0.75 * std::log1p(std::exp(-1.5)) + 0.25 * std::log1p(std::exp(1.5)),
              1e-14);
  const double smoothed_gradient = 0.75 * gradient + 0.25 * 0.5 / (1 + std::exp(-1.5));
  EXPECT_NEAR(dlogp[0], smoothed_gradient, tolerance);
  EXPECT_NEAR(dlogp[2], -smoothed_gradient, tolerance);
}

TEST(DpoLoss, UsesSumsOverTokensAndNotMeans) {
  // Twice the tokens, each moved as far: twice the margin.
  const std::vector<Real> one = {-1, -2}, two = {-1, -1, -2, -2};
  const PreferenceItem short_pair{.targets = {0, 1, 1, 2}};
  const PreferenceItem long_pair{.targets = {0, 2, 2, 4}};
  std::vector<Real> d2(2, 0), d4(4, 0);
  EXPECT_NEAR(dpo_loss(d2, one, {&short_pair, 1}, 0.2, 0).loss,
              dpo_loss(d4, two, {&long_pair, 1}, 0.1, 0).loss, 1e-14);
}

TEST(DpoLoss, StaysFiniteForHugeMargins) {
  for (double margin : {-1e4, 1e4}) {
    const std::vector<Real> logp = {0, 0};
    PreferenceItem item{.targets = {0, 1, 1, 2}, .reference_chosen = -margin};
    std::vector<Real> dlogp(2, 0);
    const double loss = dpo_loss(dlogp, logp, {&item, 1}, 1, 0).loss;
    EXPECT_DOUBLE_EQ(loss, std::max(0.0, -margin));
    EXPECT_DOUBLE_EQ(dlogp[0], margin > 0 ? 0 : -1);
  }
}

TEST(DpoLoss, CountsAWrongPreferenceAsNotAccurate) {
  const std::vector<Real> logp = {-2, -1};
  const PreferenceItem item{.targets = {0, 1, 1, 2}};
  std::vector<Real> dlogp(2, 0);
  PreferenceSums sums;
  dpo_loss(dlogp, logp, {&item, 1}, 0.1, 0, &sums);
  EXPECT_EQ(sums.accurate, 0);
  EXPECT_EQ(sums.pairs, 1);
}

TEST(DpoLoss, GivesNoGradientToAPairOfIdenticalAnswers) {
  // Same tokens, same log-probabilities: the two gradients are on the same tokens and cancel.
  const std::vector<Real> logp = {-1, -2, -1, -2};
  const PreferenceItem item{
      .targets = {0, 2, 2, 4}, .reference_chosen = -5, .reference_rejected = -5};
  std::vector<Real> dlogp(4, 0);
  dpo_loss(dlogp, logp, {&item, 1}, 0.3, 0);
  EXPECT_EQ(dlogp[0] + dlogp[2], 0);
  EXPECT_EQ(dlogp[1] + dlogp[3], 0);
}

TEST(IpoLoss, StartsAtItsClosedFormWhateverTheLengths) {
  const auto logp = random_logp(1);
  for (double beta : {0.1, 0.5, 2.0}) {
    std::vector<Real> dlogp(kTargets, 0);
    PreferenceSums sums;
    const Contribution sum = ipo_loss(dlogp, logp, items_at_start(logp), beta, &sums);
    const double expected = 1 / (4 * beta * beta);
    EXPECT_NEAR(sum.loss / sum.weight, expected, 1e-12 * expected);
    EXPECT_EQ(sums.accurate, 0);
  }
}

TEST(IpoLoss, AveragesLogRatiosOverEachAnswersLength) {
  // s_w / n_w = 1 / 2, s_l / n_l = -2 / 1, 1 / (2 beta) = 1: d = 0.5 + 2 - 1
  const std::vector<Real> logp = {-1, -2, -5};
  const PreferenceItem item{
      .targets = {0, 2, 2, 3}, .reference_chosen = -4, .reference_rejected = -3};
  std::vector<Real> dlogp(3, 0);
  EXPECT_DOUBLE_EQ(ipo_loss(dlogp, logp, {&item, 1}, 0.5).loss, 2.25);
  EXPECT_EQ(dlogp, (std::vector<Real>{1.5f, 1.5f, -3}));
}

TEST(ChosenSftLoss, AddsTheChosenAnswersLossAndNoWeight) {
  const auto items = make_items();
  const std::vector<Real> logp(kTargets, -2);
  std::vector<Real> dlogp(kTargets, 1);
  const Contribution sum = chosen_sft_loss(dlogp, logp, items, 0.25);
  EXPECT_DOUBLE_EQ(sum.loss, 0.25 * 2 * (3 + 1 + 4));
  EXPECT_EQ(sum.weight, 0);
  for (size_t m = 0; m < kTargets; ++m) {
    const bool chosen = m < 3 || m == 8 || (m >= 13 && m < 17);
    EXPECT_EQ(dlogp[m], chosen ? 0.75f : 1) << m;
  }
}

TEST(PreferenceLosses, LeaveTargetsOfNoPairAlone) {
  const auto items = items_under_way();
  const auto logp = random_logp(2);
  std::vector<Real> dlogp(kTargets, 0);
  dpo_loss(dlogp, logp, items, 0.1, 0.1);
  ipo_loss(dlogp, logp, items, 0.1);
  chosen_sft_loss(dlogp, logp, items, 1);
  EXPECT_EQ(dlogp[11], 0);
  EXPECT_EQ(dlogp[12], 0);
}

TEST(PreferenceLosses, AddToTheGradientsTheyAreHanded) {
  const auto items = items_under_way();
  const auto logp = random_logp(2);
  std::vector<Real> once(kTargets, 0), twice(kTargets, 0);
  ipo_loss(once, logp, items, 0.3);
  for (int i = 0; i < 2; ++i) ipo_loss(twice, logp, items, 0.3);
  for (size_t m = 0; m < kTargets; ++m) EXPECT_EQ(twice[m], 2 * once[m]);
}

TEST(PreferenceLosses, RefuseAnAnswerWithoutTokens) {
  const std::vector<Real> logp = {-2, -1};
  const PreferenceItem item{.targets = {0, 0, 0, 2}};
  std::vector<Real> dlogp(2, 0);
  EXPECT_ERROR(ipo_loss(dlogp, logp, {&item, 1}, 0.1), "an answer has no tokens");
  EXPECT_ERROR(dpo_loss(dlogp, logp, {&item, 1}, 0.1, 0), "got 0 chosen and 2 rejected");
}

TEST(PreferenceSums, AddUp) {
  const auto items = items_under_way();
  const auto logp = random_logp(2);
  std::vector<Real> dlogp(kTargets, 0);
  PreferenceSums together, apart;
  dpo_loss(dlogp, logp, items, 0.1, 0, &together);
  for (const PreferenceItem& item : items) {
    PreferenceSums one;
    dpo_loss(dlogp, logp, {&item, 1}, 0.1, 0, &one);
    apart += one;
  }
  EXPECT_EQ(apart.pairs, together.pairs);
  EXPECT_EQ(apart.accurate, together.accurate);
  EXPECT_EQ(apart.preferred, together.preferred);
  EXPECT_DOUBLE_EQ(apart.loss, together.loss);
  EXPECT_EQ(apart.chosen_tokens, together.chosen_tokens);
  EXPECT_DOUBLE_EQ(apart.reward_chosen, together.reward_chosen);
  EXPECT_DOUBLE_EQ(apart.reward_rejected, together.reward_rejected);
  EXPECT_DOUBLE_EQ(apart.logp_chosen, together.logp_chosen);
  EXPECT_DOUBLE_EQ(apart.logp_rejected, together.logp_rejected);
  EXPECT_DOUBLE_EQ(apart.chosen_shift, together.chosen_shift);
  EXPECT_DOUBLE_EQ(apart.chosen_nll, together.chosen_nll);
}

TEST(PreferenceLosses, GradientsMatchCentralDifferences) {
  MINILLM_REQUIRE_DOUBLE();
  const auto items = items_under_way();
  using Loss = std::function<Contribution(std::span<Real>, std::span<const Real>)>;
  std::vector<std::pair<std::string, Loss>> losses = {
      {"dpo, smoothed",
       [&](auto dlogp, auto logp) { return dpo_loss(dlogp, logp, items, 0.3, 0.2); }},
      {"sft", [&](auto dlogp, auto logp) { return chosen_sft_loss(dlogp, logp, items, 0.3); }}};
  for (const PairLoss& entry : pair_losses())
    losses.emplace_back(entry.name, [&](auto dlogp, auto logp) {
      return pair_loss(dlogp, logp, items, named(entry.name, 0.3));
    });
  for (const auto& [name, loss] : losses) {
    auto logp = random_logp(2);
    std::vector<Real> dlogp(kTargets, 0);
    loss(dlogp, logp);
    const auto evaluate = [&, loss = loss] {
      std::vector<Real> ignored(kTargets, 0);
      return loss(ignored, logp).loss;
    };
    expect_gradient(evaluate, logp, dlogp, 1e-8, name);
  }
}

// Four tokens: the first item is a good answer of two, the second a bad one of two.
TEST(KtoLoss, JudgesEveryAnswerByItself) {
  PairLossConfig config;
  config.name = "kto";
  config.beta = 0.5;
  config.desirable_weight = 2;
  config.undesirable_weight = 3;
  const std::vector<Real> logp = {-1, -2, -3, -4};
  std::vector<Real> dlogp(4);
  const std::vector<PreferenceItem> items = {{{0, 2, 2, 2}, -4, 0}, {{2, 2, 2, 4}, 0, -5}};
  PreferenceSums sums;
  const double moved = 0.25;
  const Contribution loss =
      pair_loss(dlogp, logp, items, pair_loss_of(config), config, &sums, moved);
  const auto sigma = [](double x) { return 1 / (1 + std::exp(-x)); };
  const double good = sigma(0.5 * (1 - 0.25)), bad = sigma(0.5 * (0.25 + 2));
  EXPECT_NEAR(loss.loss, 2 * (1 - good) + 3 * (1 - bad), 1e-12);
  EXPECT_EQ(loss.weight, 2);
  for (const size_t i : {0, 1}) EXPECT_NEAR(dlogp[i], -2 * 0.5 * good * (1 - good), 1e-7);
  for (const size_t i : {2, 3}) EXPECT_NEAR(dlogp[i], 3 * 0.5 * bad * (1 - bad), 1e-7);
  EXPECT_EQ(sums.chosen, 1);
  EXPECT_EQ(sums.rejected, 1);
  EXPECT_EQ(sums.reward_chosen, 0.5);
  EXPECT_EQ(sums.reward_rejected, -1);
  // The SFT term is of good answers only, and of none if there is none.
  std::vector<Real> none(4);
  const std::span only_bad(items.data() + 1, 1);
  EXPECT_EQ(chosen_sft_loss(none, logp, only_bad, INFINITY).loss, 0);
  EXPECT_EQ(none, std::vector<Real>(4));
}

}  // namespace
}  // namespace minillm
