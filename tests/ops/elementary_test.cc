#include "libminillm/ops/elementary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "libminillm/core/rng.h"
#include "tests/testing/compare.h"

namespace minillm {
namespace {

std::vector<Real> random_reals(size_t size, uint64_t seed) {
  Rng rng(seed);
  std::vector<Real> values(size);
  for (Real& v : values) v = static_cast<Real>(rng.normal());
  return values;
}

Real sum_of(const std::vector<Real>& x) {
  return lane_sum(static_cast<Index>(x.size()), [&](Index i) { return x[static_cast<size_t>(i)]; });
}

TEST(ExpFast, IsWithinTwoUnitsInTheLastPlaceOverItsWholeRange) {
  double worst = 0;
  float worst_at = 0;
  for (double x = -87; x <= 88; x += 1.37e-4) {
    const float argument = static_cast<float>(x);
    const double exact = std::exp(double{argument});
    const double error = std::abs(exp_fast(argument) / exact - 1);
    if (error > worst) worst = error, worst_at = argument;
  }
  EXPECT_LE(worst, 2 * double{std::numeric_limits<float>::epsilon()}) << "at " << worst_at;
}

TEST(ExpFast, IsExactAtZeroAndClampedToNormalFloats) {
  EXPECT_EQ(exp_fast(0.0f), 1.0f);
  EXPECT_EQ(exp_fast(-0.0f), 1.0f);
  EXPECT_EQ(exp_fast(-1000.0f), exp_fast(-87.0f));
  EXPECT_EQ(exp_fast(-std::numeric_limits<float>::infinity()), exp_fast(-87.0f));
  EXPECT_GE(exp_fast(-87.0f), std::numeric_limits<float>::min());
  EXPECT_EQ(exp_fast(1000.0f), exp_fast(88.0f));
  EXPECT_TRUE(std::isfinite(exp_fast(88.0f)));
  EXPECT_TRUE(std::isnan(exp_fast(std::numeric_limits<float>::quiet_NaN())));
}

// The loop below is vectorised, with a tail; a single call is not.
TEST(ExpFast, HasTheSameBitsInALoopAndAlone) {
  std::vector<Real> x = random_reals(1003, 1), in_loop(x.size()), alone(x.size());
  for (Real& v : x) v *= 20;
  for (size_t i = 0; i < x.size(); ++i) in_loop[i] = exp_fast(x[i]);
  for (size_t i = 0; i < x.size(); ++i) {
    const volatile Real one = x[i];
    alone[i] = exp_fast(one);
  }
  minillm_testing::expect_same_bits(in_loop, alone, "exp_fast");
}

TEST(KeepFirst, ReplacesTheOthersWhateverTheyHold) {
  for (Index count = 0; count <= 2 * kSumLanes; ++count) {
    std::vector<Real> x = random_reals(kSumLanes, 3);
    x.back() = std::numeric_limits<Real>::quiet_NaN();
    std::vector<Real> kept = x;
    keep_first(kept.data(), count, Real{-7});
    for (Index i = 0; i < kSumLanes; ++i) {
      const Real expected = i < count ? x[static_cast<size_t>(i)] : Real{-7};
      minillm_testing::expect_same_bits({&kept[static_cast<size_t>(i)], 1}, {&expected, 1}, "lane");
    }
  }
}

TEST(Sigmoid, IsAccurateAndSaturates) {
  for (double x = -40; x <= 40; x += 0.01) {
    const Real argument = static_cast<Real>(x);
    const double exact = 1 / (1 + std::exp(-double{argument}));
    ASSERT_NEAR(sigmoid(argument) / exact, 1, 8 * double{std::numeric_limits<Real>::epsilon()})
        << x;
  }
  EXPECT_EQ(sigmoid(Real{1000}), 1);
  EXPECT_NEAR(sigmoid(Real{-1000}), 0, 1e-37);
}

TEST(LaneSum, EqualsThePlainSumForAllSizes) {
  for (size_t size = 0; size < 100; ++size) {
    const std::vector<Real> x = random_reals(size, size + 1);
    const double exact = std::accumulate(x.begin(), x.end(), 0.0);
    EXPECT_NEAR(sum_of(x), exact, 200 * double{std::numeric_limits<Real>::epsilon()}) << size;
  }
}

TEST(LaneSum, TrailingZerosChangeNoBit) {
  for (const size_t size : {1, 5, 15, 16, 17, 31, 32, 33, 100, 257}) {
    std::vector<Real> x = random_reals(size, size);
    const Real sum = sum_of(x);
    for (int zeros = 1; zeros <= 40; ++zeros) {
      x.push_back(0);
      const Real padded = sum_of(x);
      minillm_testing::expect_same_bits({&padded, 1}, {&sum, 1}, std::to_string(size) + " numbers");
    }
  }
}

TEST(MaxOf, FindsTheLargestWhereverItStands) {
  for (size_t size = 1; size < 50; ++size) {
    for (size_t at = 0; at < size; ++at) {
      std::vector<Real> x(size, Real{-3});
      x[at] = Real{-2};
      ASSERT_EQ(max_of(x.data(), static_cast<Index>(size)), Real{-2}) << at << " of " << size;
    }
  }
}

}  // namespace
}  // namespace minillm
