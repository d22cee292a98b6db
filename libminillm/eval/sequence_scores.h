// Scores of token sequences: log-probabilities of tokens, of whole answers, and of many answers to
// one prompt.

#ifndef LIBMINILLM_EVAL_SEQUENCE_SCORES_H_
#define LIBMINILLM_EVAL_SEQUENCE_SCORES_H_

#include <cstdint>
#include <span>
#include <vector>

#include "libminillm/data/chat_template.h"  // RenderedSequence
#include "libminillm/eval/scoring.h"
#include "libminillm/nn/model.h"

namespace minillm {

// log p(tokens[i+1] | tokens[0..i]) for every i: [n - 1]. Throws Error on fewer than two tokens, on
// more rows than the model's context, and on ids outside the vocabulary.
std::vector<Real> token_log_probs(const Model& model, std::span<const Token> tokens);

// How well a model predicts the supervised tokens of one sequence.
struct SequenceScore {
  double logp = 0;          // summed
  Index tokens = 0;         // supervised
  Index most_probable = 0;  // of them, those that are the model's first choice
  // [tokens] the first choice at the place of each, given the sequence before it.
  std::vector<Token> first_choices;
};
std::vector<SequenceScore> score_sequences(const Model& model,
                                           std::span<const RenderedSequence> sequences,
                                           const Scoring& scoring = {});

// A prompt and several continuations of at least one token each.
struct PromptWithAnswers {
  std::vector<Token> prompt;
  std::vector<std::vector<Token>> answers;
};
// log p(answer | prompt), summed over the answer's tokens, for every answer. Many answers share one
// computation of the prompt. Throws Error on an empty prompt or answer, and on ids outside the
// vocabulary.
std::vector<double> answer_log_probs(const Model& model, const PromptWithAnswers& item,
                                     const Scoring& scoring = {});

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_SEQUENCE_SCORES_H_
