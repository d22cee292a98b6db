// Policy gradients: reinforcement learning as next-token prediction whose targets carry weights.
//
//   grad E[r] = E[ sum_t A_t grad log p(x_t) ]                        Williams 1992 (REINFORCE)
//
// The answers were sampled with q, the policy of then. Where that is still the policy, the ratio is
// exactly 1 (sampler and trainer agree to the bit), and clipping never acts.
//
//   rho_t     = p(x_t) / q(x_t)
//   surrogate = min( rho A, clip(rho, 1 - low, 1 + high) A )      PPO, arXiv:1707.06347, eq. 7
//   k3        = r/p - 1 - log(r/p)            Schulman 2020: an unbiased estimate of KL(p || r)
//   loss      = - sum_t w_t ( surrogate_t - beta k3_t )           GRPO, arXiv:2402.03300, eq. 3
//
// high > low is DAPO's (arXiv:2503.14476). r is the model that training began with. How A comes
// about: advantages.h.

#ifndef LIBMINILLM_OBJECTIVES_POLICY_GRADIENT_H_
#define LIBMINILLM_OBJECTIVES_POLICY_GRADIENT_H_

#include <span>

#include "libminillm/objectives/contribution.h"

namespace minillm {

struct PolicyLossConfig {
  double clip_low = 0.2, clip_high = 0.2;
  double kl_weight = 0;  // beta of k3
};

// What is known of sampled tokens beside their log-probabilities: spans [M] of one batch.
struct SampledTokens {
  std::span<const Real> sampled;      // log q
  std::span<const Real> reference;    // log r; empty: no KL is told, and kl_weight is 0
  std::span<const double> advantage;  // A
  std::span<const double> weight;     // w

  SampledTokens part(Index begin, Index end) const;  // tokens [begin, end)
};

// Sums over tokens, for the log.
struct PolicySums {
  double tokens = 0;
  double k1 = 0;  // log p - log r: another estimate of the KL, of larger variance
  double k3 = 0;
  double entropy = 0;  // -log p of what was sampled: an unbiased estimate where p is q
  double clipped = 0;  // tokens whose surrogate is the clipped one
  double ratio = 0;
  double largest_difference = 0;  // of |log p - log q|
};

//   dlogp  [M]  accumulated (+=)
//   logp   [M]  of the policy that is trained
// Adds loss, no weight.
Contribution policy_gradient_loss(std::span<Real> dlogp, std::span<const Real> logp,
                                  const SampledTokens& tokens, const PolicyLossConfig& config,
                                  PolicySums* sums = nullptr);

// PPO's critic: 0.5 w max( (v - R)^2, (v_clipped - R)^2 ), where v_clipped is v held within `clip`
// of what it was when the answer was sampled.
//
//   dvalue  [M]  accumulated (+=)
Contribution value_loss(std::span<Real> dvalue, std::span<const Real> value,
                        std::span<const Real> value_before, std::span<const double> returns,
                        std::span<const double> weight, double clip);

}  // namespace minillm

#endif  // LIBMINILLM_OBJECTIVES_POLICY_GRADIENT_H_
