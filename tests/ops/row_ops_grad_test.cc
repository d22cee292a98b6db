// Every backward of the row-wise ops against central differences. Built in double only.

#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <vector>

#include "libminillm/ops/bias.h"
#include "libminillm/ops/embedding.h"
#include "libminillm/ops/linear.h"
#include "libminillm/ops/prefix.h"
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

TEST(BiasGradient, MatchesCentralDifferences) {
  constexpr Index N = 7, out = 35;
  Matrix y(N, out), bias = random_matrix(out, 1, 2);
  const Matrix r = random_matrix(N, out, 3);
  const auto loss = [&] {
    fill(y.view(), 0);
    bias_forward(y.view(), bias.view());
    return dot(r.span(), y.span());
  };
  Matrix dbias(out, 1);
  bias_backward(dbias.view(), r.view());
  bias_backward({}, r.view());  // frozen
  expect_gradient(loss, bias.span(), dbias.span(), kTolerance, "bias");
}

TEST(HeadNormGradient, MatchesCentralDifferences) {
  constexpr Index N = 5, heads = 3, D = 6;
  Matrix x = random_matrix(N, heads * D, 1), weight = random_matrix(1, D, 2);
  Matrix y(N, heads * D), unnormed(N, heads * D), rstd(N, heads);
  const Matrix r = random_matrix(N, heads * D, 3);
  const auto loss = [&] {
    std::ranges::copy(x.span(), y.span().begin());
    head_norm_forward(y.view(), unnormed.view(), rstd.view(), weight.view(), 1e-2);
    return dot(r.span(), y.span());
  };
  loss();
  Matrix dx = random_matrix(N, heads * D, 3), dweight(1, D);
  head_norm_backward(dx.view(), dweight.view(), unnormed.view(), weight.view(), rstd.view());
  expect_gradient(loss, x.span(), dx.span(), kTolerance, "x");
  expect_gradient(loss, weight.span(), dweight.span(), kTolerance, "weight");
}

// Two updates with other ranks and scales, on some of the rows each, of parts of y that overlap.
class LowRankGradient : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Forms, LowRankGradient, testing::Bool(), [](const auto& relu) {
  return std::string(relu.param ? "relu" : "linear");
});
TEST_P(LowRankGradient, MatchesCentralDifferences) {
  constexpr Index N = 17, in = 9, out = 20, most = 7;
  Matrix x = random_matrix(N, in, 1), weight = random_matrix(out, in, 2), y(N, out);
  Matrix a0 = random_matrix(5, in, 3), bt0 = random_matrix(2, 12, 4), bt1 = random_matrix(3, 8, 5);
  Matrix a1 = random_matrix(4, in, 6), bt2 = random_matrix(4, 20, 7);
  Matrix da0(5, in), dbt0(2, 12), dbt1(3, 8), da1(4, in), dbt2(4, 20), inner(most, N),
      dinner(most, N);
  const std::vector<LowRank> updates = {
      {a0.view(),
       da0.view(),
       {{bt0.view(), dbt0.view(), 0, 0.5}, {bt1.view(), dbt1.view(), 10, -2}},
       GetParam()},
      {a1.view(), da1.view(), {{bt2.view(), dbt2.view(), 0, 1}}, GetParam(), /*inner_begin=*/3}};
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

// Two prefixes of three and two virtual tokens, each on several sequences, and rows of none.
TEST(PrefixGradient, MatchesCentralDifferencesAndEndsThere) {
  constexpr Index N = 14, width = 6;
  const std::vector<Token> tokens = {-3, -2, -1, 5, 7, -3, -2, -1, 1, -2, -1, 4, 2, 2};
  const std::vector<LowRankPass::Rows> rows = {{0, 9, 1}, {9, 12, 0}};
  Matrix k0 = random_matrix(2, width, 1), v0 = random_matrix(2, width, 2);
  Matrix k1 = random_matrix(3, width, 3), v1 = random_matrix(3, width, 4);
  Matrix dk0(2, width), dv0(2, width), dk1(3, width), dv1(3, width);
  const std::vector<PrefixRows> prefixes = {{k0.view(), v0.view(), dk0.view(), dv0.view()},
                                            {k1.view(), v1.view(), dk1.view(), dv1.view()}};
  const PrefixPass pass{tokens, rows, prefixes};
  const Matrix own_keys = random_matrix(N, width, 5), own_values = random_matrix(N, width, 6);
  const Matrix r = random_matrix(N, width, 7), q = random_matrix(N, width, 8);
  Matrix keys(N, width), values(N, width);
  const auto loss = [&] {
    std::ranges::copy(own_keys.span(), keys.span().begin());
    std::ranges::copy(own_values.span(), values.span().begin());
    prefix_forward(keys.view(), values.view(), pass);
    return dot(r.span(), keys.span()) + dot(q.span(), values.span());
  };
  loss();
  Matrix dkeys = random_matrix(N, width, 7), dvalues = random_matrix(N, width, 8);
  prefix_backward(dkeys.view(), dvalues.view(), pass);
  expect_gradient(loss, k0.span(), dk0.span(), kTolerance, "keys of the first");
  expect_gradient(loss, v0.span(), dv0.span(), kTolerance, "values of the first");
  expect_gradient(loss, k1.span(), dk1.span(), kTolerance, "keys of the second");
  expect_gradient(loss, v1.span(), dv1.span(), kTolerance, "values of the second");
  for (Index n = 0; n < N; ++n)
    for (Index c = 0; c < width; ++c) {
      const bool is_virtual = tokens[static_cast<size_t>(n)] < 0;
      EXPECT_EQ(dkeys(n, c), is_virtual ? 0 : r(n, c)) << n;
      EXPECT_EQ(dvalues(n, c), is_virtual ? 0 : q(n, c)) << n;
      EXPECT_TRUE(is_virtual || keys(n, c) == own_keys(n, c)) << n;
    }
}

TEST(EmbeddingGradient, MatchesCentralDifferencesForRepeatedTokens) {
  const std::vector<Token> tokens = {4, 1, 1, 0, -2, 4, 1};  // one is virtual: a row of zeros
  Matrix table = random_matrix(5, 37, 1), y(7, 37), dtable(5, 37);
  const Matrix r = random_matrix(7, 37, 2);
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
