// Norms and finiteness of a flat gradient, summed in double over fixed blocks: bit-identical for
// any number of threads.

#ifndef LIBMINILLM_OPTIM_GRAD_NORM_H_
#define LIBMINILLM_OPTIM_GRAD_NORM_H_

#include <optional>
#include <span>

#include "libminillm/core/real.h"

namespace minillm {

// Euclidean norm; NaN or infinity if any element is.
double l2_norm(std::span<const Real> values);
// Offset of the first NaN or infinity.
std::optional<Index> first_non_finite(std::span<const Real> values);

}  // namespace minillm

#endif  // LIBMINILLM_OPTIM_GRAD_NORM_H_
