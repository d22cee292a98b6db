// The head: hidden states -> log-probabilities of given target tokens. The model's side of the
// seam.
//
//   z = h W^T      logp = z[target] - logsumexp(z)
//
// Objectives see logp and answer with dloss/dlogp; the vocabulary never crosses the seam. Rows are
// taken a chunk at a time, so all logits never exist at once; backward computes a chunk's logits
// again, unless the loss is such that both can be done in one go.

#ifndef LIBMINILLM_OPS_LOG_PROB_H_
#define LIBMINILLM_OPS_LOG_PROB_H_

#include <functional>
#include <span>

#include "libminillm/core/matrix.h"
#include "libminillm/core/token_batch.h"
#include "libminillm/ops/gemm/gemm.h"  // Precision

namespace minillm {

// Buffers for one chunk of targets.
struct HeadScratch {
  View hidden;   // [chunk, C]
  View dhidden;  // [chunk, C]; unused by forward
  View logits;   // [chunk, V]
};

//   logp     [M]     out
//   lse      [M]     out  log-sum-exp of each target's logits; backward needs it
//   hidden   [N, C]  in
//   head     [V, C]  in
//   targets  [M]     in   REQUIRES rows in [0, N), tokens in [0, V)
// Bit-identical for any chunk size, number of threads, and company of other targets.
void log_prob_forward(std::span<Real> logp, std::span<Real> lse, ConstView hidden, ConstView head,
                      std::span<const Target> targets, HeadScratch scratch,
                      Precision precision = Precision::kFloat);

// Writes dhidden [N, C] and adds (+=) to dhead [V, C], given dlogp [M]. A chunk whose dlogp is
// all zero is skipped.
void log_prob_backward(View dhidden, View dhead, std::span<const Real> dlogp, ConstView hidden,
                       ConstView head, std::span<const Target> targets, std::span<const Real> lse,
                       HeadScratch scratch, Precision precision = Precision::kFloat);

// A loss whose gradient needs log-probabilities: those of a group of targets, before the gradient
// of any of them is known (a preference pair). Empty for next-token prediction, where dlogp =
// -weight.
struct GroupedLoss {
  // Group i is targets [ends[i-1], ends[i]); behind the last group every target stands alone.
  std::span<const Index> ends;
  // Called for all targets in turn, a few whole groups at a time: reads logp[begin, end), writes
  // dlogp[begin, end).
  std::function<void(std::span<const Real> logp, Index begin, Index end)> gradient;
};

// Both in one pass over the logits, where a group fits into the scratch; else its logits are
// computed twice. Without groups, the same bits as the two calls.
void log_prob_forward_backward(std::span<Real> logp, std::span<Real> lse, View dhidden, View dhead,
                               std::span<const Real> dlogp, ConstView hidden, ConstView head,
                               std::span<const Target> targets, HeadScratch scratch,
                               Precision precision = Precision::kFloat,
                               const GroupedLoss& loss = {});

}  // namespace minillm

#endif  // LIBMINILLM_OPS_LOG_PROB_H_
