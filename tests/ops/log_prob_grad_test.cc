// HeadPass against central differences. Built in double only.

#include <gtest/gtest.h>

#include "tests/ops/log_prob_cases.h"

namespace minillm {
namespace {

using minillm_testing::dot;
using minillm_testing::expect_gradient;
using minillm_testing::HeadData;

constexpr double kTolerance = 1e-6;

void expect_head_gradient(const std::vector<Real>& dlogp, Index chunk, const std::string& name) {
  HeadData data(6, 37, 11, minillm_testing::mixed_targets(), chunk);
  const auto loss = [&] {
    data.forward();
    return dot(dlogp, data.logp);
  };
  loss();
  data.backward(dlogp);
  expect_gradient(loss, data.hidden.span(), data.dhidden.span(), kTolerance, name + ": hidden");
  expect_gradient(loss, data.head.span(), data.dhead.span(), kTolerance, name + ": head");
}

TEST(LogProbGradient, MatchesCentralDifferences) {
  const std::vector<Real> dlogp = minillm_testing::random_values(9, 3);
  for (const Index chunk : {1, 4, 9, 20})
    expect_head_gradient(dlogp, chunk, "chunk " + std::to_string(chunk));
}

// Targets that carry no loss are among others, and fill a whole chunk.
TEST(LogProbGradient, MatchesCentralDifferencesWhereTargetsCarryNoLoss) {
  std::vector<Real> dlogp = minillm_testing::random_values(9, 3);
  for (const size_t m : {1, 4, 5, 6, 7}) dlogp[m] = 0;
  for (const Index chunk : {1, 4, 9})
    expect_head_gradient(dlogp, chunk, "chunk " + std::to_string(chunk));
}

}  // namespace
}  // namespace minillm
