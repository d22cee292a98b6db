#include "libminillm/eval/reward_eval.h"

#include "libminillm/core/check.h"
#include "libminillm/data/packing.h"
#include "libminillm/eval/batch_scorer.h"

namespace minillm {

std::vector<std::vector<double>> answer_scores(const Model& model,
                                               std::span<const PromptWithAnswers> items,
                                               const Scoring& scoring) {
  std::vector<ItemSize> sizes;
  for (const PromptWithAnswers& item : items) {
    MINILLM_CHECK(!item.prompt.empty(), "answers: the prompt has no tokens");
    ItemSize& size = sizes.emplace_back(ItemSize{std::ssize(item.prompt), 0});
    for (const std::vector<Token>& answer : item.answers) {
      MINILLM_CHECK(!answer.empty(), "answers: one has no tokens");
      size.rows += std::ssize(answer);
      size.targets += 1;
    }
  }
  std::vector<std::vector<double>> result;
  BatchScorer(model, sizes, BatchScorer::Head::kScore)
      .run(
          [&](TokenBatch& batch, Index i) {
            const PromptWithAnswers& item = items[static_cast<size_t>(i)];
            append_scored_answers(
                batch, item.prompt,
                std::vector<std::span<const Token>>(item.answers.begin(), item.answers.end()));
          },
          [&](const ScoredBatch& scored) {
            auto score = scored.logp.begin();
            for (Index i = scored.begin; i < scored.end; ++i) {
              const ptrdiff_t answers = std::ssize(items[static_cast<size_t>(i)].answers);
              result.emplace_back(score, score + answers);
              score += answers;
            }
          },
          scoring);
  return result;
}

std::vector<PairLogProbs> pair_scores(const Model& model, std::span<const RenderedPair> pairs,
                                      const Scoring& scoring) {
  std::vector<PromptWithAnswers> items;
  for (const RenderedPair& pair : pairs)
    items.push_back({pair.prompt, {pair.chosen, pair.rejected}});
  std::vector<PairLogProbs> result;
  for (const std::vector<double>& scores : answer_scores(model, items, scoring))
    result.push_back({scores[0], scores[1]});
  return result;
}

ScoreSums evaluate_scores(std::span<const PairLogProbs> scores, std::span<const double> margins,
                          double lambda) {
  MINILLM_CHECK(!scores.empty(), "reward evaluation: there are no pairs");
  std::vector<Real> both;
  for (const PairLogProbs& pair : scores) {
    both.push_back(static_cast<Real>(pair.chosen));
    both.push_back(static_cast<Real>(pair.rejected));
  }
  std::vector<Real> dscore(both.size());  // not asked for
  ScoreSums sums;
  bradley_terry_loss(dscore, both, margins, lambda, &sums);
  return sums;
}

}  // namespace minillm
