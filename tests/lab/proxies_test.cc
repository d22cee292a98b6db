// Kendall's tau-b against values worked out by hand, and the verdict on planted checkpoints.

#include "libminillm/lab/proxies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/testing/expect_error.h"

namespace minillm::lab {
namespace {

using testing::HasSubstr;
using Values = std::vector<double>;

TEST(KendallTau, IsAsWorkedOutByHand) {
  const Values four = {1, 2, 3, 4};
  EXPECT_DOUBLE_EQ(*kendall_tau(four, four), 1);
  EXPECT_DOUBLE_EQ(*kendall_tau(four, Values{4, 3, 2, 1}), -1);
  EXPECT_DOUBLE_EQ(*kendall_tau(four, Values{2, 1, 3, 4}), 4.0 / 6);  // 5 of 6 pairs agree
  EXPECT_DOUBLE_EQ(*kendall_tau(four, Values{3, 1, 4, 2}), 0);        // 3 of 6
  // Not what the figures are but how they are ordered.
  EXPECT_DOUBLE_EQ(*kendall_tau(four, Values{-9, 0, 0.001, 1e9}), 1);
}

TEST(KendallTau, CountsTies) {
  // Pairs: of 6, x ties 1, y ties 2 (one of them with x apart); agree 4, disagree 0.
  EXPECT_DOUBLE_EQ(*kendall_tau(Values{1, 1, 2, 3}, Values{1, 1, 2, 2}), 4 / std::sqrt(5.0 * 4));
  // x ties (1,2), y ties (2,3); of the other four, 3 agree and 1 does not.
  EXPECT_DOUBLE_EQ(*kendall_tau(Values{1, 1, 2, 3}, Values{3, 1, 1, 4}), 2 / std::sqrt(5.0 * 5));
  EXPECT_FALSE(kendall_tau(Values{1, 2, 3}, Values{5, 5, 5}));
  EXPECT_FALSE(kendall_tau(Values{1}, Values{1}));
  EXPECT_FALSE(kendall_tau(Values{}, Values{}));
  EXPECT_ERROR(kendall_tau(Values{1, 2}, Values{1}), "ranks of 2 and 1");
}

TEST(KendallTau, ItsIntervalHoldsItAndNarrowsWithMoreCheckpoints) {
  const auto correlation_of = [](int n) {
    Values x, y;
    for (int i = 0; i < n; ++i) {
      x.push_back(i);
      y.push_back(i + 5 * (i % 3));
    }
    return rank_correlation(x, y);
  };
  const RankCorrelation few = correlation_of(12), many = correlation_of(60);
  for (const RankCorrelation& one : {few, many}) {
    ASSERT_TRUE(one.tau && one.interval);
    EXPECT_LE(one.interval->low, *one.tau);
    EXPECT_GE(one.interval->high, *one.tau);
  }
  EXPECT_LT(many.interval->high - many.interval->low, few.interval->high - few.interval->low);
  EXPECT_EQ(correlation_of(12).interval->low, few.interval->low) << "the same draws";
  const RankCorrelation none = rank_correlation(Values{1, 2}, Values{3, 3});
  EXPECT_FALSE(none.tau || none.interval);
}

// Checkpoints of seeds 1 and 2, ordered by the goal. Proxy p has the goal's order, except that
// those numbered below `mixed[p]` have one of no relation.
std::vector<AskedCheckpoint> planted(const std::vector<int>& mixed) {
  constexpr int kCount = 60;
  std::vector<AskedCheckpoint> all;
  for (int i = 0; i < kCount; ++i) {
    AskedCheckpoint checkpoint{"cell " + std::to_string(i), uint64_t(1 + i % 2), {}};
    const auto share = [](int count) { return SeedFigure{double(count) / kCount, count, kCount}; };
    checkpoint.metrics[kGoal] = share(i);
    for (size_t p = 0; p < mixed.size(); ++p)
      checkpoint.metrics[proxy_metrics()[p]] = share(i < mixed[p] ? i * 37 % mixed[p] : i);
    all.push_back(std::move(checkpoint));
  }
  return all;
}

TEST(Proxies, AreJudgedByTheirRule) {
  const auto verdict = [](const std::vector<int>& mixed) {
    return try_proxies(planted(mixed), {1, 2}).verdict;
  };
  EXPECT_EQ(verdict({0, 0, 0, 0, 0}), Verdict::kRefuted);
  EXPECT_EQ(verdict({60, 0, 0, 0, 0}), Verdict::kUndecided) << "one is weak";
  EXPECT_EQ(verdict({60, 0, 0, 60, 0}), Verdict::kSupported);
  EXPECT_EQ(verdict({0, 0, 0, 0}), Verdict::kUndecided) << "the last one was not asked";
  EXPECT_ERROR(try_proxies({}, {1}), "expected checkpoints that were asked, found none");
}

TEST(Proxies, TheirFormsTellTheSame) {
  std::vector<AskedCheckpoint> checkpoints = planted({0, 60, 0, 0});
  checkpoints[3].cell = "<cell>";
  checkpoints[4].metrics[kGoal] = {0, 0, 0};  // not asked
  const ProxyTrial trial = try_proxies(checkpoints, {1, 2});
  EXPECT_EQ(trial.proxies[0].values.size(), 59U);
  EXPECT_THAT(proxies_markdown(trial),
              HasSubstr("| preference_accuracy | 59 | +1.000 | +1.000 to +1.000 | +1.000 | +1.000 "
                        "|\n"));
  EXPECT_THAT(proxies_markdown(trial), HasSubstr("| canary_exposure | 0 | - | - | - | - |\n"));
  EXPECT_THAT(proxies_csv(trial), HasSubstr("\npreference_accuracy,all,1,1,1,59\n"
                                            "preference_accuracy,1,1,,,\n"));
  EXPECT_THAT(proxies_csv(trial), HasSubstr("\ncanary_exposure,all,,,,0\n"));
  const nlohmann::json json = nlohmann::json::parse(proxies_json(trial));
  EXPECT_EQ(json.at("proxies")[0].at("checkpoints").size(), 59U);
  EXPECT_TRUE(json.at("proxies")[4].at("tau").is_null());
  const std::string figure = proxies_svg(trial);
  EXPECT_THAT(figure, HasSubstr("&#60;cell&#62;, seed 2"));
  EXPECT_THAT(figure, testing::Not(HasSubstr("<cell>")));
  EXPECT_THAT(figure, testing::Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace minillm::lab
