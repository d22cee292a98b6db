#include "libminillm/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

Index share_of(double ratio, Index steps) {
  return static_cast<Index>(std::ceil(ratio * static_cast<double>(steps)));
}

// How far step `step` is on its way from `begin` to `end`: 0 at `begin`, 1 at `end`.
double progress(Index step, Index begin, Index end) {
  return static_cast<double>(step - begin) / static_cast<double>(std::max<Index>(1, end - begin));
}

}  // namespace

void ScheduleConfig::validate() const {
  MINILLM_CHECK_USAGE(kind == "cosine" || kind == "linear" || kind == "wsd" || kind == "constant",
                      "config: train.schedule: expected cosine, linear, wsd or constant, got '{}'",
                      kind);
  MINILLM_CHECK_USAGE(learning_rate >= 0,
                      "config: train.learning_rate: expected a number >= 0, got {}", learning_rate);
  MINILLM_CHECK_USAGE(final_ratio >= 0 && final_ratio <= 1,
                      "config: train.final_ratio: expected 0 <= ratio <= 1, got {}", final_ratio);
  MINILLM_CHECK_USAGE(warmup_ratio >= 0 && warmup_ratio <= 1,
                      "config: train.warmup_ratio: expected 0 <= ratio <= 1, got {}", warmup_ratio);
  MINILLM_CHECK_USAGE(decay_ratio >= 0 && decay_ratio <= 1,
                      "config: train.decay_ratio: expected 0 <= ratio <= 1, got {}", decay_ratio);
  MINILLM_CHECK_USAGE(
      kind != "wsd" || warmup_ratio + decay_ratio <= 1,
      "config: train.warmup_ratio + train.decay_ratio: expected at most 1, got {} + {}",
      warmup_ratio, decay_ratio);
}

double scheduled_learning_rate(const ScheduleConfig& config, Index step, Index steps) {
  const double peak = config.learning_rate;
  const Index warmup = share_of(config.warmup_ratio, steps);
  if (step < warmup) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup);

  // A decay reaches the final rate one step after the last: a step at a rate of 0 teaches nothing.
  const double floor = peak * config.final_ratio;
  if (config.kind == "constant") return peak;
  if (config.kind == "cosine") {
    const double half_turn = std::numbers::pi * progress(step, warmup, steps);
    return floor + (peak - floor) * (1 + std::cos(half_turn)) / 2;
  }
  const Index decay_begin = config.kind == "linear"
                                ? warmup
                                : std::max(warmup, steps - share_of(config.decay_ratio, steps));
  if (step < decay_begin) return peak;
  return peak + (floor - peak) * progress(step, decay_begin, steps);
}

}  // namespace minillm
