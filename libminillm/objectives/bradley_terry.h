// The reward model's objective: of two answers to a prompt, the chosen one is to score higher.
//
//   p(c beats r) = sigma(s_c - s_r)                          Bradley & Terry 1952
//   loss         = -log sigma(s_c - s_r - m) + lambda (s_c + s_r)^2
//
// m is how far apart a pair is to be at least (Llama 2, arXiv:2307.09288, section 3.2.2). The loss
// sees differences only, so scores may drift: lambda keeps their mean at 0 (Eisenstein et al. 2023,
// arXiv:2312.09244; TRL's center_rewards_coefficient). Where both scores are 0 it is log 2.

#ifndef LIBMINILLM_OBJECTIVES_BRADLEY_TERRY_H_
#define LIBMINILLM_OBJECTIVES_BRADLEY_TERRY_H_

#include <limits>
#include <span>

#include "libminillm/core/metrics.h"
#include "libminillm/objectives/contribution.h"

namespace minillm {

// Sums over pairs, for the log.
struct ScoreSums {
  double pairs = 0, loss = 0;
  double accurate = 0;              // pairs with s_c > s_r, strictly
  double chosen = 0, rejected = 0;  // scores
  double smallest = std::numeric_limits<double>::infinity(), largest = -smallest;
};
// By TRL's names: "accuracy", "margin", "mean_reward", "min_reward", "max_reward"; and
// "rewards/chosen", "rewards/rejected".
Metrics named_metrics(const ScoreSums& sums);

//   dscore   [2P]  accumulated (+=)
//   score    [2P]  of every pair the chosen answer's, then the rejected one's
//   margins  [P]   m
// weight = number of pairs. `sums` is optional: added to.
Contribution bradley_terry_loss(std::span<Real> dscore, std::span<const Real> score,
                                std::span<const double> margins, double lambda,
                                ScoreSums* sums = nullptr);

}  // namespace minillm

#endif  // LIBMINILLM_OBJECTIVES_BRADLEY_TERRY_H_
