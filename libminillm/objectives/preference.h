// Preference objectives on a batch: pairs of answers whose log-probabilities are known, and the
// gradient of a pair loss (pair_losses.h) with respect to every one of them.

#ifndef LIBMINILLM_OBJECTIVES_PREFERENCE_H_
#define LIBMINILLM_OBJECTIVES_PREFERENCE_H_

#include <span>

#include "libminillm/core/token_batch.h"
#include "libminillm/objectives/contribution.h"
#include "libminillm/objectives/pair_losses.h"

namespace minillm {

// A pair inside a batch, with the reference model's summed log-probabilities of its answers.
struct PreferenceItem {
  PairTargets targets;
  double reference_chosen = 0;
  double reference_rejected = 0;
};

// Sums over pairs, for the log: TRL's names as means (rewards/chosen, ...).
struct PreferenceSums {
  double pairs = 0;
  double chosen = 0, rejected = 0;                // answers: as many as pairs, or fewer
  double loss = 0;                                // the pair loss
  double reward_chosen = 0, reward_rejected = 0;  // beta * s
  double accurate = 0;                            // pairs with s_w > s_l, strictly
  double preferred = 0;                           // pairs with L_w > L_l, strictly
  double logp_chosen = 0, logp_rejected = 0;      // summed over the answer's tokens
  double chosen_shift = 0;   // s_w: how far the chosen answers moved; negative = they fall
  double chosen_tokens = 0;  // tokens in chosen answers
  double chosen_nll = 0;     // -logp summed over chosen tokens
  void add(const PairValues& values, double pair_loss, double beta);
  PreferenceSums& operator+=(const PreferenceSums& other);
  std::vector<double*> all();
};

// The log-probability of targets [begin, end), an answer's: the one sum that the loss, the held-out
// loss and the reference take. So an unchanged model has margins of exactly zero.
double sum_log_probs(std::span<const Real> logp, Index begin, Index end);

//   dlogp  [M]  accumulated (+=); logp [M]. weight = number of pairs.
//   sums   optional: added to.
//   moved  PairValues::moved, for losses that judge single answers.
// Throws Error if an answer has no targets, unless the loss judges single answers.
Contribution pair_loss(std::span<Real> dlogp, std::span<const Real> logp,
                       std::span<const PreferenceItem> items, const PairLoss& loss,
                       const PairLossConfig& config, PreferenceSums* sums = nullptr,
                       double moved = 0);

// The SFT term: - scale * sum of the chosen answers' log-probabilities. Adds loss, no weight.
// Without it (or replayed SFT rows) small models collapse while preference accuracy stays perfect.
Contribution chosen_sft_loss(std::span<Real> dlogp, std::span<const Real> logp,
                             std::span<const PreferenceItem> items, double scale);

}  // namespace minillm

#endif  // LIBMINILLM_OBJECTIVES_PREFERENCE_H_
