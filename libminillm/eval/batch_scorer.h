// BatchScorer: log-probabilities of many items, packed into batches. Every evaluation stands on it.

#ifndef LIBMINILLM_EVAL_BATCH_SCORER_H_
#define LIBMINILLM_EVAL_BATCH_SCORER_H_

#include <functional>
#include <span>
#include <vector>

#include "libminillm/core/token_batch.h"
#include "libminillm/data/chat_template.h"  // RenderedSequence
#include "libminillm/nn/model.h"

namespace minillm {

// Rows that an evaluation's batches are packed up to. No result depends on it.
inline constexpr Index kEvaluationRows = 2048;

// Some consecutive items, scored.
struct ScoredBatch {
  Index begin = 0, end = 0;  // the items
  const TokenBatch& batch;
  std::span<const Real> logp;  // [M] log p(target | row) of every target
};

class BatchScorer {
 public:
  // `rows[i]` is how many rows item i takes. The model must outlive the scorer.
  BatchScorer(const Model& model, std::vector<Index> rows);

  // Packs the items in order; append(batch, i) adds item i, visit is handed every batch with its
  // scores.
  void run(const std::function<void(TokenBatch&, Index)>& append,
           const std::function<void(const ScoredBatch&)>& visit);

  // Inside visit: how many of its targets are the most probable token of their row (of several
  // equally probable ones, the lowest id is).
  Index count_most_probable();

 private:
  const Model& model_;
  std::vector<Index> rows_;
  Workspace workspace_;
  TokenBatch batch_;
  Matrix logits_;  // [chunk, V]
};

// log p(tokens[i+1] | tokens[0..i]) for every i: [n - 1]. Throws Error on fewer than two tokens, on
// more rows than the model's context, and on ids outside the vocabulary.
std::vector<Real> token_log_probs(const Model& model, std::span<const Token> tokens);

// The summed log-probability of every sequence's supervised tokens.
std::vector<double> sequence_log_probs(const Model& model,
                                       std::span<const RenderedSequence> sequences);

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_BATCH_SCORER_H_
