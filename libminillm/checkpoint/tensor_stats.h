// What can be said about a tensor, and about how two differ.

#ifndef LIBMINILLM_CHECKPOINT_TENSOR_STATS_H_
#define LIBMINILLM_CHECKPOINT_TENSOR_STATS_H_

#include <span>

#include "libminillm/core/real.h"

namespace minillm {

// Norm, minimum and maximum are over the finite values; all are 0 if there is none.
struct TensorStats {
  double norm = 0;  // Euclidean
  double min = 0, max = 0;
  Index non_finite = 0;  // how many values are infinite or NaN
};
TensorStats tensor_stats(std::span<const Real> values);

struct TensorDifference {
  double norm = 0;      // |b - a|
  double relative = 0;  // |b - a| / |a|; 0 if they are equal, infinite if only a is zero
  double max = 0;       // largest |b_i - a_i|
  bool operator==(const TensorDifference&) const = default;
};
// REQUIRES a.size() == b.size().
TensorDifference tensor_difference(std::span<const Real> a, std::span<const Real> b);

}  // namespace minillm

#endif  // LIBMINILLM_CHECKPOINT_TENSOR_STATS_H_
