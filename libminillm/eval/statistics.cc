#include "libminillm/eval/statistics.h"

#include <algorithm>
#include <cmath>

#include "libminillm/core/check.h"

namespace minillm {

Interval wilson_interval(int64_t count, int64_t of) {
  MINILLM_DCHECK(0 <= count && count <= of);
  if (of == 0) return {};
  constexpr double kZ = 1.959963984540054;  // the normal distribution's 0.975 quantile
  const auto n = static_cast<double>(of);
  const double rate = static_cast<double>(count) / n;
  const double middle = rate + kZ * kZ / (2 * n);
  const double half = kZ * std::sqrt(rate * (1 - rate) / n + kZ * kZ / (4 * n * n));
  const double scale = 1 / (1 + kZ * kZ / n);
  return {count == 0 ? 0 : std::max(0.0, scale * (middle - half)),
          count == of ? 1 : std::min(1.0, scale * (middle + half))};
}

}  // namespace minillm
