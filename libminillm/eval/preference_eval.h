// What a model prefers among chosen and rejected answers, alone and against a reference model.

#ifndef LIBMINILLM_EVAL_PREFERENCE_EVAL_H_
#define LIBMINILLM_EVAL_PREFERENCE_EVAL_H_

#include <span>
#include <vector>

#include "libminillm/core/metrics.h"
#include "libminillm/core/progress.h"
#include "libminillm/data/chat_template.h"  // RenderedPair
#include "libminillm/nn/model.h"

namespace minillm {

// Log-probabilities of a pair's answers given the prompt, summed over their tokens.
struct PairLogProbs {
  double chosen = 0;
  double rejected = 0;
};
std::vector<PairLogProbs> pair_log_probs(const Model& model, std::span<const RenderedPair> pairs,
                                         const ProgressFunction& progress = {});

// By the model alone, without a reference.
struct PreferenceResult {
  double pairs = 0;
  double logp_chosen = 0, logp_rejected = 0;  // sums over pairs
  double accurate = 0;  // pairs with log p(chosen) > log p(rejected), strictly
};
// Throws Error if there are no pairs.
PreferenceResult evaluate_preferences(std::span<const PairLogProbs> policy);
// "preference_accuracy", "logps/chosen", "logps/rejected", "logps/margins": means.
Metrics named_metrics(const PreferenceResult& result);

// Against the reference: s = log p - log p_ref, of the chosen and the rejected answer.
struct RewardResult {
  double pairs = 0;
  double loss = 0;  // sum of -log sigma(beta (s_chosen - s_rejected)): DPO's, without smoothing
  double reward_chosen = 0;  // sums of beta * s
  double reward_rejected = 0;
  double accurate = 0;  // pairs with s_chosen > s_rejected, strictly
};
// Throws Error if there are no pairs or the two differ in number.
RewardResult evaluate_rewards(std::span<const PairLogProbs> policy,
                              std::span<const PairLogProbs> reference, double beta);
// TRL's names: "loss", "rewards/chosen", "rewards/rejected", "rewards/accuracies",
// "rewards/margins": means.
Metrics named_metrics(const RewardResult& result);

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_PREFERENCE_EVAL_H_
