// The head: hidden states -> log-probabilities of given target tokens. The model's side of the
// seam.
//
//   z = s h W^T      logp = z[target] - logsumexp(z)
//
// with s = 1, but for families that divide their logits.
//
// Objectives see logp and answer with dlogp = dloss/dlogp; the vocabulary never crosses the seam.
// Targets are taken a chunk at a time, so all logits never exist at once. One driver serves
// evaluation and every objective: it computes a group's log-probabilities, waits for dlogp, and
// goes back through the same logits:
//
//   for (HeadPass pass(head, group_ends); pass.next();)
//     ... read pass.logp(), write pass.dlogp(), both in [pass.begin(), pass.end()) ...

#ifndef LIBMINILLM_OPS_LOG_PROB_H_
#define LIBMINILLM_OPS_LOG_PROB_H_

#include <span>

#include "libminillm/core/matrix.h"
#include "libminillm/core/token_batch.h"
#include "libminillm/ops/linear.h"  // Weight
#include "libminillm/ops/token_rows.h"

namespace minillm {

// log sum_v exp(z_v): what every log-probability has subtracted, here and where tokens are sampled.
Real log_sum_exp(const Real* z, Index size);

// Buffers for one chunk of targets.
struct HeadScratch {
  View hidden;   // [chunk, C]
  View dhidden;  // [chunk, C]; unused where there is no backward
  View logits;   // [chunk, V]
};

// What a pass through the head reads and writes.
struct Head {
  ConstView hidden;                 // [N, C]  in
  Weight weight;                    // [V, C]  in
  std::span<const Target> targets;  // [M]     in   REQUIRES rows in [0, N), tokens in [0, V)
  std::span<Real> logp;             // [M]     out
  std::span<Real> lse;              // [M]     out  log-sum-exp of each target's logits
  std::span<Real> dlogp = {};       // [M]     in   the objective's answer; unused without dhidden
  View dhidden = {};                // [N, C]  +=   null: forward only
  View dweight = {};                // [V, C]  +=   null: frozen, its product is skipped
  HeadScratch scratch;
  Real scale = 1;                 // s
  TokenRowsPass token_rows = {};  // rows of the weight that adapters replace
};

// log p(target) and, where `head` has dhidden, its backward. Bit-identical for any chunk size,
// number of threads, and company of other targets; gradients for any number of threads.
class HeadPass {
 public:
  // Group i is targets [group_ends[i-1], group_ends[i]): an objective that compares targets (a
  // preference pair) sees all of a group before the gradient of any of it is needed. Targets after
  // the last group are groups of one. A group that does not fit into the scratch has its logits
  // computed twice.
  explicit HeadPass(const Head& head, std::span<const Index> group_ends = {})
      : head_(head), group_ends_(group_ends) {}

  // Takes what was written to dlogp() back to dhidden and dweight, then computes the
  // log-probabilities of the next few whole groups. Returns false when there are none left.
  bool next();
  // All that are left, where dlogp() does not depend on them: it is written already.
  void finish() {
    while (next()) continue;
  }

  Index begin() const { return begin_; }  // the targets whose log-probabilities next() computed
  Index end() const { return end_; }
  std::span<const Real> logp() const { return head_.logp; }  // [M], there up to end()
  std::span<Real> dlogp() const { return head_.dlogp; }      // [M], read up to end() by next()

 private:
  // The batch's row of the m-th gathered target from `begin` on.
  auto row_of(Index begin) const {
    return [this, begin](Index m) { return head_.targets[static_cast<size_t>(begin + m)].row; };
  }
  View logits(Index begin, Index end) const;
  void forward(Index begin, Index end) const;
  void backward(Index begin, Index end, View logits) const;
  Index end_of_groups() const;

  Head head_;
  std::span<const Index> group_ends_;
  Index begin_ = 0, end_ = 0;
};

}  // namespace minillm

#endif  // LIBMINILLM_OPS_LOG_PROB_H_
