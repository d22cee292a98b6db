#include "libminillm/checkpoint/tensor_stats.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace minillm {
namespace {

TEST(TensorStats, AreOverTheFiniteValues) {
  const TensorStats stats = tensor_stats(std::vector<Real>{NAN, 3, -4, INFINITY, 0});
  EXPECT_EQ(stats.norm, 5);
  EXPECT_EQ(stats.min, -4);
  EXPECT_EQ(stats.max, 3);
  EXPECT_EQ(stats.non_finite, 2);
}

TEST(TensorStats, DoNotInventAZero) {
  const TensorStats stats = tensor_stats(std::vector<Real>{2, 5});
  EXPECT_EQ(stats.min, 2);
  EXPECT_EQ(tensor_stats(std::vector<Real>{-2, -5}).max, -2);
  EXPECT_EQ(tensor_stats({}).norm, 0);
}

TEST(TensorDifference, IsAbsoluteAndRelative) {
  const std::vector<Real> a = {3, 4, 0}, b = {3, 4.5, -1};
  const TensorDifference d = tensor_difference(a, b);
  EXPECT_DOUBLE_EQ(d.norm, std::sqrt(1.25));
  EXPECT_DOUBLE_EQ(d.relative, std::sqrt(1.25) / 5);
  EXPECT_EQ(d.max, 1);
  EXPECT_EQ(tensor_difference(a, a), TensorDifference());
  EXPECT_EQ(tensor_difference(std::vector<Real>{0}, std::vector<Real>{1}).relative, INFINITY);
}

}  // namespace
}  // namespace minillm
