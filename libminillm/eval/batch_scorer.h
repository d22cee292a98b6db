// BatchScorer: log-probabilities or scores of many items, packed into batches. All evaluations are
// built on it and say only what to add and what to do with the scores.

#ifndef LIBMINILLM_EVAL_BATCH_SCORER_H_
#define LIBMINILLM_EVAL_BATCH_SCORER_H_

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "libminillm/core/token_batch.h"
#include "libminillm/eval/scoring.h"
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
  // [M] the most probable token of the target's row (of several equally probable ones, that of the
  // lowest id), and whether it is the target; empty unless they were asked for.
  std::span<const Token> first_choices = {};
  std::span<const uint8_t> most_probable = {};
};

class BatchScorer {
 public:
  // Plans the batches, items in order (one longer than kEvaluationRows is a batch of its own), and
  // allocates for the largest. The model must outlive the scorer.
  enum class Head { kLanguageModel, kScore };
  BatchScorer(const Model& model, std::span<const ItemSize> items,
              Head head = Head::kLanguageModel);

  // From now on the most probable tokens are looked for, too.
  void find_most_probable() { finds_most_probable_ = true; }
  // append(batch, i) adds item i; visit gets every batch with its scores, in order; progress counts
  // items. Several ranks take batches in turn, and each visits all of them.
  void run(const std::function<void(TokenBatch&, Index)>& append,
           const std::function<void(const ScoredBatch&)>& visit, const Scoring& scoring = {});

 private:
  struct Plan {
    std::vector<Index> ends;  // one past the last item of each batch
    ItemSize largest;
  };
  // What a batch comes to: its scores, [M] each.
  struct Scores {
    std::vector<Real> logp;
    std::vector<Token> first_choices;
  };
  void fill(const std::function<void(TokenBatch&, Index)>& append, Index begin, Index end);
  Scores score();
  std::vector<Token> first_choices();
  std::vector<Scores> exchange(Communicator& ranks, const Scores& own,
                               std::span<const Index> sizes);
  static Plan plan_batches(std::span<const ItemSize> items, Index virtual_tokens);

  const Model& model_;
  Head head_;
  Plan plan_;
  Workspace workspace_;
  TokenBatch batch_;
  Matrix logits_;  // [chunk, V]
  bool finds_most_probable_ = false;
};

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_BATCH_SCORER_H_
