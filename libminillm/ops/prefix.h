// The prefix of prefix tuning: keys and values of virtual tokens that are parameters themselves.
//
// Virtual tokens stand in front of a sequence and have the ids -P to -1. Their keys and values are
// put in place after RoPE and are not turned; the sequence's own positions begin at P. Source: Li &
// Liang 2021, arXiv:2101.00190, section 4; in every layer, as in P-tuning v2 (Liu et al. 2021,
// arXiv:2110.07602).

#ifndef LIBMINILLM_OPS_PREFIX_H_
#define LIBMINILLM_OPS_PREFIX_H_

#include <span>

#include "libminillm/core/matrix.h"
#include "libminillm/ops/low_rank.h"  // LowRankPass::Rows

namespace minillm {

// Of one layer. Row i is that of the token with id i - P.
struct PrefixRows {
  ConstView keys, values;  // [P, K*D]
  View dkeys, dvalues;     // [P, K*D]  +=  null where nothing is trained
};

// The tokens of a pass, and whose prefix they have: prefixes[u] is that of rows whose
// LowRankPass::Rows say u; empty: none has any.
struct PrefixPass {
  std::span<const Token> tokens;  // [N]
  std::span<const LowRankPass::Rows> rows;
  std::span<const PrefixRows> prefixes;
};

//   keys, values  [N, K*D]  in/out: rows of virtual tokens are replaced
void prefix_forward(View keys, View values, const PrefixPass& pass);

// Adds (+=) the rows of virtual tokens to dkeys and dvalues of their prefix, in ascending n, and
// sets them to zero: nothing goes further down.
void prefix_backward(View dkeys, View dvalues, const PrefixPass& pass);

}  // namespace minillm

#endif  // LIBMINILLM_OPS_PREFIX_H_
