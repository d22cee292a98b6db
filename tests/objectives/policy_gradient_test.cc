#include "libminillm/objectives/policy_gradient.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "libminillm/objectives/advantages.h"
#include "libminillm/objectives/pair_losses.h"
#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

constexpr double kTolerance = 1e-6;  // floats of the release build

// torch.min(ratio * A, torch.clamp(ratio, 0.8, 1.28) * A) - 0.3 * k3 and its gradient, in PyTorch.
TEST(PolicyGradient, IsPyTorchs) {
  const std::vector<Real> logp = {-1, -0.5, -2, Real(-0.1), -3, Real(-0.7)};
  const std::vector<Real> sampled = {-1, -1, -1.5, Real(-0.1), -2.5, Real(-0.9)};
  const std::vector<Real> reference = {Real(-1.2), -0.5, -2.5, Real(-0.4), -2, Real(-0.7)};
  const std::vector<double> advantage = {1, 1, -0.5, 0, -2, 0.8},
                            weight = {0.5, 0.5, 1, 1, 0.25, 0.25};
  std::vector<Real> dlogp(6, 0);
  PolicySums sums;
  const Contribution sum =
      policy_gradient_loss(dlogp, logp, {sampled, reference, advantage, weight},
                           {.clip_low = 0.2, .clip_high = 0.28, .kl_weight = 0.3}, &sums);
  EXPECT_NEAR(sum.loss, -0.4833951374, kTolerance);
  EXPECT_EQ(sum.weight, 0);
  const double expected[] = {-0.4728096130, 0, 0.1180408021, 0.0777545338, -0.1288711371,
                             -0.2442805516};
  for (size_t m = 0; m < dlogp.size(); ++m) EXPECT_NEAR(dlogp[m], expected[m], kTolerance) << m;
  EXPECT_NEAR(sums.k3, 0.8843614619, kTolerance);
  EXPECT_EQ(sums.tokens, 6);
  EXPECT_EQ(sums.clipped, 3) << "one has risen far enough, two have fallen far enough";
  EXPECT_NEAR(sums.largest_difference, 0.5, kTolerance);
}

// On-policy the ratio is 1: the gradient is that of next-token prediction with weights w A.
TEST(PolicyGradient, IsWeightedNextTokenPredictionWhereTheRatioIsOne) {
  const std::vector<Real> logp = {-1, -2, -3};
  const std::vector<double> advantage = {2, -1, 0}, weight = {0.5, 0.25, 1};
  std::vector<Real> dlogp(3, 0);
  PolicySums sums;
  policy_gradient_loss(dlogp, logp, {logp, {}, advantage, weight}, {}, &sums);
  for (size_t m = 0; m < 3; ++m) EXPECT_EQ(dlogp[m], static_cast<Real>(-weight[m] * advantage[m]));
  EXPECT_EQ(sums.ratio, 3);
  EXPECT_EQ(sums.largest_difference, 0);
  EXPECT_EQ(sums.k1, 0) << "without a reference";
}

TEST(ValueLoss, IsPyTorchs) {
  const std::vector<Real> value = {0.5, Real(1.2), Real(-0.3)},
                          before = {Real(0.4), Real(0.8), Real(-0.3)};
  const std::vector<double> returns = {1, 0.9, 0.2}, weight = {1, 0.5, 2};
  std::vector<Real> dvalue(3, 0);
  EXPECT_NEAR(value_loss(dvalue, value, before, returns, weight, 0.2).loss, 0.3975, kTolerance);
  const double expected[] = {-0.5, 0.15, -1};
  for (size_t m = 0; m < 3; ++m) EXPECT_NEAR(dvalue[m], expected[m], kTolerance);
}

TEST(Advantages, AreTrlsAndRank) {
  const std::vector<double> rewards = {1, 0, 0.5, 0.5, 0.2, 0.2, 0.2, 0.9};
  const auto estimate = [&](const char* name) {
    std::vector<double> advantages(rewards.size());
    advantage_estimator(name).estimate(advantages, rewards, 4);
    return advantages;
  };
  const std::vector<double> grpo = estimate("grpo"), rloo = estimate("rloo"),
                            dr = estimate("dr_grpo"), reinforce = estimate("reinforce");
  const double expected_grpo[] = {1.22444494,  -1.22444494, 0,           0,
                                  -0.49985718, -0.49985718, -0.49985718, 1.49957155};
  const double expected_rloo[] = {2 / 3.0, -2 / 3.0, 0, 0, -0.7 / 3, -0.7 / 3, -0.7 / 3, 0.7};
  for (size_t i = 0; i < rewards.size(); ++i) {
    EXPECT_NEAR(grpo[i], expected_grpo[i], 1e-8) << i;
    EXPECT_NEAR(rloo[i], expected_rloo[i], 1e-12) << i;
    EXPECT_NEAR(dr[i], rloo[i] * 3 / 4, 1e-12) << i;
    EXPECT_NEAR(reinforce[i], rewards[i] - 3.5 / 8, 1e-12) << i;
  }
  EXPECT_ERROR(advantage_estimator("gspo"), "advantage 'gspo': expected \"grpo\", \"dr_grpo\"");
}

// Trap: a group whose answers are all worth the same must not divide by its spread of zero.
TEST(Advantages, AreZeroWhereAllAnswersAreWorthTheSame) {
  const std::vector<double> rewards(8, 0.7);
  for (const AdvantageEstimator& estimator : advantage_estimators()) {
    std::vector<double> advantages(8, 1);
    estimator.estimate(advantages, rewards, 4);
    for (const double a : advantages) EXPECT_NEAR(a, 0, 1e-12) << estimator.name;
  }
}

TEST(Advantages, OfPpoAreGaes) {
  const std::vector<double> rewards = {0.1, -0.2, 0, 1};
  const std::vector<Real> values = {0.5, Real(0.4), Real(0.6), Real(0.7)};
  std::vector<double> advantages(4), returns(4);
  generalized_advantages(advantages, returns, rewards, values, 0.9, 0.8);
  const double expected[] = {0.0443264, 0.11712, 0.246, 0.3};
  for (size_t t = 0; t < 4; ++t) {
    EXPECT_NEAR(advantages[t], expected[t], kTolerance);
    EXPECT_NEAR(returns[t], expected[t] + double{values[t]}, kTolerance);
  }
  // lambda = gamma = 1: the sum of the rewards from here on, less the value.
  generalized_advantages(advantages, returns, rewards, values, 1, 1);
  EXPECT_NEAR(returns[0], 0.9, kTolerance);
  EXPECT_NEAR(returns[3], 1, kTolerance);
}

TEST(Advantages, AreWhitenedToMeanZeroAndDeviationOne) {
  std::vector<double> values = {1, 2, 3, 6};
  whiten(values);
  double sum = 0, squares = 0;
  for (const double value : values) sum += value, squares += value * value;
  EXPECT_NEAR(sum, 0, 1e-12);
  EXPECT_NEAR(squares / 4, 1, 1e-12);
  std::vector<double> equal(3, 5);
  whiten(equal);
  EXPECT_EQ(equal, std::vector<double>(3, 0));
}

// A policy over three arms, log p = z - logsumexp(z), and what each is worth. The optimum of both
// methods is pi proportional to pi_ref exp(r / beta) (Rafailov et al. 2023, eq. 4).
struct Arms {
  static constexpr double kBeta = 0.5;
  const std::vector<double> reference = {0.5, 0.3, 0.2}, worth = {0, 1, 0.4};
  std::vector<double> z = {0, 0, 0};

  std::vector<Real> log_probs() const {
    double sum = 0;
    for (const double value : z) sum += std::exp(value);
    std::vector<Real> logp;
    for (const double value : z) logp.push_back(static_cast<Real>(value - std::log(sum)));
    return logp;
  }
  // One step down, given dloss/dlogp.
  void step(std::span<const Real> dlogp) {
    const std::vector<Real> logp = log_probs();
    double sum = 0;
    for (const Real d : dlogp) sum += d;
    for (size_t i = 0; i < z.size(); ++i)
      z[i] -= 0.5 * (dlogp[i] - std::exp(double{logp[i]}) * sum);
  }
  void expect_optimum() const {
    double sum = 0;
    for (size_t i = 0; i < 3; ++i) sum += reference[i] * std::exp(worth[i] / kBeta);
    const std::vector<Real> logp = log_probs();
    for (size_t i = 0; i < 3; ++i)
      EXPECT_NEAR(std::exp(double{logp[i]}), reference[i] * std::exp(worth[i] / kBeta) / sum, 1e-3);
  }
};

TEST(PolicyGradient, WithTheKlInTheRewardReachesTheTiltedReference) {
  Arms arms;
  for (int i = 0; i < 3000; ++i) {
    const std::vector<Real> logp = arms.log_probs();
    std::vector<double> advantage, weight;  // every arm, as often as it is drawn
    for (size_t a = 0; a < 3; ++a) {
      advantage.push_back(arms.worth[a] -
                          Arms::kBeta * (double{logp[a]} - std::log(arms.reference[a])));
      weight.push_back(std::exp(double{logp[a]}));
    }
    std::vector<Real> dlogp(3, 0);
    policy_gradient_loss(dlogp, logp, {logp, {}, advantage, weight}, {});
    arms.step(dlogp);
  }
  arms.expect_optimum();
}

TEST(PairLosses, DpoReachesTheTiltedReference) {
  Arms arms;
  const PairLossConfig config = {.beta = Arms::kBeta};
  const PairLoss& dpo = pair_loss_of(config);
  for (int i = 0; i < 3000; ++i) {
    const std::vector<Real> logp = arms.log_probs();
    std::vector<Real> dlogp(3, 0);
    for (size_t a = 0; a < 3; ++a) {
      for (size_t b = 0; b < 3; ++b) {
        if (a == b) continue;
        PairValues values;
        values.chosen = logp[a];
        values.rejected = logp[b];
        values.reference_chosen = std::log(arms.reference[a]);
        values.reference_rejected = std::log(arms.reference[b]);
        const double preferred = 1 / (1 + std::exp(arms.worth[b] - arms.worth[a]));
        const PairGradient gradient = dpo.at(values, config);
        dlogp[a] += static_cast<Real>(preferred * gradient.dchosen);
        dlogp[b] += static_cast<Real>(preferred * gradient.drejected);
      }
    }
    arms.step(dlogp);
  }
  arms.expect_optimum();
}

}  // namespace
}  // namespace minillm
