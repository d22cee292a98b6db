// BatchScorer: log-probabilities or scores of many items, packed into batches. All evaluations are
// built on it and say only what to add and what to do with the scores.

#ifndef LIBMINILLM_EVAL_BATCH_SCORER_H_
#define LIBMINILLM_EVAL_BATCH_SCORER_H_

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "libminillm/core/progress.h"
#include "libminillm/core/token_batch.h"
#include "libminillm/nn/model.h"

namespace minillm {

// Rows that an evaluation's batches are packed up to. No result depends on it.
inline constexpr Index kEvaluationRows = 2048;

// Memory in bytes that scoring items of `rows` rows in total needs besides the model.
double evaluation_bytes(const ModelConfig& config, Index rows, Index inner_states = 0);

// What an item adds to a batch: a sequence, or several with one beginning. (Virtual tokens of an
// adapter come on top.)
struct ItemSize {
  Index rows = 0;
  Index targets = 0;
};

// Some consecutive items, scored.
struct ScoredBatch {
  Index begin = 0, end = 0;  // the items
  const TokenBatch& batch;
  std::span<const Real> logp;  // [M] log p(target | row) of every target, or its row's score
};

class BatchScorer {
 public:
  // Plans the batches, items in order (one longer than kEvaluationRows is a batch of its own), and
  // allocates for the largest. The model must outlive the scorer.
  enum class Head { kLanguageModel, kScore };
  BatchScorer(const Model& model, std::span<const ItemSize> items,
              Head head = Head::kLanguageModel);

  // append(batch, i) adds item i; visit gets every batch with its scores; progress counts items.
  void run(const std::function<void(TokenBatch&, Index)>& append,
           const std::function<void(const ScoredBatch&)>& visit,
           const ProgressFunction& progress = {});

  // Inside visit: for every target [M], whether it is the most probable token of its row (of
  // several equally probable ones, the lowest id is).
  std::vector<uint8_t> most_probable();

 private:
  struct Plan {
    std::vector<Index> ends;  // one past the last item of each batch
    ItemSize largest;
  };
  std::span<const Real> evaluate();
  static Plan plan_batches(std::span<const ItemSize> items, Index virtual_tokens);

  const Model& model_;
  Head head_;
  Plan plan_;
  Workspace workspace_;
  TokenBatch batch_;
  Matrix logits_;             // [chunk, V]
  std::vector<Real> scores_;  // [M]
};

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_BATCH_SCORER_H_
