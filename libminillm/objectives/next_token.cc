#include "libminillm/objectives/next_token.h"

#include "libminillm/core/check.h"

namespace minillm {

Contribution next_token_loss(std::span<const Real> logp, std::span<const Target> targets,
                             double scale) {
  MINILLM_DCHECK(logp.size() == targets.size());
  Contribution sum;
  for (size_t m = 0; m < targets.size(); ++m) {
    const double weight = targets[m].weight;
    if (weight == 0) continue;  // 0 * -inf is not 0
    sum.loss -= scale * weight * logp[m];
    sum.weight += weight;
  }
  return sum;
}

void next_token_gradient(std::span<Real> dlogp, std::span<const Target> targets, double scale) {
  MINILLM_DCHECK(dlogp.size() == targets.size());
  for (size_t m = 0; m < targets.size(); ++m)
    dlogp[m] -= static_cast<Real>(scale * targets[m].weight);
}

Contribution next_token_loss(std::span<Real> dlogp, std::span<const Real> logp,
                             std::span<const Target> targets, double scale) {
  next_token_gradient(dlogp, targets, scale);
  return next_token_loss(logp, targets, scale);
}

}  // namespace minillm
