// What a model prefers among chosen and rejected answers, alone and against a reference model.

#ifndef LIBMINILLM_EVAL_PREFERENCE_EVAL_H_
#define LIBMINILLM_EVAL_PREFERENCE_EVAL_H_

#include <span>
#include <vector>

#include "libminillm/core/metrics.h"
#include "libminillm/data/chat_template.h"  // RenderedPair
#include "libminillm/eval/scoring.h"
#include "libminillm/nn/model.h"
#include "libminillm/objectives/preference.h"

namespace minillm {

// Log-probabilities of a pair's answers given the prompt, summed over their tokens; 0 of one that
// is not there.
struct PairLogProbs {
  double chosen = 0;
  double rejected = 0;
};
std::vector<PairLogProbs> pair_log_probs(const Model& model, std::span<const RenderedPair> pairs,
                                         const Scoring& scoring = {});

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

// Against the reference, by a pair loss: what training sums up, of held-out pairs. Where
// the loss needs no reference, `reference` may be empty. `moved`: PairValues::moved. Throws Error
// if there are no pairs, or not as many of each.
PreferenceSums evaluate_rewards(std::span<const RenderedPair> pairs,
                                std::span<const PairLogProbs> policy,
                                std::span<const PairLogProbs> reference,
                                const PairLossConfig& config, double moved = 0);
// Means, by TRL's names where it has one, in training as in evaluation: "preference_loss" (the pair
// loss alone), "nll_loss" (of the chosen answers, per token), "rewards/chosen", "rewards/rejected",
// "rewards/accuracies", "rewards/margins", "preference_accuracy", "logps/chosen", "logps/rejected",
// "logps/margins", "logps/chosen_shift". Of answers that were judged one by one those that compare
// none with another, each a mean over its kind of answers (NaN where there was none).
Metrics named_metrics(const PreferenceSums& sums);

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_PREFERENCE_EVAL_H_
