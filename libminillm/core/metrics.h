// Metrics: named numbers, as logged, evaluated and shown.

#ifndef LIBMINILLM_CORE_METRICS_H_
#define LIBMINILLM_CORE_METRICS_H_

#include <string>
#include <utility>
#include <vector>

namespace minillm {

// In the order they are shown. Names are those of Hugging Face and TRL.
using Metrics = std::vector<std::pair<std::string, double>>;

}  // namespace minillm

#endif  // LIBMINILLM_CORE_METRICS_H_
