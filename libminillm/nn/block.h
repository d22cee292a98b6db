// One transformer block, forward and backward, line for line.
//
//   x --+-- rmsnorm -- wqkv -- rope -- attention -- wo --(+)-- residual
//       +-------------------------------------------------+
//
//   residual --+-- rmsnorm -- w_gate_up -- swiglu -- w_down --(+)-- out
//              +------------------------------------------------+
//
// Architecture: Touvron et al. 2023, arXiv:2302.13971 (Llama), with grouped queries (Ainslie et al.
// 2023, arXiv:2305.13245).

#ifndef LIBMINILLM_NN_BLOCK_H_
#define LIBMINILLM_NN_BLOCK_H_

#include <functional>
#include <span>

#include "libminillm/core/matrix.h"
#include "libminillm/core/token_batch.h"
#include "libminillm/nn/kv_cache.h"
#include "libminillm/nn/model_config.h"
#include "libminillm/nn/parameters.h"
#include "libminillm/nn/workspace.h"
#include "libminillm/ops/rope.h"

namespace minillm {

// What every block of a pass shares.
struct BlockContext {
  const ModelConfig& config;
  const RopeTable& rope;
  std::span<const Segment> segments;
  std::span<const int32_t> positions;               // [N]
  KvCache* cache = nullptr;                         // decoding: prefixes are its rows
  std::span<const LowRankPass::Rows> updated = {};  // rows that have updates
  std::span<const Token> tokens = {};               // [N]
  std::function<void()> between_halves = {};        // optional: called between 5 and 6
};

//   out  [N, C]  out  the block's output; may be a.x itself when nothing is kept for backward, or
//                     empty when only what backward reads is wanted
//   a            in/out: a.x is the input, the rest is written
void block_forward(View out, BlockActivations& a, const BlockParameters<const Real>& w,
                   const BlockContext& context, Index layer);

//   dx  [N, C]  in: gradient of the block's output; out: gradient of its input
//   dw          accumulated (+=); null views are frozen
//   d           scratch
void block_backward(View dx, const BlockParameters<Real>& dw, BlockGradients& d,
                    BlockActivations& a, const BlockParameters<const Real>& w,
                    const BlockContext& context, Index layer);

}  // namespace minillm

#endif  // LIBMINILLM_NN_BLOCK_H_
