// Learning-rate schedules: pure functions of the step, so nothing has to be saved to resume.

#ifndef LIBMINILLM_OPTIM_SCHEDULE_H_
#define LIBMINILLM_OPTIM_SCHEDULE_H_

#include <string>

#include "libminillm/core/real.h"

namespace minillm {

struct ScheduleConfig {
  std::string kind = "linear";  // "cosine", "linear", "wsd" (warm-up, stable, decay) or "constant"
  double learning_rate = 1e-3;  // peak
  double final_ratio = 0;       // final learning rate as a fraction of the peak
  double warmup_ratio = 0.05;   // fraction of the steps that rise linearly from 0 to the peak
  double decay_ratio = 0.25;    // wsd: fraction of the steps spent in the final decay

  void validate() const;  // throws Error (kUsage)
};

// The rate of optimizer step `step` (0-based) out of `steps`. Warm-up takes ceil(warmup_ratio *
// steps) steps and gives peak * (step + 1) / warmup_steps, so that the first step already moves; a
// decay reaches peak * final_ratio one step after the last, so that the last one still moves.
double scheduled_learning_rate(const ScheduleConfig& config, Index step, Index steps);

}  // namespace minillm

#endif  // LIBMINILLM_OPTIM_SCHEDULE_H_
