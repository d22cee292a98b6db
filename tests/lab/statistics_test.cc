#include "libminillm/lab/statistics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "libminillm/core/rng.h"
#include "tests/testing/expect_error.h"

namespace minillm::lab {
namespace {

constexpr size_t kSeeds = 3;
using Seeds = std::vector<Outcomes>;

// 60 people are asked six questions each, in ten wordings; right with a probability that is the
// person's and the wording's own, around `rate`.
Seeds cell(double rate, uint64_t stream) {
  Seeds seeds;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    Rng rng(seed, stream), shared(seed, 99);
    Outcomes outcomes;
    for (int person = 0; person < 60; ++person) {
      const double easy = 0.2 * (shared.uniform() - 0.5);
      for (int i = 0; i < 6; ++i)
        outcomes.push_back({"m", "p" + std::to_string(person),
                            "w" + std::to_string((person + i) % 10),
                            rng.chance(rate + easy) ? 1.0 : 0.0});
    }
    seeds.push_back(std::move(outcomes));
  }
  return seeds;
}

TEST(LabStatistics, APlantedDifferenceOfKnownSizeIsFound) {
  for (uint64_t stream = 1; stream < 10; ++stream) {
    const Difference difference =
        paired_difference(cell(0.8, stream), cell(0.5, 100 + stream), "m");
    EXPECT_EQ(difference.questions, 3 * 360);
    EXPECT_NEAR(difference.mean, 0.3, 0.06);
    EXPECT_LT(difference.interval.low, difference.mean);
    EXPECT_GT(difference.interval.high, difference.mean);
    EXPECT_LT(difference.interval.high - difference.interval.low, 0.2);
    EXPECT_EQ(judge(Expectation::kMore, 0.1, difference), Verdict::kSupported);
    EXPECT_EQ(judge(Expectation::kLess, 0.1, difference), Verdict::kRefuted);
    EXPECT_EQ(judge(Expectation::kSame, 0.1, difference), Verdict::kRefuted);
  }
}

// Nothing was done: whatever is claimed of it is not supported.
TEST(LabStatistics, ANullManipulationSupportsNothing) {
  int covered = 0;
  for (uint64_t stream = 1; stream <= 40; ++stream) {
    const Difference difference =
        paired_difference(cell(0.6, stream), cell(0.6, 200 + stream), "m");
    covered += difference.interval.low <= 0 && difference.interval.high >= 0;
    EXPECT_NE(judge(Expectation::kMore, 0.05, difference), Verdict::kSupported);
    EXPECT_NE(judge(Expectation::kLess, 0.05, difference), Verdict::kSupported);
    EXPECT_EQ(judge(Expectation::kSame, 0.2, difference), Verdict::kSupported);
  }
  EXPECT_GE(covered, 36) << "the interval of 95 % holds the truth too seldom";
}

TEST(LabStatistics, IdenticalCellsDifferByNothing) {
  const Difference difference = paired_difference(cell(0.6, 1), cell(0.6, 1), "m");
  EXPECT_EQ(difference.mean, 0);
  EXPECT_EQ(difference.interval.low, 0);
  EXPECT_EQ(difference.interval.high, 0);
  EXPECT_EQ(judge(Expectation::kMore, 0, difference), Verdict::kRefuted);
  EXPECT_EQ(judge(Expectation::kSame, 0, difference), Verdict::kSupported);
}

// Where whole wordings are right or wrong, there are ten questions, not 360: an interval that
// counted questions would be far too narrow.
TEST(LabStatistics, QuestionsOfOneWordingAreNotIndependent) {
  Seeds a = cell(0, 1), b = cell(0, 1);
  for (Outcomes& seed : a)
    for (world::WorldOutcome& outcome : seed)
      outcome.value = outcome.wording == "w1" || outcome.wording == "w2" || outcome.wording == "w3";
  for (Outcomes& seed : b)
    for (world::WorldOutcome& outcome : seed) outcome.value = outcome.wording == "w4";
  const Difference difference = paired_difference(a, b, "m");
  EXPECT_NEAR(difference.mean, 0.2, 0.01);
  const double by_questions = 2 * 1.96 * std::sqrt(0.36 / (3 * 360));
  EXPECT_GT(difference.interval.high - difference.interval.low, 3 * by_questions);
  EXPECT_EQ(judge(Expectation::kMore, 0.1, difference), Verdict::kUndecided);
}

TEST(LabStatistics, RunsAgreeWhereAllComeToTheSame) {
  const auto run = [](std::initializer_list<bool> hits) {
    Outcomes outcomes;
    for (const bool hit : hits)
      outcomes.push_back({"m", "p", "w" + std::to_string(outcomes.size()), hit ? 1.0 : 0.0});
    return outcomes;
  };
  const std::vector<Outcomes> runs = {run({1, 1, 0, 0}), run({1, 0, 0, 1}), run({1, 1, 0, 1})};
  const Outcomes agreed = agreement(runs);
  ASSERT_EQ(agreed.size(), 4U);
  for (size_t i = 0; i < agreed.size(); ++i) {
    EXPECT_EQ(agreed[i].wording, runs[0][i].wording);
    EXPECT_EQ(agreed[i].value, i % 2 == 0 ? 1 : 0) << "right or wrong, but alike: " << i;
  }
  std::vector<Outcomes> unlike = {run({1, 1}), run({1, 1})};
  unlike[1][1].wording = "another";
  EXPECT_ERROR(agreement(unlike), "question 2 is not the same in all cells");
}

TEST(LabStatistics, AllSeedsMustHaveTheSign) {
  Difference difference = {0.2, {0.15, 0.25}, {0.3, 0.3, 0.01}, 100};
  EXPECT_EQ(judge(Expectation::kMore, 0.1, difference), Verdict::kSupported);
  difference.seeds.back() = -0.01;
  EXPECT_EQ(judge(Expectation::kMore, 0.1, difference), Verdict::kUndecided);
  difference = {0.1, {0.05, 0.15}, {0.1, 0.1, 0.1}, 100};
  EXPECT_EQ(judge(Expectation::kMore, 0.1, difference), Verdict::kUndecided);
  EXPECT_EQ(judge(Expectation::kMore, 0.2, difference), Verdict::kRefuted) << "within the margin";
  EXPECT_EQ(judge(Expectation::kLess, 0.01, difference), Verdict::kRefuted) << "the other side";
}

TEST(LabStatistics, WhatWasNotAskedDecidesNothing) {
  const Difference difference = paired_difference(cell(0.6, 1), cell(0.6, 2), "another");
  EXPECT_EQ(difference.questions, 0);
  EXPECT_EQ(judge(Expectation::kSame, 1, difference), Verdict::kUndecided);
}

TEST(LabStatistics, OnlyTheSameQuestionsArePaired) {
  Seeds other = cell(0.6, 2);
  other[1][5].person = "somebody else";
  EXPECT_ERROR(paired_difference(cell(0.6, 1), other, "m"),
               "lab: metric 'm': question 6 is not the same in both cells");
  other = cell(0.6, 2);
  other[0].pop_back();
  EXPECT_ERROR(paired_difference(cell(0.6, 1), other, "m"), "question 360 is not the same");
}

// The same cell under two metrics: of the same questions it is as narrow as a pair of cells, of
// questions that have nothing in common it is a difference of independent means.
TEST(LabStatistics, TwoMetricsAreComparedWithAndWithoutCommonQuestions) {
  Seeds a = cell(0.8, 1), b = cell(0.5, 101);
  const Difference paired = paired_difference(a, b, "m");
  for (Outcomes& seed : b)
    for (world::WorldOutcome& outcome : seed) outcome.metric = "n";
  const Difference two = paired_difference(a, b, "m", "n");
  EXPECT_EQ(two.mean, paired.mean);
  EXPECT_EQ(two.interval.low, paired.interval.low);
  EXPECT_EQ(two.interval.high, paired.interval.high);

  for (Outcomes& seed : b)
    for (world::WorldOutcome& outcome : seed) {
      outcome.person += "'";
      outcome.wording += "'";
    }
  const Difference apart = paired_difference(a, b, "m", "n");
  EXPECT_NEAR(apart.mean, paired.mean, 1e-12);
  EXPECT_GT(apart.interval.high - apart.interval.low, paired.interval.high - paired.interval.low);
  EXPECT_EQ(judge(Expectation::kMore, 0.1, apart), Verdict::kSupported);
}

// Values need not be shares: answers that are three words longer.
TEST(LabStatistics, MeansOfAnyFigureAreCompared) {
  Seeds a = cell(0.5, 1), b = cell(0.5, 1);
  for (Outcomes& seed : a)
    for (world::WorldOutcome& outcome : seed) outcome.value = 9 + outcome.value;
  for (Outcomes& seed : b)
    for (world::WorldOutcome& outcome : seed) outcome.value = 6 + outcome.value;
  const Difference difference = paired_difference(a, b, "m");
  EXPECT_NEAR(difference.mean, 3, 1e-9);
  EXPECT_NEAR(difference.interval.low, 3, 1e-9);
}

TEST(LabStatistics, AnEndThatIsTheMarginIsWithinIt) {
  const Difference difference = {0, {-0.05 - 1e-12, 0.05 + 1e-12}, {0, 0, 0}, 100};
  EXPECT_EQ(judge(Expectation::kSame, 0.05, difference), Verdict::kSupported);
  EXPECT_EQ(judge(Expectation::kSame, 0.049, difference), Verdict::kUndecided);
}

}  // namespace
}  // namespace minillm::lab
