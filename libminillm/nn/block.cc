#include "libminillm/nn/block.h"

#include "libminillm/ops/attention.h"
#include "libminillm/ops/linear.h"
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
  return {c.num_attention_heads, c.num_key_value_heads, c.head_dim};
}

void copy(View to, ConstView from) {
  for (Index n = 0; n < from.rows; ++n) std::copy_n(from.row(n), from.cols, to.row(n));
}

// Stores the new rows' keys and values in the cache, right behind each segment's prefix.
void append_to_cache(KvCache& cache, Index layer, const KeyValueView& own,
                     std::span<const Segment> segments) {
  for (const Segment& s : segments) {
    const Index end = s.prefix_end + s.length();
    copy(cache.keys(layer).view().row_block(s.prefix_end, end), own.keys.row_block(s.begin, s.end));
    copy(cache.values(layer).view().row_block(s.prefix_end, end),
         own.values.row_block(s.begin, s.end));
  }
}

}  // namespace

void block_forward(View out, BlockActivations& a, const BlockParameters<const Real>& w,
                   const BlockContext& context, Index layer) {
  const ModelConfig& c = context.config;
  const Precision precision = context.precision;
  const Index N = static_cast<Index>(context.positions.size());
  const Real epsilon = static_cast<Real>(c.rms_norm_eps);
  const View x = a.x.top(N), attn_in = a.attn_in.top(N), qkv = a.qkv.top(N), mixed = a.mixed.top(N);
  const View mid = a.mid.top(N), ffn_in = a.ffn_in.top(N), gate_up = a.gate_up.top(N),
             act = a.act.top(N);
  const QueriesKeysValues<Real> split(qkv, c);
  const KeyValueView own{split.keys, split.values};
  const auto packed_or_null = [&](PackedMatrix PackedBlock::*matrix) {
    return context.packed != nullptr ? &(context.packed->blocks[static_cast<size_t>(layer)].*matrix)
                                     : nullptr;
  };

  rmsnorm_forward(attn_in, a.attn_rstd.top(N), x, w.attn_norm, epsilon);                  // 1
  linear_forward(qkv, attn_in, {w.wqkv, packed_or_null(&PackedBlock::wqkv)}, precision);  // 2
  rope_forward(split.queries, context.positions, context.rope, c.head_dim);               // 3
  rope_forward(split.keys, context.positions, context.rope, c.head_dim);
  KeyValueView fresh = own, prefix = own;
  if (context.cache != nullptr) {
    append_to_cache(*context.cache, layer, own, context.segments);
    fresh = {};
    prefix = {context.cache->keys(layer).view(), context.cache->values(layer).view()};
  }
  attention_forward(mixed, a.lse.top(N), split.queries, fresh, prefix, context.segments,
                    attention_shape(c), precision);                                             // 4
  linear_forward_residual(mid, x, mixed, {w.wo, packed_or_null(&PackedBlock::wo)}, precision);  // 5
  rmsnorm_forward(ffn_in, a.ffn_rstd.top(N), mid, w.ffn_norm, epsilon);                         // 6
  linear_forward(gate_up, ffn_in, {w.w_gate_up, packed_or_null(&PackedBlock::w_gate_up)},
                 precision);     // 7
  swiglu_forward(act, gate_up);  // 8
  if (out.data == nullptr) return;
  linear_forward_residual(out, mid, act, {w.w_down, packed_or_null(&PackedBlock::w_down)},
                          precision);  // 9
}

// Undoes the lines above from 9 to 1. `dx` comes in as the gradient of the block's output and
// leaves as that of its input: because of the residual connections it is never replaced, only added
// to.
void block_backward(View dx, const BlockParameters<Real>& dw, BlockGradients& d,
                    BlockActivations& a, const BlockParameters<const Real>& w,
                    const BlockContext& context) {
  const ModelConfig& c = context.config;
  const Precision precision = context.precision;
  const Index N = dx.rows;
  const View x = a.x.top(N), attn_in = a.attn_in.top(N), qkv = a.qkv.top(N), mixed = a.mixed.top(N);
  const View mid = a.mid.top(N), ffn_in = a.ffn_in.top(N), gate_up = a.gate_up.top(N),
             act = a.act.top(N);
  const View dbranch = d.branch.top(N), dqkv = d.qkv.top(N), dmixed = d.mixed.top(N);
  const View dgate_up = d.gate_up.top(N), dact = d.act.top(N);
  const QueriesKeysValues<Real> split(qkv, c), dsplit(dqkv, c);

  linear_backward(dact, dw.w_down, dx, act, w.w_down, precision);                    // 9
  swiglu_backward(dgate_up, dact, gate_up);                                          // 8
  linear_backward(dbranch, dw.w_gate_up, dgate_up, ffn_in, w.w_gate_up, precision);  // 7
  rmsnorm_backward(dx, dw.ffn_norm, dbranch, mid, w.ffn_norm, a.ffn_rstd.top(N));    // 6
  linear_backward(dmixed, dw.wo, dx, mixed, w.wo, precision);                        // 5
  attention_backward(dsplit.queries, dsplit.keys, dsplit.values, dmixed, split.queries,
                     {split.keys, split.values}, mixed, a.lse.top(N), context.segments,
                     attention_shape(c), precision);                           // 4
  rope_backward(dsplit.queries, context.positions, context.rope, c.head_dim);  // 3
  rope_backward(dsplit.keys, context.positions, context.rope, c.head_dim);
  linear_backward(dbranch, dw.wqkv, dqkv, attn_in, w.wqkv, precision);              // 2
  rmsnorm_backward(dx, dw.attn_norm, dbranch, x, w.attn_norm, a.attn_rstd.top(N));  // 1
}

}  // namespace minillm
