// Newton-Schulz against the singular value decomposition: the same directions, and what five steps
// make of each singular value.

#include "libminillm/optim/newton_schulz.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

#include "tests/optim/singular_values.h"
#include "tests/testing/grad_check.h"

namespace minillm {
namespace {

using minillm_testing::decompose;
using minillm_testing::Decomposition;
using minillm_testing::random_values;

double five_steps(double s) {
  for (int step = 0; step < 5; ++step)
    s = 3.4445 * s - 4.7750 * std::pow(s, 3) + 2.0315 * std::pow(s, 5);
  return s;
}

Matrix random_matrix(Index rows, Index cols, uint64_t seed) {
  Matrix x(rows, cols);
  std::ranges::copy(random_values(static_cast<size_t>(rows * cols), seed), x.view().data);
  return x;
}

// a [rows, rank] b [rank, cols]
Matrix of_rank(Index rank, Index rows, Index cols) {
  Matrix x(rows, cols);
  gemm_nn(x.view(), random_matrix(rows, rank, 3).view(), random_matrix(rank, cols, 4).view());
  return x;
}

double norm_of(const Decomposition& d) {
  double squares = 0;
  for (const double value : d.values) squares += value * value;
  return std::sqrt(squares);
}

using Shape = std::tuple<Index, Index>;
const Shape kShapes[] = {{1, 1}, {7, 1}, {1, 7}, {24, 24}, {97, 33}, {33, 97}, {70, 17}, {16, 48}};

TEST(NewtonSchulz, KeepsDirectionsAndMapsEverySingularValue) {
  for (const auto& [rows, cols] : kShapes) {
    Matrix x = random_matrix(rows, cols, 1);
    const Decomposition before = decompose(x.view());
    const double norm = norm_of(before) + 1e-7;
    NewtonSchulz().run(x.view(), Precision::kFloat);
    const double tolerance = minillm_testing::kRealIsDouble ? 1e-11 : 2e-5;
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < cols; ++j)
        ASSERT_NEAR(x.view()(i, j),
                    before.element(i, j, [&](double s) { return five_steps(s / norm); }), tolerance)
            << rows << " x " << cols << " at " << i << ", " << j;
  }
}

// What is above 0.0015 of the norm ends near 1, tall, wide or square; also with products in
// bfloat16, whose factors have 8 bits.
TEST(NewtonSchulz, LeavesSingularValuesNearOne) {
  for (const auto& [rows, cols] : kShapes)
    for (const Precision precision : {Precision::kFloat, Precision::kBfloat16}) {
      const double low = precision == Precision::kFloat ? 0.67 : 0.6;
      const double high = precision == Precision::kFloat ? 1.21 : 1.3;
      Matrix x = random_matrix(rows, cols, 2);
      const double norm = norm_of(decompose(x.view()));
      const std::vector<double> before = decompose(x.view()).values;
      const Index seen = std::ranges::count_if(before, [&](double s) { return s > 0.003 * norm; });
      NewtonSchulz().run(x.view(), precision);
      const std::vector<double> after = decompose(x.view()).values;
      EXPECT_GE(std::ranges::count_if(after, [&](double s) { return s >= low && s <= high; }), seen)
          << rows << " x " << cols;
      EXPECT_LE(std::ranges::max(after), high) << rows << " x " << cols;
    }
}

TEST(NewtonSchulz, AddsNoDirectionToThoseThatThereAre) {
  for (const auto& [rows, cols] : {Shape{30, 24}, Shape{24, 30}, Shape{24, 24}}) {
    Matrix x = of_rank(5, rows, cols);
    NewtonSchulz().run(x.view(), Precision::kFloat);
    std::vector<double> values = decompose(x.view()).values;
    std::ranges::sort(values, std::greater());
    EXPECT_GE(values[4], 0.67);
    EXPECT_LE(values[0], 1.21);
    EXPECT_LE(values[5], 485 * 1e-6) << "rounding, as small as five steps make it";
  }
}

TEST(NewtonSchulz, LeavesNothingNothing) {
  Matrix zero(6, 4), tiny(6, 4);
  NewtonSchulz().run(zero.view(), Precision::kFloat);
  std::ranges::copy(random_values(24, 1, 1e-16), tiny.view().data);
  NewtonSchulz().run(tiny.view(), Precision::kFloat);
  for (Index i = 0; i < 24; ++i) {
    EXPECT_EQ(zero.view().data[i], 0);
    EXPECT_LT(std::abs(tiny.view().data[i]), 1e-5);
  }
}

// Scratch that has served a larger matrix serves a smaller one to the same bits.
TEST(NewtonSchulz, DependsOnTheMatrixAlone) {
  NewtonSchulz used;
  Matrix large = random_matrix(50, 40, 1), first = random_matrix(9, 20, 2);
  Matrix second = random_matrix(9, 20, 2);
  used.run(large.view(), Precision::kFloat);
  used.run(first.view(), Precision::kFloat);
  NewtonSchulz().run(second.view(), Precision::kFloat);
  EXPECT_TRUE(std::equal(first.view().data, first.view().data + 180, second.view().data));
}

}  // namespace
}  // namespace minillm
