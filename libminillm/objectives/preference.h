// Preference objectives: functions of the log-probabilities of two answers, under the model and
// under the frozen reference it started from. Each variant is a function of its own, not a switch.
//
// With s_w = L(chosen) - L_ref(chosen), s_l = L(rejected) - L_ref(rejected), L summed over an
// answer's tokens:
//   DPO   -(1-e) log sigma(beta (s_w - s_l)) - e log sigma(-beta (s_w - s_l))    Rafailov et al.
//   2023,
//         arXiv:2305.18290 eq. 7; label smoothing e: Mitchell 2023 ("conservative DPO")
//   IPO   (s_w/n_w - s_l/n_l - 1/(2 beta))^2    Azar et al. 2023, arXiv:2310.12036 eq. 17, on
//         length-averaged log-ratios; beta plays the paper's tau
// All start from zero margins: DPO at ln 2, IPO at (1/(2 beta))^2.

#ifndef LIBMINILLM_OBJECTIVES_PREFERENCE_H_
#define LIBMINILLM_OBJECTIVES_PREFERENCE_H_

#include <span>

#include "libminillm/core/token_batch.h"
#include "libminillm/objectives/contribution.h"

namespace minillm {

// A pair inside a batch, with the reference model's summed log-probabilities of its answers.
struct PreferenceItem {
  PairTargets targets;
  double reference_chosen = 0;
  double reference_rejected = 0;
};

// Sums over pairs, for the log: TRL's names when divided by `pairs` (rewards/chosen, ...).
struct PreferenceSums {
  double pairs = 0;
  double reward_chosen = 0, reward_rejected = 0;  // beta * s
  double accurate = 0;                            // pairs with s_w > s_l, strictly
  double logp_chosen = 0, logp_rejected = 0;      // summed over the answer's tokens
  double chosen_shift = 0;   // s_w: how far the chosen answers moved; negative = they fall
  double chosen_tokens = 0;  // tokens in chosen answers
  double chosen_nll = 0;     // -logp summed over chosen tokens
  PreferenceSums& operator+=(const PreferenceSums& other);
};

// The log-probability of targets [begin, end): an answer's. The reference's must be summed by this
// function, too: then an unchanged model has margins of exactly zero.
double answer_log_prob(std::span<const Real> logp, Index begin, Index end);

//   dlogp  [M]  accumulated (+=); logp [M]. weight = number of pairs.
//   sums   optional: added to.
// Throws Error if an answer has no targets.
Contribution dpo_loss(std::span<Real> dlogp, std::span<const Real> logp,
                      std::span<const PreferenceItem> items, double beta, double label_smoothing,
                      PreferenceSums* sums = nullptr);
Contribution ipo_loss(std::span<Real> dlogp, std::span<const Real> logp,
                      std::span<const PreferenceItem> items, double beta,
                      PreferenceSums* sums = nullptr);
// The SFT term: - scale * sum of the chosen answers' log-probabilities. Adds loss, no weight.
// Without it (or replayed SFT rows) small models collapse while preference accuracy stays perfect.
Contribution chosen_sft_loss(std::span<Real> dlogp, std::span<const Real> logp,
                             std::span<const PreferenceItem> items, double scale);

}  // namespace minillm

#endif  // LIBMINILLM_OBJECTIVES_PREFERENCE_H_
