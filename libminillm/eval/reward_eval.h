// What a reward model thinks of answers: scores, and how often it agrees with a choice.

#ifndef LIBMINILLM_EVAL_REWARD_EVAL_H_
#define LIBMINILLM_EVAL_REWARD_EVAL_H_

#include <span>
#include <vector>

#include "libminillm/eval/preference_eval.h"  // PairLogProbs
#include "libminillm/eval/scoring.h"
#include "libminillm/eval/sequence_scores.h"  // PromptWithAnswers
#include "libminillm/nn/model.h"
#include "libminillm/objectives/bradley_terry.h"

namespace minillm {

// The score of every answer, read off its last token. Many answers to a prompt share one
// computation of it. `items` are rendered: answers have their end token, see render_answer. Throws
// Error if the model has no score head, and on an empty prompt or answer.
std::vector<std::vector<double>> answer_scores(const Model& model,
                                               std::span<const PromptWithAnswers> items,
                                               const Scoring& scoring = {});

// The two scores of every pair.
std::vector<PairLogProbs> pair_scores(const Model& model, std::span<const RenderedPair> pairs,
                                      const Scoring& scoring = {});

// By the loss that trains it. Throws Error if there are no pairs.
ScoreSums evaluate_scores(std::span<const PairLogProbs> scores, std::span<const double> margins,
                          double lambda);

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_REWARD_EVAL_H_
