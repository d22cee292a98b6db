// Several adapters as one, and an adapter as a part of the model's own weights.

#ifndef LIBMINILLM_NN_ADAPTER_COMPOSITION_H_
#define LIBMINILLM_NN_ADAPTER_COMPOSITION_H_

#include <span>

#include "libminillm/nn/adapter.h"
#include "libminillm/nn/model.h"

namespace minillm {

struct WeightedAdapter {
  const Adapter* adapter = nullptr;
  double weight = 1;
};
// y = x W^T + sum_i w_i s_i (x A_i^T) B_i^T, in the order given: ranks add up, and nothing is
// averaged (the mean of the A times the mean of the B would have cross terms). Exact: weights 1, 0
// give the bits of the first one alone. The score head is that of the one adapter that has any.
// Rows of tokens that they replace are the base's, plus each difference by its weight. REQUIRES at
// least one, all of this base. Throws Error if two have a score head, or one has virtual tokens.
Adapter composed(const Model& base, std::span<const WeightedAdapter> adapters);

// A model of its own whose matrices have the adapter's updates in them: W + s B A, summed in double
// and rounded once. Its log-probabilities are those of the adapted model up to rounding. No way
// leads back, as (W + D) - D is not W: keep the base. Throws Error if the adapter is not LoRA.
Model merged(const Model& model);

}  // namespace minillm

#endif  // LIBMINILLM_NN_ADAPTER_COMPOSITION_H_
