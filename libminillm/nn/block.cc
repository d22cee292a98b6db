#include "libminillm/nn/block.h"

#include "libminillm/ops/attention.h"
#include "libminillm/ops/bias.h"
#include "libminillm/ops/linear.h"
#include "libminillm/ops/loops.h"  // parallel_scale
#include "libminillm/ops/rmsnorm.h"
#include "libminillm/ops/swiglu.h"

namespace minillm {
namespace {

// Column blocks of one [N, (H+2K)*D] buffer.
template <typename T>
struct QueriesKeysValues {
  BasicView<T> queries, keys, values;
  QueriesKeysValues(BasicView<T> qkv, const ModelConfig& c) {
    const Index q = c.num_attention_heads * c.head_dim, kv = c.num_key_value_heads * c.head_dim;
    queries = qkv.col_block(0, q);
    keys = qkv.col_block(q, q + kv);
    values = qkv.col_block(q + kv, q + 2 * kv);
  }
};

AttentionShape attention_shape(const ModelConfig& c) {
  return {c.num_attention_heads, c.num_key_value_heads, c.head_dim, c.extras.attention_multiplier};
}

// Between 2 and 3, of families that have it (nn/model_family.h): biases, and a norm of every head
// of queries and keys.
void bias_and_norm_forward(View qkv, BlockActivations& a, const BlockParameters<const Real>& w,
                           const ModelConfig& c) {
  if (c.extras.qkv_bias) bias_forward(qkv, w.qkv_bias);
  if (!c.extras.qk_norm) return;
  const Index q = c.num_attention_heads * c.head_dim, H = c.num_attention_heads;
  const View x = a.unnormed.top(qkv.rows), rstd = a.head_rstd.top(qkv.rows);
  const Real epsilon = static_cast<Real>(c.rms_norm_eps);
  head_norm_forward(qkv.col_block(0, q), x.col_block(0, q), rstd.col_block(0, H), w.q_norm,
                    epsilon);
  head_norm_forward(qkv.col_block(q, x.cols), x.col_block(q, x.cols), rstd.col_block(H, rstd.cols),
                    w.k_norm, epsilon);
}

void bias_and_norm_backward(View dqkv, const BlockParameters<Real>& dw, const BlockActivations& a,
                            const BlockParameters<const Real>& w, const ModelConfig& c) {
  if (c.extras.qk_norm) {
    const Index q = c.num_attention_heads * c.head_dim, H = c.num_attention_heads;
    const ConstView x = a.unnormed.top(dqkv.rows), rstd = a.head_rstd.top(dqkv.rows);
    head_norm_backward(dqkv.col_block(0, q), dw.q_norm, x.col_block(0, q), w.q_norm,
                       rstd.col_block(0, H));
    head_norm_backward(dqkv.col_block(q, x.cols), dw.k_norm, x.col_block(q, x.cols), w.k_norm,
                       rstd.col_block(H, rstd.cols));
  }
  if (c.extras.qkv_bias) bias_backward(dw.qkv_bias, dqkv);
}

}  // namespace

void block_forward(View out, BlockActivations& a, const BlockParameters<const Real>& w,
                   const BlockContext& context, Index layer) {
  const ModelConfig& c = context.config;
  const Index N = static_cast<Index>(context.positions.size());
  const Real epsilon = static_cast<Real>(c.rms_norm_eps);
  const View x = a.x.top(N), attn_in = a.attn_in.top(N), qkv = a.qkv.top(N);
  const View attn_out = a.attn_out.top(N), residual = a.residual.top(N), ffn_in = a.ffn_in.top(N);
  const View gate_up = a.gate_up.top(N), act = a.act.top(N);
  const QueriesKeysValues<Real> split(qkv, c);
  // A branch is linear in its values, or `up`: scaling these scales what it adds to the stream.
  const Real branch = static_cast<Real>(c.extras.residual_multiplier);
  // Of adapters, as are the calls below that have no number; without any they do nothing.
  const LowRankPass updated{context.updated, a.inner.view(), {}};

  rmsnorm_forward(attn_in, a.attn_rstd.top(N), x, w.attn_norm, epsilon);  // 1
  linear_forward(qkv, attn_in, w.wqkv, updated);                          // 2
  bias_and_norm_forward(qkv, a, w, c);
  if (c.has_rope(layer)) {  // 3
    rope_forward(split.queries, context.positions, context.rope, c.head_dim);
    rope_forward(split.keys, context.positions, context.rope, c.head_dim);
  }
  prefix_forward(split.keys, split.values, {context.tokens, context.updated, w.prefixes});
  parallel_scale(split.values, branch);
  const KeyValueView own{split.keys, split.values};
  if (context.cache == nullptr)
    attention_forward(attn_out, a.lse.top(N), split.queries, own, context.segments,
                      attention_shape(c), w.wqkv.precision);  // 4
  else
    context.cache->attend(attn_out, a.lse.top(N), split.queries, own, layer, context.segments,
                          attention_shape(c), w.wqkv.precision);
  linear_forward_residual(residual, x, attn_out, w.wo, updated);  // 5
  low_rank_forward(residual, attn_in, w.beside_attention, updated, w.wo.precision);
  if (context.between_halves) context.between_halves();
  rmsnorm_forward(ffn_in, a.ffn_rstd.top(N), residual, w.ffn_norm, epsilon);  // 6
  linear_forward(gate_up, ffn_in, w.w_gate_up, updated);                      // 7
  parallel_scale(gate_up.col_block(act.cols, gate_up.cols), branch);
  swiglu_forward(act, gate_up);                                    // 8
  linear_forward_residual(out, residual, act, w.w_down, updated);  // 9
  low_rank_forward(out, ffn_in, w.beside_ffn, updated, w.w_down.precision);
}

// Undoes the lines above from 9 to 1; what each of them did is beside it. `dx` comes in as the
// gradient of the block's output and leaves as that of its input: because of the two residual
// connections it is never replaced, only added to.
void block_backward(View dx, const BlockParameters<Real>& dw, BlockGradients& d,
                    BlockActivations& a, const BlockParameters<const Real>& w,
                    const BlockContext& context, Index layer) {
  const ModelConfig& c = context.config;
  const Index N = dx.rows;
  const Real branch = static_cast<Real>(c.extras.residual_multiplier);
  const View x = a.x.top(N), attn_in = a.attn_in.top(N), qkv = a.qkv.top(N);
  const View attn_out = a.attn_out.top(N), residual = a.residual.top(N), ffn_in = a.ffn_in.top(N);
  const View gate_up = a.gate_up.top(N), act = a.act.top(N);
  const View dnorm_in = d.norm_in.top(N), dqkv = d.qkv.top(N), dattn_out = d.attn_out.top(N);
  const View dgate_up = d.gate_up.top(N), dact = d.act.top(N);
  const QueriesKeysValues<Real> split(qkv, c), dsplit(dqkv, c);
  const LowRankPass updated{context.updated, a.inner.view(), d.inner.view()};

  // 9 was: out = residual + act w_down^T.  dx goes on through the sum, unchanged, to `residual`.
  linear_backward(dact, dw.w_down, dx, act, w.w_down, updated);
  // 8 was: act = silu(gate) * up
  swiglu_backward(dgate_up, dact, gate_up);
  parallel_scale(dgate_up.col_block(act.cols, gate_up.cols), branch);
  // 7 was: gate_up = ffn_in w_gate_up^T
  linear_backward(dnorm_in, dw.w_gate_up, dgate_up, ffn_in, w.w_gate_up, updated);
  low_rank_backward(dnorm_in, dx, ffn_in, w.beside_ffn, updated, w.w_down.precision);
  // 6 was: ffn_in = rmsnorm(residual).  `residual` was used twice: this branch adds to dx.
  rmsnorm_backward(dx, dw.ffn_norm, dnorm_in, residual, w.ffn_norm, a.ffn_rstd.top(N));
  if (context.between_halves) context.between_halves();
  // 5 was: residual = x + attn_out wo^T
  linear_backward(dattn_out, dw.wo, dx, attn_out, w.wo, updated);
  // 4 was: attn_out = softmax(q k^T / sqrt(D)) v, causal
  attention_backward(dsplit.queries, dsplit.keys, dsplit.values, dattn_out, split.queries,
                     {split.keys, split.values}, attn_out, a.lse.top(N), context.segments,
                     attention_shape(c), w.wqkv.precision);
  parallel_scale(dsplit.values, branch);
  prefix_backward(dsplit.keys, dsplit.values, {context.tokens, context.updated, w.prefixes});
  // 3 was: queries and keys turned by their positions' angles
  if (c.has_rope(layer)) {
    rope_backward(dsplit.queries, context.positions, context.rope, c.head_dim);
    rope_backward(dsplit.keys, context.positions, context.rope, c.head_dim);
  }
  bias_and_norm_backward(dqkv, dw, a, w, c);
  // 2 was: qkv = attn_in wqkv^T
  linear_backward(dnorm_in, dw.wqkv, dqkv, attn_in, w.wqkv, updated);
  low_rank_backward(dnorm_in, dx, attn_in, w.beside_attention, updated, w.wo.precision);
  // 1 was: attn_in = rmsnorm(x).  `x` was used twice, too.
  rmsnorm_backward(dx, dw.attn_norm, dnorm_in, x, w.attn_norm, a.attn_rstd.top(N));
}

}  // namespace minillm
