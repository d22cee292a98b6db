// Attention: causal, over packed segments with prefixes, with grouped queries.
//
//   o_i = sum_j softmax_j(q_i . k_j / sqrt(D)) v_j
//
// with j over the segment's prefix, then over its own rows up to i.
//
// Saves only the output and the log-sum-exp, and rebuilds the probabilities in backward (Dao 2023,
// FlashAttention-2, arXiv:2307.08691): memory is linear in length. Scores exist for kQueryTile rows
// at a time. Query head h reads key-value head h / (H/K) (Ainslie et al. 2023, arXiv:2305.13245).

#ifndef LIBMINILLM_OPS_ATTENTION_H_
#define LIBMINILLM_OPS_ATTENTION_H_

#include <span>

#include "libminillm/core/matrix.h"
#include "libminillm/core/token_batch.h"
#include "libminillm/ops/gemm/gemm.h"  // Precision

namespace minillm {

struct AttentionShape {
  Index heads;       // H
  Index kv_heads;    // K, divides H
  Index head_dim;    // D
  double scale = 0;  // of the scores; 0: 1/sqrt(D)
};

// Keys and values of a range of rows; [rows, K*D], keys after RoPE.
struct KeyValueView {
  ConstView keys;
  ConstView values;
};

//   out       [N, H*D]  out
//   lse       [N, H]    out  log-sum-exp of each row's scaled scores, per head; backward needs it
//   queries   [N, H*D]  in   after RoPE
//   own                 in   keys and values of the batch's N rows, which Segment::prefix_* index
//   segments  [S]       in
// A row's result is bit-identical whatever else is in the batch, and whether a key is its own
// segment's or its prefix's: keys are always taken in order of position.
void attention_forward(View out, View lse, ConstView queries, KeyValueView own,
                       std::span<const Segment> segments, AttentionShape shape,
                       Precision precision = Precision::kFloat);

// Writes dqueries [N, H*D], dkeys and dvalues [N, K*D], given dout [N, H*D] and what forward saw
// and saved. REQUIRES prefixes that are rows of the same batch, each within one earlier segment.
void attention_backward(View dqueries, View dkeys, View dvalues, ConstView dout, ConstView queries,
                        KeyValueView own, ConstView out, ConstView lse,
                        std::span<const Segment> segments, AttentionShape shape,
                        Precision precision = Precision::kFloat);

// Bytes that both keep, over all threads, for segments of up to `longest` positions.
double attention_scratch_bytes(Index longest, Index head_dim);

}  // namespace minillm

#endif  // LIBMINILLM_OPS_ATTENTION_H_
