// Every backward of the row-wise ops against central differences. Built in double only.

#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <vector>

#include "libminillm/ops/embedding.h"
#include "libminillm/ops/linear.h"
#include "libminillm/ops/rmsnorm.h"
#include "libminillm/ops/rope.h"
#include "libminillm/ops/swiglu.h"
#include "tests/testing/grad_check.h"

namespace minillm {
namespace {

using minillm_testing::dot;
using minillm_testing::expect_gradient;

constexpr double kTolerance = 1e-6;

Matrix random_matrix(Index rows, Index cols, uint64_t seed, double scale = 1) {
  Matrix matrix(rows, cols);
  std::ranges::copy(minillm_testing::random_values(matrix.span().size(), seed, scale),
                    matrix.span().begin());
  return matrix;
}

TEST(LinearGradient, MatchesCentralDifferences) {
  constexpr Index N = 17, in = 9, out = 20;
  Matrix x = random_matrix(N, in, 1), weight = random_matrix(out, in, 2), y(N, out);
  const Matrix r = random_matrix(N, out, 3);
  const auto loss = [&] {
    linear_forward(y.view(), x.view(), weight.view());
    return dot(r.span(), y.span());
  };
  Matrix dx(N, in), dweight(out, in);
  linear_backward(dx.view(), dweight.view(), r.view(), x.view(), weight.view());
  expect_gradient(loss, x.span(), dx.span(), kTolerance, "x");
  expect_gradient(loss, weight.span(), dweight.span(), kTolerance, "weight");
}

TEST(LinearGradient, OfASquareWeightIsNotTransposed) {
  Matrix x = random_matrix(3, 4, 1), weight = random_matrix(4, 4, 2), y(3, 4);
  const Matrix r = random_matrix(3, 4, 3);
  const auto loss = [&] {
    linear_forward(y.view(), x.view(), weight.view());
    return dot(r.span(), y.span());
  };
  Matrix dx(3, 4), dweight(4, 4);
  linear_backward(dx.view(), dweight.view(), r.view(), x.view(), weight.view());
  expect_gradient(loss, x.span(), dx.span(), kTolerance, "x");
  expect_gradient(loss, weight.span(), dweight.span(), kTolerance, "weight");
}

// Two updates with other ranks and scales, on some of the rows each, of parts of y that overlap.
TEST(LinearGradient, OfLowRankUpdatesMatchesCentralDifferences) {
  constexpr Index N = 17, in = 9, out = 20, most = 7;
  Matrix x = random_matrix(N, in, 1), weight = random_matrix(out, in, 2), y(N, out);
  Matrix a0 = random_matrix(5, in, 3), bt0 = random_matrix(2, 12, 4), bt1 = random_matrix(3, 8, 5);
  Matrix a1 = random_matrix(4, in, 6), bt2 = random_matrix(4, 20, 7);
  Matrix da0(5, in), dbt0(2, 12), dbt1(3, 8), da1(4, in), dbt2(4, 20), inner(most, N),
      dinner(most, N);
  const std::vector<LowRank> updates = {
      {a0.view(),
       da0.view(),
       {{bt0.view(), dbt0.view(), 0, 0.5}, {bt1.view(), dbt1.view(), 10, 2}}},
      {a1.view(), da1.view(), {{bt2.view(), dbt2.view(), 0, 1}}, /*inner_begin=*/3}};
  const std::vector<LowRankPass::Rows> rows = {{0, 4, 0}, {4, 11, 1}, {13, 17, 0}};
  const LowRankPass pass{rows, inner.view(), dinner.view()};
  Weight updated(weight.view());
  updated.updates = updates;
  const Matrix r = random_matrix(N, out, 8);
  const auto loss = [&] {
    linear_forward(y.view(), x.view(), updated, pass);
    return dot(r.span(), y.span());
  };
  loss();
  Matrix dx(N, in);
  linear_backward(dx.view(), {}, r.view(), x.view(), updated, pass);
  expect_gradient(loss, x.span(), dx.span(), kTolerance, "x");
  expect_gradient(loss, a0.span(), da0.span(), kTolerance, "A of the first");
  expect_gradient(loss, bt0.span(), dbt0.span(), kTolerance, "B of its first part");
  expect_gradient(loss, bt1.span(), dbt1.span(), kTolerance, "B of its second part");
  expect_gradient(loss, a1.span(), da1.span(), kTolerance, "A of the second");
  expect_gradient(loss, bt2.span(), dbt2.span(), kTolerance, "B of the second");
}

TEST(EmbeddingGradient, MatchesCentralDifferencesForRepeatedTokens) {
  const std::vector<Token> tokens = {4, 1, 1, 0, 4, 1};
  Matrix table = random_matrix(5, 37, 1), y(6, 37), dtable(5, 37);
  const Matrix r = random_matrix(6, 37, 2);
  const auto loss = [&] {
    embedding_forward(y.view(), tokens, table.view());
    return dot(r.span(), y.span());
  };
  embedding_backward(dtable.view(), r.view(), tokens);
  expect_gradient(loss, table.span(), dtable.span(), kTolerance, "table");
}

TEST(RmsNormGradient, MatchesCentralDifferences) {
  constexpr Index N = 4, C = 35;
  constexpr Real kEpsilon = 0.05;
  Matrix x = random_matrix(N, C, 1), weight = random_matrix(1, C, 2), y(N, C), rstd(N, 1);
  for (Index c = 0; c < C; ++c) x(2, c) *= 0.1;  // a row where epsilon matters
  const Matrix r = random_matrix(N, C, 3);
  const auto loss = [&] {
    rmsnorm_forward(y.view(), rstd.view(), x.view(), weight.view(), kEpsilon);
    return dot(r.span(), y.span());
  };
  loss();
  Matrix dx(N, C), dweight(1, C);
  rmsnorm_backward(dx.view(), dweight.view(), r.view(), x.view(), weight.view(), rstd.view());
  expect_gradient(loss, x.span(), dx.span(), kTolerance, "x");
  expect_gradient(loss, weight.span(), dweight.span(), kTolerance, "weight");
}

TEST(RopeGradient, MatchesCentralDifferences) {
  constexpr Index D = 6, heads = 2;
  const RopeTable table(20, D, 50);
  const std::vector<int32_t> positions = {3, 0, 19, 4};
  Matrix x = random_matrix(4, heads * D, 1), dx = random_matrix(4, heads * D, 2);
  const Matrix r = random_matrix(4, heads * D, 2);
  const auto loss = [&] {
    Matrix y(4, heads * D);
    std::ranges::copy(x.span(), y.span().begin());
    rope_forward(y.view(), positions, table, D);
    return dot(r.span(), y.span());
  };
  rope_backward(dx.view(), positions, table, D);  // turns r into the gradient, in place
  expect_gradient(loss, x.span(), dx.span(), kTolerance, "x");
}

TEST(SwiGluGradient, MatchesCentralDifferences) {
  constexpr Index N = 4, F = 19;
  Matrix gate_up = random_matrix(N, 2 * F, 1, 2), y(N, F), dgate_up(N, 2 * F);
  const Matrix r = random_matrix(N, F, 2);
  const auto loss = [&] {
    swiglu_forward(y.view(), gate_up.view());
    return dot(r.span(), y.span());
  };
  swiglu_backward(dgate_up.view(), r.view(), gate_up.view());
  expect_gradient(loss, gate_up.span(), dgate_up.span(), kTolerance, "gate_up");
}

}  // namespace
}  // namespace minillm
