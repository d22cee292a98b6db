#include "libminillm/ops/log_prob.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/ops/log_prob_cases.h"
#include "tests/testing/compare.h"

namespace minillm {
namespace {

using minillm_testing::by_precision;
using minillm_testing::expect_same_bits;
using minillm_testing::HeadData;
using minillm_testing::mixed_targets;
using minillm_testing::random_values;
using minillm_testing::relative_distance;
using minillm_testing::ThreadCount;

std::vector<Target> random_targets(Index count, Index rows, Index vocab_size) {
  Rng rng(4);
  std::vector<Target> targets(static_cast<size_t>(count));
  for (Target& t : targets)
    t = {static_cast<Index>(rng.below(static_cast<uint64_t>(rows))),
         static_cast<Token>(rng.below(static_cast<uint64_t>(vocab_size))), 1};
  return targets;
}

TEST(LogProb, EqualsAPlainLogSoftmax) {
  for (const Index vocab_size : {2, 11, 31, 64, 131}) {
    HeadData data(6, 9, vocab_size, random_targets(9, 6, vocab_size), 4);
    data.forward();
    for (size_t m = 0; m < data.targets.size(); ++m) {
      std::vector<double> logits(static_cast<size_t>(vocab_size));
      double total = 0;
      for (Index v = 0; v < vocab_size; ++v) {
        double& z = logits[static_cast<size_t>(v)];
        for (Index c = 0; c < 9; ++c)
          z += double{data.hidden(data.targets[m].row, c)} * double{data.head(v, c)};
        total += std::exp(z);
      }
      const double expected = logits[static_cast<size_t>(data.targets[m].token)] - std::log(total);
      EXPECT_NEAR(data.logp[m], expected, by_precision(1e-5, 1e-12))
          << "V=" << vocab_size << " m=" << m;
      EXPECT_NEAR(data.lse[m], std::log(total), by_precision(1e-5, 1e-12));
    }
  }
}

TEST(LogProb, SurvivesLargeLogits) {
  HeadData data(6, 37, 11, mixed_targets(), 4);
  for (Real& h : data.hidden.span()) h *= 1000;
  data.forward();
  data.backward(random_values(9, 3));
  for (const Real x : data.logp) EXPECT_TRUE(std::isfinite(x) && x <= 0) << x;
  for (const Real x : data.dhidden.span()) ASSERT_TRUE(std::isfinite(x));
}

TEST(LogProb, HasTheSameBitsForAnyChunkAndCompany) {
  constexpr Index N = 40, C = 300, V = 77, M = 150;
  HeadData whole(N, C, V, random_targets(M, N, V), M);
  whole.forward();
  for (const Index chunk : {1, 7, 64, 512}) {
    HeadData data(N, C, V, whole.targets, chunk);
    data.forward();
    expect_same_bits(data.logp, whole.logp, "chunk " + std::to_string(chunk));
  }
  for (const size_t m : {0, 1, 77, 149}) {
    HeadData alone(N, C, V, {whole.targets[m]}, 1);
    alone.forward();
    expect_same_bits(alone.logp, {&whole.logp[m], 1}, "target " + std::to_string(m));
  }
}

TEST(LogProb, APassThatGoesBackHasTheLogProbabilitiesOfOneThatDoesNot) {
  std::vector<Real> dlogp = random_values(9, 3);
  dlogp[2] = 0;  // a target without loss
  for (const Index chunk : {1, 4, 20}) {
    HeadData forward(6, 37, 11, mixed_targets(), chunk), both(6, 37, 11, mixed_targets(), chunk);
    forward.forward();
    both.backward(dlogp);
    expect_same_bits(both.logp, forward.logp, "logp");
  }
}

// A loss that needs a whole group's log-probabilities, whether the group fits into a chunk or not.
TEST(LogProb, GroupsHaveTheGradientOfTwoPasses) {
  const std::vector<Index> ends = {2, 7};  // targets 7 and 8 are groups of one
  const auto gradient_of = [](std::span<const Real> logp, Index begin, Index end) {
    Real sum = 0;
    for (Index m = begin; m < end; ++m) sum += logp[static_cast<size_t>(m)];
    return std::tanh(sum);
  };
  for (const Index chunk : {1, 3, 5, 8, 20}) {
    HeadData two(6, 37, 11, mixed_targets(), chunk), one(6, 37, 11, mixed_targets(), chunk);
    two.forward();
    std::vector<Real> expected(9);
    for (const auto& [begin, end] : {std::pair<Index, Index>{0, 2}, {2, 7}, {7, 8}, {8, 9}})
      std::fill(expected.begin() + begin, expected.begin() + end,
                gradient_of(two.logp, begin, end));
    two.backward(expected);

    Index done = 0;
    for (HeadPass pass = one.pass(ends); pass.next();) {
      EXPECT_EQ(pass.begin(), done);
      done = pass.end();
      for (Index begin = pass.begin(); begin < pass.end();) {  // a few whole groups
        const Index group_end = begin < 2 ? 2 : begin < 7 ? 7 : begin + 1;
        ASSERT_LE(group_end, pass.end());
        std::fill(&pass.dlogp()[begin], &pass.dlogp()[begin] + (group_end - begin),
                  gradient_of(pass.logp(), begin, group_end));
        begin = group_end;
      }
    }
    EXPECT_EQ(done, 9);
    expect_same_bits(one.logp, two.logp, "logp");
    expect_same_bits(std::span<const Real>(one.dlogp), std::span<const Real>(expected), "dlogp");
    EXPECT_LT(relative_distance(one.dhidden.span(), two.dhidden.span()), by_precision(1e-6, 1e-14));
    EXPECT_LT(relative_distance(one.dhead.span(), two.dhead.span()), by_precision(1e-6, 1e-14));
  }
}

TEST(LogProb, AFrozenHeadHasTheSameGradientOfTheHiddenStates) {
  const std::vector<Real> dlogp = random_values(9, 3);
  HeadData trained(6, 37, 11, mixed_targets(), 4), frozen(6, 37, 11, mixed_targets(), 4);
  trained.backward(dlogp);
  HeadPass pass({.hidden = frozen.hidden.view(),
                 .weight = frozen.head.view(),
                 .targets = frozen.targets,
                 .logp = frozen.logp,
                 .lse = frozen.lse,
                 .dlogp = frozen.dlogp,
                 .dhidden = frozen.dhidden.view(),
                 .scratch = frozen.scratch()});
  std::ranges::copy(dlogp, pass.dlogp().begin());
  pass.finish();
  expect_same_bits(frozen.dhidden.span(), trained.dhidden.span(), "dhidden");
}

TEST(LogProb, HasTheSameBitsForAnyNumberOfThreads) {
  constexpr Index N = 40, C = 70, V = 77, M = 150;
  const auto run = [&](int count) {
    const ThreadCount threads(count);
    HeadData data(N, C, V, random_targets(M, N, V), 64);
    data.forward();
    data.backward(random_values(M, 3));
    return data;
  };
  const HeadData one = run(1);
  for (const int count : {2, 3, 4}) {
    const HeadData many = run(count);
    expect_same_bits(many.logp, one.logp, "logp");
    expect_same_bits(many.dhidden.span(), one.dhidden.span(), "dhidden");
    expect_same_bits(many.dhead.span(), one.dhead.span(), "dhead");
  }
}

TEST(LogProb, BackwardTwiceDoublesBothGradients) {
  const std::vector<Real> dlogp = random_values(9, 3);
  HeadData once(6, 37, 11, mixed_targets(), 4), twice(6, 37, 11, mixed_targets(), 4);
  once.backward(dlogp);
  twice.backward(dlogp);
  twice.backward(dlogp);
  for (Real& g : once.dhidden.span()) g *= 2;
  for (Real& g : once.dhead.span()) g *= 2;
  EXPECT_LT(relative_distance(twice.dhidden.span(), once.dhidden.span()),
            by_precision(1e-6, 1e-15));
  EXPECT_LT(relative_distance(twice.dhead.span(), once.dhead.span()), by_precision(1e-6, 1e-15));
}

// With hidden = identity, column n of dhead is the gradient of row n's logits: a loss mask that
// leaks shows as anything but zero.
TEST(LogProb, GradientOfTheLogitsIsExactlyZeroWhereNothingIsSupervised) {
  constexpr Index N = 6, V = 11;
  std::vector<Real> dlogp(9, Real{-1});
  for (const size_t m : {5, 7}) dlogp[m] = 0;  // the only targets of rows 3 and 1; row 4 has none
  for (const Index chunk : {2, 4, 9}) {
    HeadData data(N, N, V, mixed_targets(), chunk);
    fill(data.hidden.view(), 0);
    for (Index n = 0; n < N; ++n) data.hidden(n, n) = 1;
    data.forward();
    data.backward(dlogp);
    for (Index v = 0; v < V; ++v) {
      for (const Index row : {1, 3, 4}) EXPECT_EQ(data.dhead(v, row), 0) << "row " << row;
      for (const Index row : {0, 2, 5}) EXPECT_NE(data.dhead(v, row), 0) << "row " << row;
    }
    for (const Index row : {1, 3, 4})
      for (Index c = 0; c < N; ++c) EXPECT_EQ(data.dhidden(row, c), 0) << "row " << row;
  }
}

// Raising one target's log-probability moves probability mass, it does not make any.
TEST(LogProb, GradientOfTheLogitsSumsToZero) {
  HeadData data(6, 6, 11, mixed_targets(), 4);
  fill(data.hidden.view(), 0);
  for (Index n = 0; n < 6; ++n) data.hidden(n, n) = 1;
  data.forward();
  data.backward(random_values(9, 3));
  for (Index row = 0; row < 6; ++row) {
    double sum = 0;
    for (Index v = 0; v < 11; ++v) sum += double{data.dhead(v, row)};
    EXPECT_NEAR(sum, 0, by_precision(1e-6, 1e-14));
  }
}

}  // namespace
}  // namespace minillm
