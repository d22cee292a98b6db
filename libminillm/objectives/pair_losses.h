// Losses of a preference pair, as scalar functions of its two answers' log-probabilities: a table,
// one entry a loss. Training, held-out evaluation, the check before the first step, the config's
// help and the gradient tests read it, so a further loss is one entry in pair_losses.cc.
//
// With s_w = L_w - ref_w, s_l = L_l - ref_l, L summed over an answer's n tokens:
//
//   dpo   -(1-e) log sigma(beta (s_w - s_l)) - e log sigma(-beta (s_w - s_l))
//         Rafailov et al. 2023, arXiv:2305.18290 eq. 7; label smoothing e: Mitchell 2023
//         ("conservative DPO")
//   ipo   (s_w/n_w - s_l/n_l - 1/(2 beta))^2
//         Azar et al. 2023, arXiv:2310.12036 eq. 17, on length-averaged log-ratios; beta plays the
//         paper's tau

#ifndef LIBMINILLM_OBJECTIVES_PAIR_LOSSES_H_
#define LIBMINILLM_OBJECTIVES_PAIR_LOSSES_H_

#include <string>
#include <vector>

#include "libminillm/core/config.h"

namespace minillm {

struct PairLossConfig {
  std::string name = "dpo";    // of an entry of the table
  double beta = 0.1;           // how strongly the policy is held to the reference (KL weight)
  double label_smoothing = 0;  // share of pairs assumed to be labelled the wrong way round
};
void list_fields(ConfigFields& fields, PairLossConfig& config);  // keys "dpo.*"

// What a loss may look at. As it is here, a pair that has not moved from its reference.
struct PairValues {
  double chosen = 0, rejected = 0;                      // L_w, L_l
  double reference_chosen = 0, reference_rejected = 0;  // 0 where no reference is needed
  double chosen_tokens = 1, rejected_tokens = 1;        // n_w, n_l
};
struct PairGradient {
  double loss;
  double dchosen, drejected;  // its derivatives by L_w and L_l
};
struct PairLoss {
  std::string name;
  std::vector<std::string> keys;  // of PairLossConfig, that apply
  // Whether it is a function of s_w and s_l: then every run starts at at({}, config).loss.
  bool needs_reference;
  PairGradient (*at)(const PairValues& values, const PairLossConfig& config);
};
const std::vector<PairLoss>& pair_losses();

// The entry that `config` names. Throws Error (kUsage) if there is none, a value is out of its
// range, or one is set that does not apply to this loss.
const PairLoss& pair_loss_of(const PairLossConfig& config);

}  // namespace minillm

#endif  // LIBMINILLM_OBJECTIVES_PAIR_LOSSES_H_
