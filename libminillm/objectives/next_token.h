// Next-token prediction: pretraining and SFT are this one function with different weights.
//
//   loss = - sum_m w_m logp_m        dloss/dlogp_m = - w_m        weight = sum_m w_m

#ifndef LIBMINILLM_OBJECTIVES_NEXT_TOKEN_H_
#define LIBMINILLM_OBJECTIVES_NEXT_TOKEN_H_

#include <span>

#include "libminillm/core/token_batch.h"
#include "libminillm/objectives/contribution.h"

namespace minillm {

//   logp     [M]  log-probabilities of the targets
//   targets  [M]  their weights
// `scale` multiplies the loss and the gradient, not the weight: an auxiliary term of another loss.
Contribution next_token_loss(std::span<const Real> logp, std::span<const Target> targets,
                             double scale = 1);

//   dlogp    [M]  accumulated (+=)
// The loss is linear in logp: its gradient can be had before logp is known.
void next_token_gradient(std::span<Real> dlogp, std::span<const Target> targets, double scale = 1);

// Both.
Contribution next_token_loss(std::span<Real> dlogp, std::span<const Real> logp,
                             std::span<const Target> targets, double scale = 1);

}  // namespace minillm

#endif  // LIBMINILLM_OBJECTIVES_NEXT_TOKEN_H_
