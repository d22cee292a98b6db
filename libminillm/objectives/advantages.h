// Advantages: how much better an answer is than expected. One entry of the table per way to say
// what is expected of a prompt; and PPO's, token by token, from a critic.
//
//   name       | A of answer i, of G to its prompt
//   -----------|---------------------------------------------------------------------------------
//   grpo       | (r_i - mean) / (std + 1e-4), of the group; std with G - 1    arXiv:2402.03300
//   dr_grpo    | r_i - mean: the division favours groups of little spread     arXiv:2503.20783
//   rloo       | r_i - mean of the others = G/(G-1) times the above           arXiv:2402.14740
//   reinforce  | r_i - mean of all answers of the step                        Williams 1992

#ifndef LIBMINILLM_OBJECTIVES_ADVANTAGES_H_
#define LIBMINILLM_OBJECTIVES_ADVANTAGES_H_

#include <span>
#include <string>

#include "libminillm/core/real.h"

namespace minillm {

struct AdvantageEstimator {
  const char* name;
  // A of every answer, [n]; the G answers to a prompt stand together.
  void (*estimate)(std::span<double> advantages, std::span<const double> rewards, Index group);
};
std::span<const AdvantageEstimator> advantage_estimators();
// Throws Error (kUsage), which names those there are.
const AdvantageEstimator& advantage_estimator(const std::string& name);

// Generalised advantage estimation (Schulman et al. 2016, arXiv:1506.02438, eq. 16) over the tokens
// of one answer, [T] each. The value after the last token is 0: the answer is over.
//
//   delta_t = r_t + gamma V_{t+1} - V_t      A_t = delta_t + gamma lambda A_{t+1}
//   R_t     = A_t + V_t, what the critic is to say
void generalized_advantages(std::span<double> advantages, std::span<double> returns,
                            std::span<const double> rewards, std::span<const Real> values,
                            double gamma, double lambda);

// Mean 0 and (population) standard deviation 1, unless all are equal.
void whiten(std::span<double> values);

}  // namespace minillm

#endif  // LIBMINILLM_OBJECTIVES_ADVANTAGES_H_
