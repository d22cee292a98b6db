#include "libminillm/objectives/bradley_terry.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <vector>

namespace minillm {
namespace {

// -F.logsigmoid(c - r - m) + 0.01 (c + r)^2 and its gradients in PyTorch 1.13, in double.
TEST(BradleyTerry, IsPyTorchs) {
  const struct {
    double chosen, rejected, margin, loss, dchosen, drejected;
  } cases[] = {
      {0.5, -0.25, 0, 0.3874960061, -0.3158213008, 0.3258213008},
      {-1, 2, 0, 3.0585873516, -0.9325741268, 0.9725741268},
      {3, 1, 0.5, 0.3614132780, -0.1024255238, 0.2624255238},
      {40, -40, 0, 0, 0, 0},
  };
  for (const auto& c : cases) {
    const std::vector<Real> score = {static_cast<Real>(c.chosen), static_cast<Real>(c.rejected)};
    std::vector<Real> dscore = {0, 0};
    const Contribution sum = bradley_terry_loss(dscore, score, std::vector{c.margin}, 0.01);
    EXPECT_NEAR(sum.loss, c.loss, 1e-8);
    EXPECT_EQ(sum.weight, 1);
    EXPECT_NEAR(dscore[0], c.dchosen, 1e-7);
    EXPECT_NEAR(dscore[1], c.drejected, 1e-7);
  }
}

TEST(BradleyTerry, IsLogTwoWhereAllScoresAreZero) {
  const std::vector<Real> score(6, 0);
  std::vector<Real> dscore(6, 0);
  EXPECT_DOUBLE_EQ(bradley_terry_loss(dscore, score, std::vector<double>(3, 0), 0.01).loss,
                   3 * std::log(2.0));
}

TEST(BradleyTerry, SumsUpWhatTheLogTells) {
  const std::vector<Real> score = {1, 0, -2, 3, 0.5, 0.5};
  std::vector<Real> dscore(6, 0);
  ScoreSums sums;
  bradley_terry_loss(dscore, score, std::vector<double>(3, 0), 0, &sums);
  const Metrics list = named_metrics(sums);
  const std::map<std::string, double> metrics(list.begin(), list.end());
  EXPECT_DOUBLE_EQ(metrics.at("accuracy"), 1.0 / 3) << "equal scores are no agreement";
  EXPECT_DOUBLE_EQ(metrics.at("margin"), (1.0 - 5 + 0) / 3);
  EXPECT_DOUBLE_EQ(metrics.at("mean_reward"), 3.0 / 6);
  EXPECT_EQ(metrics.at("min_reward"), -2);
  EXPECT_EQ(metrics.at("max_reward"), 3);
}

}  // namespace
}  // namespace minillm
