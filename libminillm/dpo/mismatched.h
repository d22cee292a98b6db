// KTO's reference point: how far the policy has moved from its reference in general, seen on
// answers that do not belong to their prompts.
//
//   z = max(0, mean over i of log p(y_j | x_i) - log p_ref(y_j | x_i))
//
// where j is the next pair with another prompt. Ethayarajh et al. 2024, arXiv:2402.01306 section
// 4.1. It is the mean over the whole optimizer step, so it does not depend on how the step is split
// into micro-batches.

#ifndef LIBMINILLM_DPO_MISMATCHED_H_
#define LIBMINILLM_DPO_MISMATCHED_H_

#include <span>
#include <vector>

#include "libminillm/core/token_batch.h"
#include "libminillm/data/chat_template.h"    // RenderedPair
#include "libminillm/eval/preference_eval.h"  // PairLogProbs
#include "libminillm/nn/model.h"
#include "libminillm/nn/workspace.h"

namespace minillm {

// Every prompt with the answer of the next pair that has another prompt and fits into `longest`
// positions, as its chosen one. Empty if there is none.
std::vector<RenderedPair> mismatch(std::span<const RenderedPair> pairs, Index longest);

class MismatchedAnswers {
 public:
  MismatchedAnswers() = default;
  // `reference[i]`, log p_ref, belongs to pairs[i].
  MismatchedAnswers(std::vector<RenderedPair> pairs, std::vector<PairLogProbs> reference,
                    Index virtual_tokens = 0);

  // z of pairs `items`, computed in the workspace: no gradient comes of it.
  double moved(const Model& model, std::span<const Index> items, Workspace& workspace);
  // z of all of them; `policy` as pair_log_probs gives it.
  double moved(std::span<const PairLogProbs> policy) const;
  std::span<const RenderedPair> pairs() const { return pairs_; }
  Index max_rows() const;  // of any one
  Index bytes() const;

 private:
  Index rows_of(const RenderedPair& pair) const;

  std::vector<RenderedPair> pairs_;
  std::vector<PairLogProbs> reference_;
  TokenBatch batch_;
};

}  // namespace minillm

#endif  // LIBMINILLM_DPO_MISMATCHED_H_
