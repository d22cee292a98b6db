// The parabola of an IsoFLOP curve, and the order in which skills emerge: planted, and found again.

#include "libminillm/lab/scaling_fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "libminillm/lab/emergence.h"

namespace minillm::lab {
namespace {

using testing::HasSubstr;

// loss = .4 + curvature (log10 N - log10 best)^2, with noise that differs between "seeds".
std::vector<SizedLoss> planted(double best, double curvature, int seeds, double noise) {
  std::vector<SizedLoss> runs;
  for (const double parameters : {1.5e5, 5e5, 1e6, 2.2e6})
    for (int seed = 0; seed < seeds; ++seed) {
      const double x = std::log10(parameters / best);
      // Of mean zero over seeds.
      const double error = noise * (seed - (seeds - 1) / 2.0) * (parameters < 7e5 ? 1 : -1);
      runs.push_back({parameters, 0.4 + curvature * x * x + error});
    }
  return runs;
}

TEST(ScalingFit, FindsAPlantedMinimum) {
  const IsoFlopFit fit = fit_isoflop(planted(6e5, 0.2, 1, 0));
  ASSERT_TRUE(fit.parabola && fit.minimum);
  EXPECT_NEAR(fit.minimum->parameters, 6e5, 1);
  EXPECT_NEAR(fit.minimum->loss, 0.4, 1e-9);
  EXPECT_NEAR(fit.parabola->curvature, 0.2, 1e-9);
  EXPECT_NEAR(fit.parabola->at(6e6), 0.6, 1e-9);
  EXPECT_FALSE(fit.interval) << "one seed";
  EXPECT_EQ(fit.why_none, "no interval from one seed");
}

TEST(ScalingFit, ItsIntervalHoldsThePlantedMinimumAndGrowsWithNoise) {
  const IsoFlopFit quiet = fit_isoflop(planted(6e5, 0.2, 3, 0.002));
  const IsoFlopFit loud = fit_isoflop(planted(6e5, 0.2, 3, 0.008));
  for (const IsoFlopFit& fit : {quiet, loud}) {
    ASSERT_TRUE(fit.minimum && fit.interval) << fit.why_none;
    EXPECT_NEAR(fit.minimum->parameters, 6e5, 10);
    EXPECT_LT(fit.interval->low, 6e5);
    EXPECT_GT(fit.interval->high, 6e5);
  }
  EXPECT_LT(quiet.interval->high - quiet.interval->low, loud.interval->high - loud.interval->low);
  const IsoFlopFit again = fit_isoflop(planted(6e5, 0.2, 3, 0.008));
  EXPECT_EQ(again.interval->low, loud.interval->low) << "the same draws";
  const IsoFlopFit drowned = fit_isoflop(planted(6e5, 0.2, 3, 0.2));
  EXPECT_FALSE(drowned.interval);
  EXPECT_THAT(drowned.why_none, HasSubstr("% of draws have no minimum"));
}

TEST(ScalingFit, SaysWhyThereIsNoMinimum) {
  const auto none = [](const std::vector<SizedLoss>& runs) {
    const IsoFlopFit fit = fit_isoflop(runs);
    EXPECT_FALSE(fit.minimum);
    EXPECT_FALSE(fit.interval);
    return fit.why_none;
  };
  EXPECT_EQ(none(planted(6e5, -0.2, 2, 0)), "the parabola opens downward");
  EXPECT_EQ(none(planted(6e5, 0, 2, 0)), "the parabola is flat");
  EXPECT_EQ(none(planted(1e5, 0.2, 2, 0)), "lowest below the smallest size tried");
  EXPECT_EQ(none(planted(5e6, 0.2, 2, 0)), "lowest above the largest size tried");
  EXPECT_EQ(none({{1e5, 1}, {2e5, 0.9}, {2e5, 0.8}}), "fewer than three sizes");
  EXPECT_EQ(none({}), "fewer than three sizes");
}

TEST(Emergence, IsHalfWayToTheBestOnStraightLines) {
  const std::vector<SkillPoint> curve = {{0, 0}, {10, 0.1}, {20, 0.5}, {30, 0.8}, {40, 0.7}};
  EXPECT_DOUBLE_EQ(*half_way(curve, 0.1), 17.5);  // .4 of .8
  // What falls is negated, and begins where it begins.
  const std::vector<SkillPoint> loss = {{0, -4}, {10, -1}, {20, 0}};
  EXPECT_NEAR(*half_way(loss, 0.1), 10 * 2 / 3.0, 1e-12);
  EXPECT_FALSE(half_way(curve, 0.9)) << "it rises by less than what counts";
  EXPECT_FALSE(half_way({}, 0.1));
  EXPECT_FALSE(half_way(std::vector<SkillPoint>{{0, 1}, {10, 0}}, 0)) << "it only falls";
}

TEST(Emergence, IsInTheOrderThatIsClaimedOrNot) {
  using Tokens = std::vector<std::optional<double>>;
  EXPECT_EQ(skill_order(Tokens{1, 2, 3, 4}), SkillOrder::kAsClaimed);
  EXPECT_EQ(skill_order(Tokens{1, 3, 2, 4}), SkillOrder::kOther);
  EXPECT_EQ(skill_order(Tokens{1, 2, 2, 4}), SkillOrder::kOther) << "at once is not after";
  EXPECT_EQ(skill_order(Tokens{1, 2, {}, 4}), SkillOrder::kOther) << "without what comes first";
  EXPECT_EQ(skill_order(Tokens{1, 2, {}, {}}), SkillOrder::kUnfinished);
  EXPECT_EQ(skill_order(Tokens{2, 1, {}, {}}), SkillOrder::kOther);
  EXPECT_EQ(skill_order(Tokens{{}, {}}), SkillOrder::kUnfinished);
  EXPECT_STREQ(skill_order_name(SkillOrder::kAsClaimed), "as claimed");
}

}  // namespace
}  // namespace minillm::lab
