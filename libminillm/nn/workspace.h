// Workspace: every buffer a forward and a backward pass write to. Sized once; a step allocates
// nothing.

#ifndef LIBMINILLM_NN_WORKSPACE_H_
#define LIBMINILLM_NN_WORKSPACE_H_

#include <algorithm>
#include <span>
#include <vector>

#include "libminillm/core/matrix.h"
#include "libminillm/nn/model_config.h"
#include "libminillm/ops/log_prob.h"  // HeadScratch

namespace minillm {

// What one block's forward saves for its backward. N rows.
struct BlockActivations {
  Matrix x;          // [N, C]          the block's input
  Matrix attn_in;    // [N, C]          rmsnorm(x)
  Matrix attn_rstd;  // [N, 1]
  Matrix qkv;        // [N, (H+2K)*D]   queries, keys, values; q and k after RoPE
  Matrix mixed;      // [N, H*D]        attention's output
  Matrix lse;        // [N, H]          log-sum-exp of the scores
  Matrix mid;        // [N, C]          x + attention branch
  Matrix ffn_in;     // [N, C]          rmsnorm(mid)
  Matrix ffn_rstd;   // [N, 1]
  Matrix gate_up;    // [N, 2F]         both halves before SwiGLU
  Matrix act;        // [N, F]          silu(gate) * up
};

// Gradients of one block's activations: scratch, reused from the last block to the first.
struct BlockGradients {
  Matrix branch;   // [N, C]         of ffn_in, then of attn_in
  Matrix qkv;      // [N, (H+2K)*D]
  Matrix mixed;    // [N, H*D]
  Matrix gate_up;  // [N, 2F]
  Matrix act;      // [N, F]
};

class Workspace {
 public:
  enum class Mode {
    kInference,  // forward only: one block's activations, reused by all layers
    kTraining,   // keeps every layer's activations, and has room for gradients
    kRecompute,  // keeps every layer's input only; backward computes the rest again (Chen et al.
                 // 2016, arXiv:1604.06174): the same bits, for a second forward pass of the blocks
  };
  // Room for batches of up to `max_rows` rows and `max_targets` targets.
  Workspace(const ModelConfig& config, Index max_rows, Index max_targets, Mode mode);

  // The normed final states of the last forward's first `rows` rows.
  ConstView hidden(Index rows) const { return final_out_.top(rows); }  // [N, C]
  // Where an objective writes its gradient: zeroed, [targets]. Training only.
  std::span<Real> dlogp(Index targets) {
    const auto gradient = dlogp_.span().first(static_cast<size_t>(targets));
    std::fill(gradient.begin(), gradient.end(), Real{0});
    return gradient;
  }
  Mode mode() const { return mode_; }
  Index max_rows() const { return final_out_.rows(); }
  Index max_targets() const { return logp_.rows(); }
  // Bytes this workspace would take: what a run reports before it starts.
  static double bytes(const ModelConfig& config, Index max_rows, Index max_targets, Mode mode);
  // ... and how many of them hold a chunk of logits and its hidden states.
  static double head_bytes(const ModelConfig& config, Index max_targets, Mode mode);

 private:
  friend class Model;
  HeadScratch head_scratch() {
    return {target_hidden_.view(), target_dhidden_.view(), logits_.view()};
  }
  // Calls visit(matrix, rows, cols) for every buffer: allocation and bytes() are both derived from
  // it.
  template <typename Visit>
  void for_each_buffer(const ModelConfig& config, Index rows, Index targets, Mode mode,
                       Visit&& visit);
  Workspace() = default;
  BlockActivations& block(Index layer) {
    return blocks_[static_cast<size_t>(layer) % blocks_.size()];
  }

  Mode mode_ = Mode::kInference;
  std::vector<BlockActivations> blocks_;  // L, or one that all layers use in turn
  std::vector<Matrix> inputs_;            // [L][N, C] what recomputing starts from; else empty
  Matrix final_in_;                       // [N, C] the last block's output
  Matrix final_out_;                      // [N, C] after the final norm
  Matrix final_rstd_;                     // [N, 1]
  Matrix logp_;                           // [M, 1]
  Matrix dlogp_;                          // [M, 1]
  Matrix target_lse_;                     // [M, 1] log-sum-exp of each target's logits
  Matrix target_hidden_;                  // [chunk, C] gathered rows of hidden
  Matrix target_dhidden_;                 // [chunk, C]
  Matrix logits_;                         // [chunk, V] all that ever exists of the logits
  BlockGradients scratch_;                // empty for inference
  Matrix dx_;                             // [N, C] gradient of the residual stream
  std::vector<int32_t> positions_;        // [N] of the last forward's rows
  Matrix dhidden_;                        // [N, C] gradient of final_out
};

}  // namespace minillm

#endif  // LIBMINILLM_NN_WORKSPACE_H_
