// Spike guard: notices a step whose loss or gradient norm is far above those before it.
//
// A few batches can throw a model back by thousands of steps although every number is finite: the
// spike's gradient goes through the moments into many updates. PaLM (Chowdhery et al. 2022, section
// 5.1) went back some hundred steps and left out the batches around the spike; llm.c leaves out the
// update alone. Both are here, and off by default.

#ifndef LIBMINILLM_TRAIN_SPIKE_GUARD_H_
#define LIBMINILLM_TRAIN_SPIKE_GUARD_H_

#include <optional>
#include <span>
#include <string>

#include "libminillm/checkpoint/trainer_state.h"
#include "libminillm/core/config.h"

namespace minillm {

struct SpikeGuardConfig {
  std::string action = "off";  // "skip" the update, or "rollback" to the last checkpoint
  double threshold = 6;        // standard deviations above the mean of the window
  int64_t window = 128;        // steps to compare with; no spike is found before it is full

  void validate() const;  // throws Error (kUsage) naming key, value and rule
};
void list_fields(ConfigFields& fields, SpikeGuardConfig& config);  // keys "train.spike_*"

// How many (population) standard deviations `value` lies above the mean of `window`; 0 if all its
// values are equal or it is empty.
double z_score(std::span<const double> window, double value);

// Says what sticks out ("loss 9.1 is 14.2 standard deviations above its last 128"), or nothing: no
// spike, the window is not full yet, or the guard is off. Only values that are too high count.
std::optional<std::string> find_spike(const SpikeGuardConfig& config, const SpikeWindow& window,
                                      double loss, double grad_norm);

// Adds a step to the window, which keeps the last `config.window` of them, unless the guard is off.
void remember_step(const SpikeGuardConfig& config, SpikeWindow& window, double loss,
                   double grad_norm);

}  // namespace minillm

#endif  // LIBMINILLM_TRAIN_SPIKE_GUARD_H_
