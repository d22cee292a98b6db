#include "libminillm/optim/adamw.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "libminillm/core/threads.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/grad_check.h"

namespace minillm {
namespace {

using minillm_testing::random_values;

constexpr Index kMatrix = 40001, kGain = 33;  // odd sizes: more than one block, and a ragged end

TensorTable make_table() {
  TensorTable table;
  table.add("matrix", {kMatrix}, true);
  table.add("gain", {kGain}, false);
  return table;
}

// The algorithm as in the paper, one element at a time, in double.
struct Reference {
  AdamWConfig config;
  std::vector<double> w, m, v;

  Reference(const AdamWConfig& config_, const std::vector<Real>& weights)
      : config(config_), w(weights.begin(), weights.end()), m(w.size()), v(w.size()) {}

  void update(const std::vector<Real>& gradients, double scale, double rate, int t) {
    for (size_t i = 0; i < w.size(); ++i) {
      const double g = scale * double{gradients[i]};
      m[i] = config.beta1 * m[i] + (1 - config.beta1) * g;
      v[i] = config.beta2 * v[i] + (1 - config.beta2) * g * g;
      const double m_hat = m[i] / (1 - std::pow(config.beta1, t));
      const double v_hat = v[i] / (1 - std::pow(config.beta2, t));
      const double decay = i < size_t{kMatrix} ? config.weight_decay : 0;
      w[i] -= rate * (m_hat / (std::sqrt(v_hat) + config.epsilon) + decay * w[i]);
    }
  }
};

TEST(AdamW, FollowsThePaperForTenSteps) {
  const TensorTable table = make_table();
  const AdamWConfig config{.beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.1};
  std::vector<Real> weights = random_values(static_cast<size_t>(table.size()), 1);
  Reference reference(config, weights);
  AdamW adamw(table, config);
  for (int t = 1; t <= 10; ++t) {
    const auto gradients = random_values(weights.size(), 100 + t);
    adamw.update(weights, gradients, 0.25, 1e-2 / t, t);
    reference.update(gradients, 0.25, 1e-2 / t, t);
  }
  const double tolerance = minillm_testing::kRealIsDouble ? 1e-13 : 2e-6;
  for (size_t i = 0; i < weights.size(); ++i) {
    ASSERT_NEAR(weights[i], reference.w[i], tolerance) << i;
    ASSERT_NEAR(adamw.exp_avg()[i], reference.m[i], tolerance) << i;
    ASSERT_NEAR(adamw.exp_avg_sq()[i], reference.v[i], tolerance) << i;
  }
}

TEST(AdamW, TheFirstStepIsTheLearningRateWhateverTheGradientsSize) {
  TensorTable table;
  table.add("gain", {3}, false);
  AdamW adamw(table, {});
  std::vector<Real> weights = {0, 0, 0};
  adamw.update(weights, std::vector<Real>{1e-3f, -1, 1e3f}, 1, 0.01, 1);
  EXPECT_NEAR(weights[0], -0.01, 1e-6);
  EXPECT_NEAR(weights[1], 0.01, 1e-6);
  EXPECT_NEAR(weights[2], -0.01, 1e-6);
}

TEST(AdamW, DecaysMatricesAndLeavesGainsAlone) {
  const TensorTable table = make_table();
  AdamW adamw(table, {.weight_decay = 0.5});
  std::vector<Real> weights(static_cast<size_t>(table.size()), 2);
  const std::vector<Real> gradients(weights.size(), 0);
  adamw.update(weights, gradients, 1, 0.1, 1);
  EXPECT_EQ(weights[0], static_cast<Real>(2 * (1 - 0.1 * 0.5)));
  EXPECT_EQ(weights[kMatrix - 1], weights[0]);
  EXPECT_EQ(weights[kMatrix], 2);
  EXPECT_EQ(weights[kMatrix + kGain - 1], 2);
}

TEST(AdamW, LeavesFrozenElementsAloneAndMovesTheOthersAsEver) {
  const TensorTable table = make_table();
  const std::vector<ElementRange> frozen = {{0, 5}, {9, kMatrix - 3}, {kMatrix - 1, kMatrix + 1}};
  AdamW all(table, {.weight_decay = 0.5}), rest(table, {.weight_decay = 0.5}, frozen);
  const std::vector<Real> start = random_values(static_cast<size_t>(table.size()), 1);
  const std::vector<Real> gradients = random_values(start.size(), 2);
  std::vector<Real> moved = start, kept = start;
  all.update(moved, gradients, 1, 0.1, 1);
  rest.update(kept, gradients, 1, 0.1, 1);
  for (size_t i = 0; i < start.size(); ++i) {
    const bool is_frozen = std::ranges::any_of(frozen, [&](const ElementRange& range) {
      return std::cmp_less_equal(range.begin, i) && std::cmp_less(i, range.end);
    });
    ASSERT_EQ(kept[i], is_frozen ? start[i] : moved[i]) << i;
    ASSERT_EQ(rest.exp_avg()[i], is_frozen ? 0 : all.exp_avg()[i]) << i;
    ASSERT_EQ(rest.exp_avg_sq()[i], is_frozen ? 0 : all.exp_avg_sq()[i]) << i;
  }
}

TEST(AdamW, GivesTheSameBitsForAnyNumberOfThreads) {
  const TensorTable table = make_table();
  const auto train = [&](int threads) {
    set_thread_count(threads);
    AdamW adamw(table, {});
    std::vector<Real> weights = random_values(static_cast<size_t>(table.size()), 1);
    for (int t = 1; t <= 3; ++t)
      adamw.update(weights, random_values(weights.size(), 100 + t), 0.5, 1e-2, t);
    return weights;
  };
  const int threads_before = thread_count();
  const std::vector<Real> expected = train(1);
  for (int threads : {2, 3, 4}) EXPECT_EQ(train(threads), expected) << threads;
  set_thread_count(threads_before);
}

TEST(AdamW, RefusesAConfigOutOfRange) {
  EXPECT_ERROR(AdamW(make_table(), {.beta1 = 1}),
               "config: train.beta1: expected 0 <= beta1 < 1, got 1");
  EXPECT_ERROR(AdamW(make_table(), {.beta2 = -0.1}), "config: train.beta2");
  EXPECT_ERROR(AdamW(make_table(), {.epsilon = 0}), "config: train.epsilon");
  EXPECT_ERROR(AdamW(make_table(), {.weight_decay = std::numeric_limits<double>::quiet_NaN()}),
               "config: train.weight_decay");
}

}  // namespace
}  // namespace minillm
