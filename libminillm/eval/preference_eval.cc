#include "libminillm/eval/preference_eval.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "libminillm/core/check.h"
#include "libminillm/data/packing.h"
#include "libminillm/eval/batch_scorer.h"

namespace minillm {
namespace {

double sum_of(std::span<const Real> logp, Index begin, Index end) {
  return std::accumulate(logp.begin() + begin, logp.begin() + end, 0.0);
}

// -log sigma(x) = log(1 + exp(-x)), without overflow for large -x.
double negative_log_sigmoid(double x) {
  return std::max(-x, 0.0) + std::log1p(std::exp(-std::abs(x)));
}

}  // namespace

std::vector<PairLogProbs> pair_log_probs(const Model& model, std::span<const RenderedPair> pairs,
                                         const ProgressFunction& progress) {
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
              result.push_back({sum_of(scored.logp, t.chosen_begin, t.chosen_end),
                                sum_of(scored.logp, t.rejected_begin, t.rejected_end)});
            }
          },
          progress);
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

RewardResult evaluate_rewards(std::span<const PairLogProbs> policy,
                              std::span<const PairLogProbs> reference, double beta) {
  MINILLM_CHECK(!policy.empty(), "preference evaluation: there are no pairs");
  MINILLM_CHECK(policy.size() == reference.size(),
                "preference evaluation: expected {} reference log-probabilities, got {}",
                policy.size(), reference.size());
  RewardResult result;
  for (size_t i = 0; i < policy.size(); ++i) {
    const double chosen = policy[i].chosen - reference[i].chosen;
    const double rejected = policy[i].rejected - reference[i].rejected;
    result.pairs += 1;
    result.loss += negative_log_sigmoid(beta * (chosen - rejected));
    result.reward_chosen += beta * chosen;
    result.reward_rejected += beta * rejected;
    result.accurate += chosen > rejected;
  }
  return result;
}

Metrics named_metrics(const RewardResult& result) {
  const double n = result.pairs;
  return {{"loss", result.loss / n},
          {"rewards/chosen", result.reward_chosen / n},
          {"rewards/rejected", result.reward_rejected / n},
          {"rewards/accuracies", result.accurate / n},
          {"rewards/margins", (result.reward_chosen - result.reward_rejected) / n}};
}

}  // namespace minillm
