#include "libminillm/optim/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

ScheduleConfig make(const std::string& kind) {
  return {.kind = kind,
          .learning_rate = 2,
          .final_ratio = 0.1,
          .warmup_ratio = 0.1,
          .decay_ratio = 0.2};
}

TEST(Schedule, WarmUpRisesFromTheFirstStepToThePeak) {
  for (const std::string kind : {"cosine", "linear", "wsd", "constant"}) {
    for (Index step = 0; step < 10; ++step) {
      EXPECT_DOUBLE_EQ(scheduled_learning_rate(make(kind), step, 100), 0.2 * (step + 1)) << kind;
    }
    EXPECT_DOUBLE_EQ(scheduled_learning_rate(make(kind), 10, 100), 2) << kind;
  }
}

TEST(Schedule, LinearFallsInEqualStepsToTheFinalRate) {
  EXPECT_DOUBLE_EQ(scheduled_learning_rate(make("linear"), 55, 100),
                   1.1);  // half way from 2 to 0.2
  EXPECT_DOUBLE_EQ(scheduled_learning_rate(make("linear"), 99, 100), 0.2 + 1.8 / 90);
  EXPECT_DOUBLE_EQ(scheduled_learning_rate(make("linear"), 100, 100), 0.2);
}

TEST(Schedule, CosineFallsAlongHalfATurn) {
  EXPECT_DOUBLE_EQ(scheduled_learning_rate(make("cosine"), 55, 100), 1.1);
  EXPECT_DOUBLE_EQ(scheduled_learning_rate(make("cosine"), 40, 100),
                   0.2 + 1.8 * 0.75);  // cos 60 deg
  EXPECT_DOUBLE_EQ(scheduled_learning_rate(make("cosine"), 100, 100), 0.2);
}

TEST(Schedule, WsdStaysAtThePeakAndFallsAtTheEnd) {
  EXPECT_DOUBLE_EQ(scheduled_learning_rate(make("wsd"), 50, 100), 2);
  EXPECT_DOUBLE_EQ(scheduled_learning_rate(make("wsd"), 80, 100), 2);
  EXPECT_DOUBLE_EQ(scheduled_learning_rate(make("wsd"), 90, 100), 1.1);
  EXPECT_DOUBLE_EQ(scheduled_learning_rate(make("wsd"), 99, 100), 0.2 + 1.8 / 20);
}

TEST(Schedule, ConstantStays) {
  EXPECT_DOUBLE_EQ(scheduled_learning_rate(make("constant"), 99, 100), 2);
}

TEST(Schedule, NeverStandsStill) {
  ScheduleConfig config{.kind = "linear", .learning_rate = 1, .final_ratio = 0, .warmup_ratio = 0};
  for (const std::string kind : {"cosine", "linear", "wsd", "constant"}) {
    config.kind = kind;
    for (Index steps : {1, 2, 3, 10}) {
      EXPECT_DOUBLE_EQ(scheduled_learning_rate(config, 0, steps), 1) << kind << steps;
      EXPECT_GT(scheduled_learning_rate(config, steps - 1, steps), 0) << kind << steps;
    }
  }
}

TEST(Schedule, RefusesWhatItDoesNotKnow) {
  const auto validate = [](ScheduleConfig config) { config.validate(); };
  validate(make("wsd"));
  EXPECT_ERROR(validate({.kind = "step"}),
               "config: train.schedule: expected cosine, linear, wsd or constant, got 'step'");
  EXPECT_ERROR(validate({.learning_rate = -1}),
               "config: train.learning_rate: expected a number >= 0, got -1");
  EXPECT_ERROR(validate({.final_ratio = 2}), "config: train.final_ratio");
  EXPECT_ERROR(validate({.warmup_ratio = -0.1}), "config: train.warmup_ratio");
  EXPECT_ERROR(validate({.kind = "wsd", .warmup_ratio = 0.9, .decay_ratio = 0.2}),
               "config: train.warmup_ratio + train.decay_ratio: expected at most 1, got 0.9 + 0.2");
}

}  // namespace
}  // namespace minillm
