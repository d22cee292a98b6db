// Metrics: named numbers, as logged, evaluated and shown.

#ifndef LIBMINILLM_TRAIN_METRICS_H_
#define LIBMINILLM_TRAIN_METRICS_H_

#include <string>
#include <utility>
#include <vector>

namespace minillm {

// In the order they are shown. Names are those of Hugging Face and TRL.
using Metrics = std::vector<std::pair<std::string, double>>;

}  // namespace minillm

#endif  // LIBMINILLM_TRAIN_METRICS_H_
