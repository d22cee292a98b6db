#include "libminillm/nn/workspace.h"

namespace minillm {
namespace {

// On huge pages, rows a multiple of a few KB apart share few sets of the cache; one more line per
// row spreads them.
Index spread_stride(Index cols) {
  constexpr Index kLine = 64 / sizeof(Real);
  return cols % (16 * kLine) == 0 ? cols + kLine : cols;
}

constexpr Index kHeadChunk = 512;  // targets whose logits exist at once
Index head_chunk(const ModelConfig& config, Index targets) {
  return config.has_lm_head() ? std::min(kHeadChunk, std::max<Index>(targets, 1)) : 1;
}

// Calls visit(matrix, cols) for every member, all of them with the batch's rows.
template <typename Visit>
void for_each_buffer(BlockActivations& a, const ModelConfig& c, Visit&& visit) {
  const Index C = c.hidden_size, F = c.intermediate_size;
  const Index H = c.num_attention_heads, K = c.num_key_value_heads, D = c.head_dim;
  visit(a.x, C);
  visit(a.attn_in, C);
  visit(a.attn_rstd, 1);
  visit(a.qkv, (H + 2 * K) * D);
  if (c.extras.qk_norm) {
    visit(a.unnormed, (H + K) * D);
    visit(a.head_rstd, H + K);
  }
  visit(a.attn_out, H * D);
  visit(a.lse, H);
  visit(a.residual, C);
  visit(a.ffn_in, C);
  visit(a.ffn_rstd, 1);
  visit(a.gate_up, 2 * F);
  visit(a.act, F);
}
template <typename Visit>
void for_each_buffer(BlockGradients& d, const ModelConfig& c, Visit&& visit) {
  const Index C = c.hidden_size, F = c.intermediate_size;
  const Index H = c.num_attention_heads, K = c.num_key_value_heads, D = c.head_dim;
  visit(d.norm_in, C);
  visit(d.qkv, (H + 2 * K) * D);
  visit(d.attn_out, H * D);
  visit(d.gate_up, 2 * F);
  visit(d.act, F);
}

}  // namespace

template <typename Visit>
void Workspace::for_each_buffer(const ModelConfig& config, Index rows, Index targets, Mode m,
                                Index inner, Visit&& visit) {
  const Index C = config.hidden_size, chunk = head_chunk(config, targets);
  const auto visit_rows = [&](Matrix& matrix, Index cols) { visit(matrix, rows, cols); };
  const size_t layers = static_cast<size_t>(config.num_hidden_layers);
  blocks.resize(m == Mode::kTraining ? layers : 1);
  inputs.resize(m == Mode::kRecompute ? layers : 0);
  for (Matrix& input : inputs) visit_rows(input, C);
  for (BlockActivations& activations : blocks) {
    minillm::for_each_buffer(activations, config, visit_rows);
    visit(activations.inner, inner, rows);
  }
  visit(final_in, rows, C);
  visit(final_out, rows, C);
  visit(final_rstd, rows, Index{1});
  visit(logp, targets, Index{1});
  visit(target_lse, targets, Index{1});
  visit(target_hidden, chunk, C);
  visit(logits, chunk, config.vocab_size);
  if (m == Mode::kInference) return;
  visit(dlogp, targets, Index{1});
  visit(target_dhidden, chunk, C);
  visit(dfinal_out, rows, C);
  visit(dx, rows, C);
  minillm::for_each_buffer(block_gradients, config, visit_rows);
  visit(block_gradients.inner, inner, rows);
}

Workspace::Workspace(const ModelConfig& config, Index max_rows, Index max_targets, Mode mode_,
                     Index inner)
    : mode(mode_), positions(static_cast<size_t>(max_rows)) {
  for_each_buffer(config, max_rows, max_targets, mode, inner,
                  [](Matrix& matrix, Index rows, Index cols) {
                    matrix = Matrix(rows, cols, spread_stride(cols));
                  });
}

double Workspace::bytes(const ModelConfig& config, Index max_rows, Index max_targets, Mode mode,
                        Index inner) {
  double reals = 0;
  Workspace unallocated;
  unallocated.for_each_buffer(
      config, max_rows, max_targets, mode, inner, [&](Matrix&, Index rows, Index cols) {
        reals += static_cast<double>(rows) * static_cast<double>(spread_stride(cols));
      });
  return reals * sizeof(Real) + static_cast<double>(max_rows) * sizeof(int32_t);
}

double Workspace::head_bytes(const ModelConfig& config, Index max_targets, Mode mode) {
  const Index hidden = (mode == Mode::kInference ? 1 : 2) * spread_stride(config.hidden_size);
  return static_cast<double>(head_chunk(config, max_targets) *
                             (spread_stride(config.vocab_size) + hidden)) *
         sizeof(Real);
}

}  // namespace minillm
