#include "libminillm/ops/score.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/ops/log_prob_cases.h"
#include "tests/testing/compare.h"

namespace minillm {
namespace {

using minillm_testing::by_precision;
using minillm_testing::expect_same_bits;
using minillm_testing::mixed_targets;
using minillm_testing::random_values;
using minillm_testing::relative_distance;
using minillm_testing::ThreadCount;

struct ScoreData {
  static constexpr Index N = 6, C = 37;
  Matrix hidden{N, C}, weight{1, C}, dhidden{N, C}, dweight{1, C};
  std::vector<Target> targets = mixed_targets();
  std::vector<Real> scores = std::vector<Real>(targets.size());
  std::vector<Real> dscores = random_values(9, 3);
  ScoreData() {
    std::ranges::copy(random_values(N * C, 1), hidden.span().begin());
    std::ranges::copy(random_values(C, 2), weight.span().begin());
  }
  void forward() { score_forward(scores, hidden.view(), weight.view(), targets); }
  void backward() {
    score_backward(dhidden.view(), dweight.view(), dscores, hidden.view(), weight.view(), targets);
  }
};

TEST(Score, EqualsAPlainDotProduct) {
  ScoreData data;
  data.forward();
  for (size_t m = 0; m < data.targets.size(); ++m) {
    double expected = 0;
    for (Index c = 0; c < ScoreData::C; ++c)
      expected += double{data.hidden(data.targets[m].row, c)} * double{data.weight(0, c)};
    EXPECT_NEAR(data.scores[m], expected, by_precision(1e-5, 1e-13));
  }
}

TEST(Score, BackwardEqualsPlainLoopsAndAdds) {
  ScoreData data;
  Matrix dhidden(ScoreData::N, ScoreData::C), dweight(1, ScoreData::C);
  for (size_t m = 0; m < data.targets.size(); ++m) {
    const Index row = data.targets[m].row;
    for (Index c = 0; c < ScoreData::C; ++c) {
      dhidden(row, c) += 2 * data.dscores[m] * data.weight(0, c);
      dweight(0, c) += 2 * data.dscores[m] * data.hidden(row, c);
    }
  }
  data.backward();
  data.backward();
  EXPECT_LT(relative_distance(data.dhidden.span(), dhidden.span()), by_precision(1e-6, 1e-15));
  EXPECT_LT(relative_distance(data.dweight.span(), dweight.span()), by_precision(1e-6, 1e-15));
}

TEST(Score, HasTheSameBitsForAnyNumberOfThreadsAndAFrozenWeight) {
  const auto run = [](int count) {
    const ThreadCount threads(count);
    ScoreData data;
    data.forward();
    data.backward();
    return data;
  };
  const ScoreData one = run(1);
  for (const int count : {2, 3}) {
    const ScoreData many = run(count);
    expect_same_bits(std::span(many.scores), std::span(one.scores), "scores");
    expect_same_bits(many.dhidden.span(), one.dhidden.span(), "dhidden");
    expect_same_bits(many.dweight.span(), one.dweight.span(), "dweight");
  }
  ScoreData frozen;
  score_backward(frozen.dhidden.view(), {}, frozen.dscores, frozen.hidden.view(),
                 frozen.weight.view(), frozen.targets);
  expect_same_bits(frozen.dhidden.span(), one.dhidden.span(), "dhidden, frozen");
}

#ifdef MINILLM_DOUBLE
TEST(ScoreGradient, MatchesCentralDifferences) {
  ScoreData data;
  const auto loss = [&] {
    data.forward();
    return minillm_testing::dot(data.dscores, data.scores);
  };
  data.backward();
  minillm_testing::expect_gradient(loss, data.hidden.span(), data.dhidden.span(), 1e-6, "hidden");
  minillm_testing::expect_gradient(loss, data.weight.span(), data.dweight.span(), 1e-6, "weight");
}
#endif

}  // namespace
}  // namespace minillm
