#include "libminillm/train/spike_guard.h"

#include <cmath>
#include <vector>

#include "libminillm/core/check.h"

namespace minillm {

void SpikeGuardConfig::validate() const {
  MINILLM_CHECK_USAGE(
      action == "off" || action == "skip" || action == "rollback",
      "config: train.spike_action: expected \"off\", \"skip\" or \"rollback\", got \"{}\"", action);
  MINILLM_CHECK_USAGE(threshold > 0, "config: train.spike_threshold: expected a number > 0, got {}",
                      threshold);
  MINILLM_CHECK_USAGE(2 <= window && window <= 10000,
                      "config: train.spike_window: expected 2 to 10000, got {}", window);
}

void list_fields(ConfigFields& fields, SpikeGuardConfig& c) {
  fields.add(
      "train.spike_action", c.action,
      "what to do when the loss or gradient norm jumps: off (nothing), skip (the update), or "
      "rollback (to the last checkpoint, leaving out the batches since)");
  fields.add("train.spike_threshold", c.threshold,
             "a jump is this many standard deviations above the mean of the window");
  fields.add("train.spike_window", c.window,
             "number of recent steps that a jump is measured against");
}

double z_score(std::span<const double> window, double value) {
  if (window.empty()) return 0;
  const auto n = static_cast<double>(window.size());
  double mean = 0, variance = 0;
  for (const double x : window) mean += x / n;
  for (const double x : window) variance += (x - mean) * (x - mean) / n;
  return variance > 0 ? (value - mean) / std::sqrt(variance) : 0;
}

std::optional<std::string> find_spike(const SpikeGuardConfig& config, const SpikeWindow& window,
                                      double loss, double grad_norm) {
  const auto full = static_cast<size_t>(config.window);
  if (config.action == "off" || window.losses.size() < full) return std::nullopt;
  const auto sticks_out = [&](const char* name, const std::vector<double>& before,
                              double value) -> std::optional<std::string> {
    const double z = z_score(before, value);
    if (!(z > config.threshold)) return std::nullopt;
    return fmt::format("{} {:.4g} is {:.1f} standard deviations above its last {}", name, value, z,
                       before.size());
  };
  const auto spike = sticks_out("loss", window.losses, loss);
  return spike ? spike : sticks_out("gradient norm", window.grad_norms, grad_norm);
}

void remember_step(const SpikeGuardConfig& config, SpikeWindow& window, double loss,
                   double grad_norm) {
  if (config.action == "off") return;
  const auto push = [&](std::vector<double>& values, double value) {
    if (values.size() >= static_cast<size_t>(config.window)) values.erase(values.begin());
    values.push_back(value);
  };
  push(window.losses, loss);
  push(window.grad_norms, grad_norm);
}

}  // namespace minillm
