#include "libminillm/eval/preference_eval.h"

#include "libminillm/core/check.h"
#include "libminillm/data/packing.h"
#include "libminillm/eval/batch_scorer.h"

namespace minillm {

std::vector<PairLogProbs> pair_log_probs(const Model& model, std::span<const RenderedPair> pairs,
                                         const Scoring& scoring) {
  std::vector<ItemSize> sizes;
  for (const RenderedPair& pair : pairs)
    sizes.push_back({pair_rows(pair), std::ssize(pair.chosen) + std::ssize(pair.rejected)});
  std::vector<PairTargets> targets(pairs.size());  // where each pair is in its batch
  std::vector<PairLogProbs> result;
  BatchScorer(model, sizes)
      .run(
          [&](TokenBatch& batch, Index i) {
            const auto item = static_cast<size_t>(i);
            targets[item] = append_pair(batch, pairs[item]);
          },
          [&](const ScoredBatch& scored) {
            for (Index i = scored.begin; i < scored.end; ++i) {
              const PairTargets& t = targets[static_cast<size_t>(i)];
              result.push_back({sum_log_probs(scored.logp, t.chosen_begin, t.chosen_end),
                                sum_log_probs(scored.logp, t.rejected_begin, t.rejected_end)});
            }
          },
          scoring);
  return result;
}

PreferenceResult evaluate_preferences(std::span<const PairLogProbs> policy) {
  MINILLM_CHECK(!policy.empty(), "preference evaluation: there are no pairs");
  PreferenceResult result;
  for (const PairLogProbs& pair : policy) {
    result.pairs += 1;
    result.logp_chosen += pair.chosen;
    result.logp_rejected += pair.rejected;
    result.accurate += pair.chosen > pair.rejected;
  }
  return result;
}

Metrics named_metrics(const PreferenceResult& result) {
  const double n = result.pairs;
  return {{"preference_accuracy", result.accurate / n},
          {"logps/chosen", result.logp_chosen / n},
          {"logps/rejected", result.logp_rejected / n},
          {"logps/margins", (result.logp_chosen - result.logp_rejected) / n}};
}

PreferenceSums evaluate_rewards(std::span<const RenderedPair> pairs,
                                std::span<const PairLogProbs> policy,
                                std::span<const PairLogProbs> reference,
                                const PairLossConfig& config, double moved) {
  const PairLoss& loss = pair_loss_of(config);
  MINILLM_CHECK(!policy.empty(), "preference evaluation: there are no pairs");
  MINILLM_CHECK(pairs.size() == policy.size(),
                "preference evaluation: expected {} pairs, one a log-probability, got {}",
                policy.size(), pairs.size());
  MINILLM_CHECK(reference.size() == policy.size() || (reference.empty() && !loss.needs_reference),
                "preference evaluation: expected {} reference log-probabilities, got {}",
                policy.size(), reference.size());
  PreferenceSums sums;
  for (size_t i = 0; i < policy.size(); ++i) {
    const PairLogProbs unmoved = reference.empty() ? PairLogProbs() : reference[i];
    const PairValues values = {.chosen = policy[i].chosen,
                               .rejected = policy[i].rejected,
                               .reference_chosen = unmoved.chosen,
                               .reference_rejected = unmoved.rejected,
                               .chosen_tokens = static_cast<double>(pairs[i].chosen.size()),
                               .rejected_tokens = static_cast<double>(pairs[i].rejected.size()),
                               .moved = moved};
    sums.add(values, loss.at(values, config).loss, config.beta);
  }
  return sums;
}

Metrics named_metrics(const PreferenceSums& s) {
  if (s.chosen < s.pairs || s.rejected < s.pairs)
    return {{"preference_loss", s.loss / s.pairs},
            {"nll_loss", s.chosen_nll / s.chosen_tokens},
            {"rewards/chosen", s.reward_chosen / s.chosen},
            {"rewards/rejected", s.reward_rejected / s.rejected},
            {"rewards/margins", s.reward_chosen / s.chosen - s.reward_rejected / s.rejected},
            {"logps/chosen", s.logp_chosen / s.chosen},
            {"logps/rejected", s.logp_rejected / s.rejected},
            {"logps/chosen_shift", s.chosen_shift / s.chosen}};
  return {{"preference_loss", s.loss / s.pairs},
          {"nll_loss", s.chosen_nll / s.chosen_tokens},
          {"rewards/chosen", s.reward_chosen / s.pairs},
          {"rewards/rejected", s.reward_rejected / s.pairs},
          {"rewards/accuracies", s.accurate / s.pairs},
          {"rewards/margins", (s.reward_chosen - s.reward_rejected) / s.pairs},
          {"preference_accuracy", s.preferred / s.pairs},
          {"logps/chosen", s.logp_chosen / s.pairs},
          {"logps/rejected", s.logp_rejected / s.pairs},
          {"logps/margins", (s.logp_chosen - s.logp_rejected) / s.pairs},
          {"logps/chosen_shift", s.chosen_shift / s.pairs}};
}

}  // namespace minillm
