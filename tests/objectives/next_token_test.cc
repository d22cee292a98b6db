#include "libminillm/objectives/next_token.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "tests/testing/grad_check.h"

namespace minillm {
namespace {

using minillm_testing::expect_gradient;
using minillm_testing::random_values;

std::vector<Target> targets_with_weights(const std::vector<Real>& weights) {
  std::vector<Target> targets;
  for (Real weight : weights) targets.push_back({.row = 0, .token = 0, .weight = weight});
  return targets;
}

TEST(NextTokenLoss, IsTheWeightedSumOfNegativeLogProbabilities) {
  const auto targets = targets_with_weights({1, 0, 0.5f, 2});
  const std::vector<Real> logp = {-1, -100, -2, -0.25f};
  std::vector<Real> dlogp(4, 0);
  const Contribution sum = next_token_loss(dlogp, logp, targets);
  EXPECT_DOUBLE_EQ(sum.loss, 1 + 1 + 0.5);
  EXPECT_DOUBLE_EQ(sum.weight, 3.5);
  EXPECT_EQ(dlogp, (std::vector<Real>{-1, 0, -0.5f, -2}));
}

TEST(NextTokenLoss, ScaleMultipliesLossAndGradientButNotTheWeight) {
  const auto targets = targets_with_weights({1, 1});
  std::vector<Real> dlogp(2, 0);
  const Contribution sum = next_token_loss(dlogp, std::vector<Real>{-1, -3}, targets, 0.5);
  EXPECT_DOUBLE_EQ(sum.loss, 2);
  EXPECT_DOUBLE_EQ(sum.weight, 2);
  EXPECT_EQ(dlogp, (std::vector<Real>{-0.5f, -0.5f}));
}

TEST(NextTokenLoss, AddsToTheGradientsItIsHanded) {
  const auto targets = targets_with_weights({1, 2});
  const std::vector<Real> logp = {-1, -3};
  std::vector<Real> dlogp = {10, 20};
  next_token_loss(dlogp, logp, targets);
  EXPECT_EQ(dlogp, (std::vector<Real>{9, 18}));
}

TEST(NextTokenLoss, IsZeroWithoutTargetsAndWhereEveryWeightIsZero) {
  EXPECT_EQ(next_token_loss(std::span<const Real>(), std::span<const Target>()).weight, 0);
  // Even where the model calls the token impossible: 0 * infinity must not become NaN.
  std::vector<Real> dlogp(1, 0);
  const std::vector<Real> logp = {-std::numeric_limits<Real>::infinity()};
  const Contribution sum = next_token_loss(dlogp, logp, targets_with_weights({0}));
  EXPECT_EQ(sum.loss, 0);
  EXPECT_EQ(sum.weight, 0);
  EXPECT_EQ(dlogp[0], 0);
}

TEST(NextTokenLoss, SumsDoNotDependOnTheSplitIntoMicroBatches) {
  const auto logp = random_values(12, 1);
  const auto weights = random_values(12, 2);
  const auto targets = targets_with_weights(weights);
  const std::span<const Target> all(targets);
  std::vector<Real> whole(12, 0), parts(12, 0);
  const Contribution expected = next_token_loss(whole, logp, all);
  Contribution sum;
  for (const auto& [begin, size] : {std::pair<size_t, size_t>{0, 1}, {1, 7}, {8, 4}}) {
    sum += next_token_loss(std::span(parts).subspan(begin, size),
                           std::span(logp).subspan(begin, size), all.subspan(begin, size));
  }
  EXPECT_EQ(whole, parts);
  EXPECT_NEAR(sum.loss, expected.loss, 1e-12);
  EXPECT_NEAR(sum.weight, expected.weight, 1e-12);
}

TEST(NextTokenLoss, GradientMatchesCentralDifferences) {
  MINILLM_REQUIRE_DOUBLE();
  auto logp = random_values(9, 3);
  const auto targets = targets_with_weights(random_values(9, 4));
  std::vector<Real> dlogp(9, 0);
  next_token_loss(dlogp, logp, targets, 0.7);
  const auto loss = [&] {
    std::vector<Real> ignored(9, 0);
    return next_token_loss(ignored, logp, targets, 0.7).loss;
  };
  expect_gradient(loss, logp, dlogp, 1e-8, "logp");
}

}  // namespace
}  // namespace minillm
