#include "libminillm/checkpoint/tensor_stats.h"

#include <algorithm>
#include <cmath>

#include "libminillm/core/check.h"

namespace minillm {

TensorStats tensor_stats(std::span<const Real> values) {
  TensorStats stats;
  double squares = 0;
  bool any = false;
  for (const Real value : values) {
    const double x = static_cast<double>(value);
    if (!std::isfinite(x)) {
      ++stats.non_finite;
      continue;
    }
    squares += x * x;
    stats.min = any ? std::min(stats.min, x) : x;
    stats.max = any ? std::max(stats.max, x) : x;
    any = true;
  }
  stats.norm = std::sqrt(squares);
  return stats;
}

TensorDifference tensor_difference(std::span<const Real> a, std::span<const Real> b) {
  MINILLM_DCHECK(a.size() == b.size());
  TensorDifference difference;
  double squares = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = static_cast<double>(b[i]) - static_cast<double>(a[i]);
    squares += d * d;
    difference.max = std::max(difference.max, std::abs(d));
  }
  difference.norm = std::sqrt(squares);
  if (squares != 0) difference.relative = difference.norm / tensor_stats(a).norm;
  return difference;
}

}  // namespace minillm
