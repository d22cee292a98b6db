// Norms and finiteness of a flat gradient, summed in double over fixed blocks: bit-identical for
// any number of threads.

#ifndef LIBMINILLM_OPTIM_GRAD_NORM_H_
#define LIBMINILLM_OPTIM_GRAD_NORM_H_

#include <optional>
#include <span>

#include "libminillm/core/tensor_table.h"  // ElementRange

namespace minillm {

// Euclidean norm; NaN or infinity if any element is.
double l2_norm(std::span<const Real> values);

// The same in pieces. An array is cut into this many parts, whatever the number of threads and
// ranks; their sums of squares are added in order.
inline constexpr Index kNormParts = 64;
ElementRange norm_part(Index part, Index size);
// sums[k]: the sum of squares of parts[k] of `values`.
void norm_parts(std::span<double> sums, std::span<const Real> values,
                std::span<const ElementRange> parts);
double norm_of_parts(std::span<const double> sums);

// Offset of the first NaN or infinity.
std::optional<Index> first_non_finite(std::span<const Real> values);

}  // namespace minillm

#endif  // LIBMINILLM_OPTIM_GRAD_NORM_H_
