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
//   robust    (-(1-e) log sigma(h) + e log sigma(-h)) / (1 - 2e), h = beta (s_w - s_l)
//             Chowdhury et al. 2024, arXiv:2403.00409 eq. 12: unbiased if a share e of the labels
//             is wrong, where dpo's smoothing is conservative
//   hinge     max(0, 1 - beta (s_w - s_l))
//             SLiC, Zhao et al. 2023, arXiv:2305.10425, on the ratios of RSO, arXiv:2309.06657
//   dpo_norm  -log sigma(beta (s_w/n_w - s_l/n_l))
//             length-normalised DPO, Lambert et al. 2024, arXiv:2411.15124 eq. 6 ("sigmoid_norm")
//   simpo     -log sigma(beta (L_w/n_w - L_l/n_l) - gamma)
//             Meng et al. 2024, arXiv:2405.14734 eq. 6; no reference
//   orpo      -beta log sigma(o(L_w/n_w) - o(L_l/n_l)), log-odds o(x) = x - log(1 - e^x)
//             Hong et al. 2024, arXiv:2403.07691 eq. 7, whose first term is dpo.sft_weight; beta is
//             its lambda; no reference
//   apo_zero  1 - sigma(beta s_w) + sigma(beta s_l): chosen answers rise, rejected ones fall
//   apo_down  sigma(beta s_w) + 1 - sigma(beta (s_w - s_l)): both fall, rejected ones further: for
//             answers that are all worse than the model's
//             D'Oosterlinck et al. 2024, arXiv:2408.06266 eq. 7 and 8
//   kto       w_w (1 - sigma(beta (s_w - z))) of a chosen answer, w_l (1 - sigma(beta (z - s_l)))
//             of a rejected one: each is judged by itself. z >= 0 is how far the policy has moved
//             on answers that do not belong to their prompts, and carries no gradient
//             Ethayarajh et al. 2024, arXiv:2402.01306 eq. 7 to 9

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
  double desirable_weight = 1, undesirable_weight = 1;  // kto: of chosen and of rejected answers
  double gamma = 0.5;  // simpo: the margin that is asked for, in units of beta's
};
void list_fields(ConfigFields& fields, PairLossConfig& config);  // keys "dpo.*"

// What a loss may look at. As it is here, a pair that has not moved from its reference.
struct PairValues {
  double chosen = 0, rejected = 0;                      // L_w, L_l
  double reference_chosen = 0, reference_rejected = 0;  // 0 where no reference is needed
  double chosen_tokens = 1, rejected_tokens = 1;        // n_w, n_l; 0: there is no such answer
  double moved = 0;                                     // z
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
  bool judges_single_answers;  // takes pairs without one of the answers, and z
  PairGradient (*at)(const PairValues& values, const PairLossConfig& config);
};
const std::vector<PairLoss>& pair_losses();

// The entry that `config` names. Throws Error (kUsage) if there is none, a value is out of its
// range, or one is set that does not apply to this loss.
const PairLoss& pair_loss_of(const PairLossConfig& config);

}  // namespace minillm

#endif  // LIBMINILLM_OBJECTIVES_PAIR_LOSSES_H_
