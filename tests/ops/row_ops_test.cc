// The ops that treat every row alike (linear, embedding, rmsnorm, rope, swiglu) against plain
// loops in double, and their common promises: gradients are added, never overwritten, and threads
// change no bit.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "libminillm/ops/embedding.h"
#include "libminillm/ops/linear.h"
#include "libminillm/ops/rmsnorm.h"
#include "libminillm/ops/rope.h"
#include "libminillm/ops/swiglu.h"
#include "tests/testing/compare.h"
#include "tests/testing/grad_check.h"

namespace minillm {
namespace {

using minillm_testing::by_precision;
using minillm_testing::expect_same_bits;
using minillm_testing::ThreadCount;

constexpr double kTolerance = by_precision(1e-5, 1e-13);
constexpr Index kWidths[] = {1, 2, 3, 15, 16, 17, 31, 64, 131};

Matrix random_matrix(Index rows, Index cols, uint64_t seed) {
  Matrix matrix(rows, cols);
  std::ranges::copy(minillm_testing::random_values(matrix.span().size(), seed),
                    matrix.span().begin());
  return matrix;
}

TEST(Linear, EqualsAPlainLoopAndAddsToAResidual) {
  const Matrix x = random_matrix(5, 17, 1), weight = random_matrix(9, 17, 2),
               residual = random_matrix(5, 9, 3);
  Matrix y = random_matrix(5, 9, 4), sum = random_matrix(5, 9, 3);
  linear_forward(y.view(), x.view(), weight.view());
  linear_forward_residual(sum.view(), sum.view(), x.view(), weight.view());
  for (Index n = 0; n < 5; ++n) {
    for (Index o = 0; o < 9; ++o) {
      double expected = 0;
      for (Index i = 0; i < 17; ++i) expected += double{x(n, i)} * double{weight(o, i)};
      EXPECT_NEAR(y(n, o), expected, kTolerance);
      EXPECT_NEAR(sum(n, o), double{residual(n, o)} + expected, kTolerance);
    }
  }
}

TEST(Embedding, CopiesTheRowsOfTheTable) {
  const Matrix table = random_matrix(7, 33, 1);
  const std::vector<Token> tokens = {6, 0, 3, 3, 0};
  Matrix y(5, 33);
  embedding_forward(y.view(), tokens, table.view());
  for (Index n = 0; n < 5; ++n)
    expect_same_bits({y.view().row(n), 33}, {table.view().row(tokens[static_cast<size_t>(n)]), 33},
                     "row");
}

TEST(RmsNorm, EqualsAPlainLoop) {
  for (const Index C : kWidths) {
    const Matrix x = random_matrix(4, C, 1), weight = random_matrix(1, C, 2);
    Matrix y(4, C), rstd(4, 1);
    rmsnorm_forward(y.view(), rstd.view(), x.view(), weight.view(), Real(1e-3));
    for (Index n = 0; n < 4; ++n) {
      double squares = 0;
      for (Index i = 0; i < C; ++i) squares += double{x(n, i)} * double{x(n, i)};
      const double r = 1 / std::sqrt(squares / static_cast<double>(C) + double{Real(1e-3)});
      EXPECT_NEAR(rstd(n, 0) / r, 1, kTolerance);
      for (Index i = 0; i < C; ++i)
        ASSERT_NEAR(y(n, i), double{weight(0, i)} * double{x(n, i)} * r, kTolerance) << "C=" << C;
    }
  }
}

TEST(RmsNorm, OfARowWhoseSquaresOverflowIsNotANumber) {
  Matrix x(2, 4), y(2, 4), rstd(2, 1), weight(1, 4);
  const Real huge = std::numeric_limits<Real>::max() / 2;
  for (Index i = 0; i < 4; ++i) {
    weight(0, i) = 1;
    x(0, i) = huge;
    x(1, i) = 2;
  }
  rmsnorm_forward(y.view(), rstd.view(), x.view(), weight.view(), Real(1e-5));
  EXPECT_TRUE(std::isnan(y(0, 0)));
  EXPECT_NEAR(y(1, 0), 1, 1e-5);
}

TEST(RmsNorm, OfZeroIsZero) {
  Matrix x(1, 16), y(1, 16), rstd(1, 1);
  const Matrix weight = random_matrix(1, 16, 1);
  rmsnorm_forward(y.view(), rstd.view(), x.view(), weight.view(), Real(1e-5));
  for (Index i = 0; i < 16; ++i) EXPECT_EQ(y(0, i), 0);
}

TEST(Rope, TurnsThePairsOfEveryHead) {
  constexpr Index D = 6, heads = 3;
  const RopeTable table(40, D, 1000);
  const std::vector<int32_t> positions = {0, 1, 39, 7, 7};
  const Matrix x = random_matrix(5, heads * D, 1);
  Matrix y = random_matrix(5, heads * D, 1);
  rope_forward(y.view(), positions, table, D);
  for (Index n = 0; n < 5; ++n) {
    for (Index h = 0; h < heads; ++h) {
      for (Index i = 0; i < D / 2; ++i) {
        const double angle =
            positions[static_cast<size_t>(n)] * std::pow(1000.0, -2.0 * static_cast<double>(i) / D);
        const double a = x(n, h * D + i), b = x(n, h * D + i + D / 2);
        EXPECT_NEAR(y(n, h * D + i), a * std::cos(angle) - b * std::sin(angle), kTolerance);
        EXPECT_NEAR(y(n, h * D + i + D / 2), b * std::cos(angle) + a * std::sin(angle), kTolerance);
      }
    }
  }
}

TEST(Rope, LinearScalingSlowsEveryPairDown) {
  for (Index i = 0; i < 8; ++i)
    EXPECT_DOUBLE_EQ(rope_frequency(i, 16, 10000, {.type = "linear", .factor = 4}),
                     rope_frequency(i, 16, 10000, {}) / 4);
}

// Llama 3.1 8B (theta 500000, head dimension 128), by the formula of Hugging Face's
// _compute_llama3_parameters in Python's doubles: fast pairs stay, slow ones get 8 times slower.
TEST(Rope, Llama3ScalingSlowsOnlyTheSlowPairsDown) {
  const RopeScaling scaling{.type = "llama3", .factor = 8};
  const std::pair<Index, double> expected[] = {
      {0, 1.0},
      {10, 0.12868737343265052},
      {28, 0.003211445994752591},
      {29, 0.002166570763503359},
      {32, 0.0005248461609929547},
      {35, 9.556212353964683e-05},
      {36, 7.78465527393245e-05},
      {63, 3.068925988914511e-07},
  };
  for (const auto& [pair, frequency] : expected)
    EXPECT_NEAR(rope_frequency(pair, 128, 500000, scaling) / frequency, 1, 1e-14) << pair;
}

TEST(Rope, ScaledTablesTurnByScaledAngles) {
  const RopeScaling scaling{.type = "linear", .factor = 4};
  const RopeTable scaled(41, 8, 1000, scaling), plain(11, 8, 1000);
  for (Index i = 0; i < 4; ++i) EXPECT_NEAR(scaled.cosine(40)[i], plain.cosine(10)[i], kTolerance);
}

TEST(Rope, BackwardIsTheInverse) {
  const RopeTable table(500, 44, 10000);
  const std::vector<int32_t> positions = {499, 0, 123};
  const Matrix x = random_matrix(3, 88, 1);
  Matrix y = random_matrix(3, 88, 1);
  rope_forward(y.view(), positions, table, 44);
  EXPECT_GT(minillm_testing::relative_distance(y.span(), x.span()), 0.5);
  rope_backward(y.view(), positions, table, 44);
  EXPECT_LT(minillm_testing::relative_distance(y.span(), x.span()), by_precision(1e-6, 1e-14));
}

TEST(Rope, ScoresDependOnTheDistanceOnly) {
  const RopeTable table(300, 8, 10000);
  const auto score = [&](int32_t query_position, int32_t key_position) {
    Matrix rows = random_matrix(2, 8, 3);
    rope_forward(rows.view(), std::vector<int32_t>{query_position, key_position}, table, 8);
    return minillm_testing::dot({rows.view().row(0), 8}, {rows.view().row(1), 8});
  };
  EXPECT_NEAR(score(5, 2), score(295, 292), 1e-4);
  EXPECT_GT(std::abs(score(5, 2) - score(5, 4)), 1e-2);
}

TEST(SwiGlu, EqualsAPlainLoop) {
  for (const Index F : kWidths) {
    const Matrix gate_up = random_matrix(3, 2 * F, 1);
    Matrix y(3, F);
    swiglu_forward(y.view(), gate_up.view());
    for (Index n = 0; n < 3; ++n) {
      for (Index f = 0; f < F; ++f) {
        const double gate = gate_up(n, f), up = gate_up(n, F + f);
        ASSERT_NEAR(y(n, f), gate / (1 + std::exp(-gate)) * up, kTolerance) << "F=" << F;
      }
    }
  }
}

enum class Gradient { kWritten, kAdded };

// An op's backward, given the arrays for its gradients.
struct Backward {
  std::string name;
  std::vector<std::tuple<Index, Index, Gradient>> gradients;  // rows, columns
  std::function<void(std::vector<Matrix>&)> run;
};

std::vector<Backward> all_backwards() {
  static const Matrix x = random_matrix(70, 45, 1), dy = random_matrix(70, 45, 2);
  static const Matrix weight = random_matrix(45, 45, 3), gain = random_matrix(1, 45, 4);
  static const Matrix rstd = random_matrix(70, 1, 5), gate_up = random_matrix(70, 90, 6);
  static const std::vector<Token> tokens(70, 2);
  return {
      {"linear",
       {{70, 45, Gradient::kWritten}, {45, 45, Gradient::kAdded}},
       [](auto& d) {
         linear_backward(d[0].view(), d[1].view(), dy.view(), x.view(), weight.view());
       }},
      {"embedding",
       {{3, 45, Gradient::kAdded}},
       [](auto& d) { embedding_backward(d[0].view(), dy.view(), tokens); }},
      {"rmsnorm",
       {{70, 45, Gradient::kAdded}, {1, 45, Gradient::kAdded}},
       [](auto& d) {
         rmsnorm_backward(d[0].view(), d[1].view(), dy.view(), x.view(), gain.view(), rstd.view());
       }},
      {"swiglu",
       {{70, 90, Gradient::kWritten}},
       [](auto& d) { swiglu_backward(d[0].view(), dy.view(), gate_up.view()); }},
  };
}

std::vector<Matrix> zeros(const Backward& op) {
  std::vector<Matrix> gradients;
  for (const auto& [rows, cols, kind] : op.gradients) gradients.emplace_back(rows, cols);
  return gradients;
}

// A parameter has many uses, and the residual stream two: their gradients add up. Any other
// activation feeds one op, whose backward writes its gradient.
TEST(RowOps, BackwardTwiceDoublesTheGradientsItAddsTo) {
  for (const Backward& op : all_backwards()) {
    std::vector<Matrix> once = zeros(op), twice = zeros(op);
    op.run(once);
    op.run(twice);
    op.run(twice);
    for (size_t i = 0; i < once.size(); ++i) {
      if (std::get<Gradient>(op.gradients[i]) == Gradient::kAdded)
        for (Real& g : once[i].span()) g *= 2;
      ASSERT_GT(minillm_testing::dot(once[i].span(), once[i].span()), 0) << op.name;
      EXPECT_LT(minillm_testing::relative_distance(twice[i].span(), once[i].span()),
                by_precision(1e-6, 1e-15))
          << op.name << ", gradient " << i;
    }
  }
}

TEST(RowOps, BackwardHasTheSameBitsForAnyNumberOfThreads) {
  for (const Backward& op : all_backwards()) {
    std::vector<Matrix> one = zeros(op);
    {
      const ThreadCount threads(1);
      op.run(one);
    }
    for (const int count : {2, 3, 4}) {
      const ThreadCount threads(count);
      std::vector<Matrix> many = zeros(op);
      op.run(many);
      for (size_t i = 0; i < one.size(); ++i)
        expect_same_bits(many[i].span(), one[i].span(), op.name);
    }
  }
}

}  // namespace
}  // namespace minillm
