#include "libminillm/ops/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/ops/attention_cases.h"
#include "tests/testing/compare.h"

namespace minillm {
namespace {

using minillm_testing::AttentionCase;
using minillm_testing::AttentionData;
using minillm_testing::by_precision;
using minillm_testing::expect_same_bits;
using minillm_testing::random_matrix;
using minillm_testing::relative_distance;
using minillm_testing::ThreadCount;

// Every row attends to its whole prefix, then to its own segment up to itself.
std::vector<Index> visible_rows(const Segment& s, Index row) {
  std::vector<Index> rows;
  for (Index j = s.prefix_begin; j < s.prefix_end; ++j) rows.push_back(j);
  for (Index j = s.begin; j <= row; ++j) rows.push_back(j);
  return rows;
}

void expect_plain_attention(const AttentionCase& c) {
  AttentionData data(c);
  data.forward();
  const Index H = c.shape.heads, K = c.shape.kv_heads, D = c.shape.head_dim;
  const View q = data.queries(data.qkv), k = data.keys(data.qkv), v = data.values(data.qkv);
  for (const Segment& s : c.segments) {
    for (Index i = s.begin; i < s.end; ++i) {
      for (Index h = 0; h < H; ++h) {
        const Index kv = h / (H / K) * D;
        double total = 0;
        std::vector<double> expected(static_cast<size_t>(D));
        for (const Index j : visible_rows(s, i)) {
          double score = 0;
          for (Index d = 0; d < D; ++d) score += double{q(i, h * D + d)} * double{k(j, kv + d)};
          const double p = std::exp(score / std::sqrt(static_cast<double>(D)));
          total += p;
          for (Index d = 0; d < D; ++d)
            expected[static_cast<size_t>(d)] += p * double{v(j, kv + d)};
        }
        EXPECT_NEAR(data.lse(i, h), std::log(total), by_precision(1e-5, 1e-12)) << c.name;
        for (Index d = 0; d < D; ++d)
          ASSERT_NEAR(data.out(i, h * D + d), expected[static_cast<size_t>(d)] / total,
                      by_precision(1e-5, 1e-12))
              << c.name << ", row " << i << ", head " << h;
      }
    }
  }
}

TEST(Attention, EqualsAPlainLoop) {
  for (const AttentionCase& c : minillm_testing::small_attention_cases()) expect_plain_attention(c);
}

TEST(Attention, EqualsAPlainLoopForLongSegmentsAndPrefixes) {
  expect_plain_attention(
      {"long", {{0, 270, 0, 0}, {270, 340, 0, 270}, {340, 341, 0, 65}}, {4, 2, 6}});
}

TEST(Attention, SurvivesLargeScores) {
  AttentionData data({"large", {{0, 40, 0, 0}}, {2, 1, 4}});
  for (Real& x : data.qkv.span()) x *= 300;
  data.forward();
  for (const Real x : data.out.span()) ASSERT_TRUE(std::isfinite(x));
  for (const Real x : data.lse.span()) ASSERT_TRUE(std::isfinite(x));
}

TEST(Attention, BackwardWritesItsGradients) {
  for (const AttentionCase& c : minillm_testing::small_attention_cases()) {
    AttentionData once(c), twice(c);
    const Matrix dout = random_matrix(once.out.rows(), once.out.cols(), 2);
    once.forward();
    once.backward(dout.view());
    twice.forward();
    twice.backward(dout.view());
    twice.backward(dout.view());
    expect_same_bits(twice.dqkv.span(), once.dqkv.span(), c.name);
  }
}

// One segment's rows computed alone, against the same rows in company.
TEST(Attention, RowsHaveTheSameBitsAloneAndPacked) {
  const AttentionShape shape{4, 2, 20};
  AttentionData packed(
      {"packed", {{0, 5, 0, 0}, {5, 305, 0, 0}, {305, 306, 0, 0}, {306, 400, 0, 0}}, shape});
  packed.forward();
  for (const Segment& s : packed.segments) {
    AttentionData alone({"alone", {{0, s.length(), 0, 0}}, shape});
    std::copy_n(packed.qkv.view().row(s.begin), s.length() * packed.qkv.cols(),
                alone.qkv.view().row(0));
    alone.forward();
    const auto size = static_cast<size_t>(s.length() * packed.out.cols());
    expect_same_bits(alone.out.span(), {packed.out.view().row(s.begin), size}, "out");
    expect_same_bits(alone.lse.span(), {packed.lse.view().row(s.begin), alone.lse.span().size()},
                     "lse");
  }
}

// A sequence cut anywhere, the first part given as prefix, must not show the cut.
TEST(Attention, RowsHaveTheSameBitsWhetherKeysAreOwnOrPrefix) {
  const AttentionShape shape{4, 2, 20};
  constexpr Index T = 330;
  AttentionData whole({"whole", {{0, T, 0, 0}}, shape});
  whole.forward();
  for (const Index cut : {1, 63, 64, 65, 255, 256, 257, 329}) {
    AttentionData split({"split", {{0, cut, 0, 0}, {cut, T, 0, cut}}, shape});
    split.forward();
    expect_same_bits(split.out.span(), whole.out.span(), "cut at " + std::to_string(cut));
    expect_same_bits(split.lse.span(), whole.lse.span(), "lse, cut at " + std::to_string(cut));
  }
}

TEST(Attention, HasTheSameBitsForAnyNumberOfThreads) {
  const AttentionCase c{"shared",
                        {{0, 130, 0, 0}, {130, 150, 0, 130}, {150, 151, 0, 130}, {151, 180, 0, 0}},
                        {6, 3, 10}};
  const auto run = [&](int count) {
    const ThreadCount threads(count);
    AttentionData data(c);
    const Matrix dout = random_matrix(data.out.rows(), data.out.cols(), 2);
    data.forward();
    data.backward(dout.view());
    return data;
  };
  const AttentionData one = run(1);
  for (const int count : {2, 3, 4}) {
    const AttentionData many = run(count);
    expect_same_bits(many.out.span(), one.out.span(), "out");
    expect_same_bits(many.dqkv.span(), one.dqkv.span(), "gradient");
  }
}

// The same positions with the prefix's rows inside the sequence or before it: gradients are the
// same sums in another order.
TEST(Attention, GradientsOfASharedPrefixAreTheSumOfSeparateOnes) {
  const AttentionShape shape{4, 2, 6};
  AttentionData shared({"shared", {{0, 70, 0, 0}, {70, 75, 0, 70}, {75, 90, 0, 70}}, shape});
  const Matrix dout = random_matrix(90, shared.out.cols(), 2);
  shared.forward();
  shared.backward(dout.view());

  Matrix sum(90, shared.dqkv.cols());
  for (const auto& [begin, end] : {std::pair<Index, Index>{70, 75}, {75, 90}}) {
    const Index length = 70 + end - begin;
    AttentionData separate({"separate", {{0, length, 0, 0}}, shape});
    Matrix own_dout(length, dout.cols());
    const auto row_of = [&, first = begin](Index n) { return n < 70 ? n : first + n - 70; };
    for (Index n = 0; n < length; ++n) {
      std::copy_n(shared.qkv.view().row(row_of(n)), shared.qkv.cols(), separate.qkv.view().row(n));
      // the prompt's own output exists once: count its gradient with the first answer
      if (n >= 70 || begin == 70)
        std::copy_n(dout.view().row(row_of(n)), dout.cols(), own_dout.view().row(n));
    }
    separate.forward();
    separate.backward(own_dout.view());
    for (Index n = 0; n < length; ++n)
      for (Index c = 0; c < sum.cols(); ++c) sum(row_of(n), c) += separate.dqkv(n, c);
  }
  EXPECT_LT(relative_distance(shared.dqkv.span(), sum.span()), by_precision(1e-6, 1e-14));
}

}  // namespace
}  // namespace minillm
