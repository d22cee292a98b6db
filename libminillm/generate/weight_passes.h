// Passes over the weights of a vocabulary: relative probabilities of tokens, not yet divided by
// their sum. A part of Sampler.
//
// Vectorised for the processor, and the same bits on every one (elementary.h; no product and sum
// are rounded as one here).

#ifndef LIBMINILLM_GENERATE_WEIGHT_PASSES_H_
#define LIBMINILLM_GENERATE_WEIGHT_PASSES_H_

#include <cstddef>
#include <span>
#include <vector>

#include "libminillm/core/real.h"

namespace minillm {

struct TokenWeight {
  Token token = 0;
  Real weight = 0;
};

// Each REQUIRES values.
bool all_finite(std::span<const Real> values);
Real largest_of(std::span<const Real> values);
Real smallest_of(std::span<const Real> values);

// w_v = exp((z_v - largest) * inverse_temperature): the softmax up to its denominator.
//   z        [V]
//   weights  [V]  may be z
void weigh(std::span<const Real> z, Real largest, Real inverse_temperature,
           std::span<Real> weights);
// In interleaved lanes (elementary.h).
Real lane_sum_of(std::span<const Real> weights);

// Of each block of kWeightBlock weights the sum of those that are at least `least`, in lanes.
// Returns how many there are.
//   sums  [ceil(V / kWeightBlock)]
inline constexpr size_t kWeightBlock = 256;
Index sum_blocks(std::span<const Real> weights, Real least, std::span<double> sums);

// Appends the tokens with least <= weight < below, in their order.
void collect(std::span<const Real> weights, Real least, Real below,
             std::vector<TokenWeight>& found);

}  // namespace minillm

#endif  // LIBMINILLM_GENERATE_WEIGHT_PASSES_H_
