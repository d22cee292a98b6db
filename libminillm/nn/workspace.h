// Workspace: every buffer of a forward and a backward pass, sized once: a step allocates nothing.

#ifndef LIBMINILLM_NN_WORKSPACE_H_
#define LIBMINILLM_NN_WORKSPACE_H_

#include <span>
#include <vector>

#include "libminillm/core/matrix.h"
#include "libminillm/nn/model_config.h"
#include "libminillm/ops/log_prob.h"  // HeadScratch
#include "libminillm/ops/low_rank.h"

namespace minillm {

// What one block's forward saves for its backward: N rows each.
struct BlockActivations {
  Matrix x;          // [N, C]          the block's input
  Matrix attn_in;    // [N, C]          rmsnorm(x)
  Matrix attn_rstd;  // [N, 1]
  Matrix qkv;        // [N, (H+2K)*D]   queries, keys, values; queries and keys after RoPE
  Matrix unnormed;   // [N, (H+K)*D]    queries and keys before their norms; empty without any
  Matrix head_rstd;  // [N, H+K]        of those norms
  Matrix attn_out;   // [N, H*D]        the heads' outputs, before wo
  Matrix lse;        // [N, H]          log-sum-exp of the scores
  Matrix residual;   // [N, C]          x + attention
  Matrix ffn_in;     // [N, C]          rmsnorm(residual)
  Matrix ffn_rstd;   // [N, 1]
  Matrix gate_up;    // [N, 2F]         both halves before SwiGLU
  Matrix act;        // [N, F]          silu(gate) * up
  Matrix inner;      // [R, N]          of the products' low-rank updates; empty without any
};

// Gradients of one block's activations: scratch, reused from the last block to the first.
struct BlockGradients {
  Matrix norm_in;   // [N, C]         of ffn_in, then of attn_in
  Matrix qkv;       // [N, (H+2K)*D]
  Matrix attn_out;  // [N, H*D]
  Matrix gate_up;   // [N, 2F]
  Matrix act;       // [N, F]
  Matrix inner;     // [R, N]
};

struct Workspace {
  enum class Mode {
    kInference,  // forward only: one block's activations, reused by all layers
    kTraining,   // keeps every layer's activations, and has room for gradients
    kRecompute,  // keeps every layer's input only; backward computes the rest again (Chen et al.
                 // 2016, arXiv:1604.06174): the same bits, for a second forward pass of the blocks
  };
  // Room for batches of up to `max_rows` rows and `max_targets` targets; `inner`: inner states of
  // low-rank updates in a block (Model::inner_states).
  Workspace(const ModelConfig& config, Index max_rows, Index max_targets, Mode mode,
            Index inner = 0);

  Index max_rows() const { return final_out.rows(); }
  Index max_targets() const { return logp.rows(); }
  // The normed final states of the last forward's first `rows` rows, and where heads add their
  // gradient, which forward clears. [N, C]
  ConstView hidden(Index rows) const { return final_out.top(rows); }
  View dhidden(Index rows) { return dfinal_out.top(rows); }
  HeadScratch head_scratch() {
    return {target_hidden.view(), target_dhidden.view(), logits.view()};
  }
  BlockActivations& block(Index layer) {
    return blocks[static_cast<size_t>(layer) % blocks.size()];
  }

  // Bytes this workspace would take: what a run reports before it starts.
  static double bytes(const ModelConfig& config, Index max_rows, Index max_targets, Mode mode,
                      Index inner = 0);
  // ... and how many of them hold a chunk of logits and its hidden states.
  static double head_bytes(const ModelConfig& config, Index max_targets, Mode mode);

  Mode mode = Mode::kInference;
  std::vector<LowRankPass::Rows> updated;  // of the last forward's rows
  std::vector<int32_t> positions;          // [N] of the last forward's rows
  std::vector<BlockActivations> blocks;    // L, or one that all layers use in turn
  std::vector<Matrix> inputs;              // [L][N, C] what recomputing starts from; else empty
  Matrix final_in;                         // [N, C] the last block's output
  Matrix final_out;                        // [N, C] after the final norm
  Matrix final_rstd;                       // [N, 1]
  Matrix logp;                             // [M, 1]
  Matrix target_lse;                       // [M, 1] log-sum-exp of each target's logits
  Matrix target_hidden;                    // [chunk, C] gathered rows of hidden
  Matrix logits;                           // [chunk, V] all that ever exists of the logits
  // For backward; empty for inference.
  Matrix dlogp;           // [M, 1]
  Matrix target_dhidden;  // [chunk, C]
  Matrix dfinal_out;      // [N, C]
  Matrix dx;              // [N, C] gradient of the residual stream
  BlockGradients block_gradients;

 private:
  Workspace() = default;
  // Calls visit(matrix, rows, cols) for every buffer: allocation and bytes() are derived from it.
  template <typename Visit>
  void for_each_buffer(const ModelConfig& config, Index max_rows, Index max_targets, Mode mode,
                       Index inner, Visit&& visit);
};

}  // namespace minillm

#endif  // LIBMINILLM_NN_WORKSPACE_H_
