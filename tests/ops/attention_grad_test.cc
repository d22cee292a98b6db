// attention_backward against central differences. Built in double only.

#include <gtest/gtest.h>

#include "tests/ops/attention_cases.h"
#include "tests/testing/compare.h"

namespace minillm {
namespace {

using minillm_testing::AttentionCase;
using minillm_testing::AttentionData;
using minillm_testing::dot;
using minillm_testing::expect_gradient;
using minillm_testing::random_matrix;

constexpr double kTolerance = 1e-6;

TEST(AttentionGradient, MatchesCentralDifferences) {
  for (const AttentionCase& c : minillm_testing::small_attention_cases()) {
    AttentionData data(c);
    const Matrix r = random_matrix(data.out.rows(), data.out.cols(), 2);
    const auto loss = [&] {
      data.forward();
      return dot(r.span(), data.out.span());
    };
    loss();
    data.backward(r.view());
    expect_gradient(loss, data.qkv.span(), data.dqkv.span(), kTolerance,
                    c.name + ": queries, keys, values");
  }
}

// More rows than one tile of queries, more positions than one block of the products, and a long
// prefix: a sample of rows on either side of every seam.
TEST(AttentionGradient, MatchesCentralDifferencesForLongSequences) {
  const minillm_testing::ThreadCount one(1);  // thousands of short calls
  const AttentionCase c{"long", {{0, 270, 0, 0}, {270, 400, 0, 200}}, {2, 1, 2}};
  AttentionData data(c);
  for (Real& x : data.qkv.span()) x *= 2;  // far from uniform probabilities
  const Matrix r = random_matrix(data.out.rows(), data.out.cols(), 2);
  const auto loss = [&] {
    data.forward();
    return dot(r.span(), data.out.span());
  };
  loss();
  data.backward(r.view());
  for (const Index row : {0, 63, 64, 199, 200, 255, 256, 269, 270, 333, 334, 399})
    expect_gradient(loss, {data.qkv.view().row(row), 8}, {data.dqkv.view().row(row), 8}, kTolerance,
                    "row " + std::to_string(row));
}

}  // namespace
}  // namespace minillm
