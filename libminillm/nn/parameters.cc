#include "libminillm/nn/parameters.h"

#include "libminillm/core/check.h"

namespace minillm {

TensorTable make_tensor_table(const ModelConfig& config) {
  TensorTable table;
  for_each_tensor(config, [&](const std::string& name, std::vector<Index> shape, TensorKind kind) {
    table.add(name, std::move(shape), kind != TensorKind::kGain);
  });
  return table;
}

// Walks the arena in the order of for_each_tensor; q, k, v (and gate, up) are taken as one matrix.
template <typename T>
Parameters<T> view_parameters(const ModelConfig& c, std::span<T> flat) {
  const Index C = c.hidden_size, F = c.intermediate_size, V = c.vocab_size, D = c.head_dim;
  const Index q_rows = c.num_attention_heads * D, kv_rows = c.num_key_value_heads * D;
  T* next = flat.data();
  const auto take = [&](Index rows, Index cols) {
    const BasicView<T> view(next, rows, cols);
    next += rows * cols;
    return view;
  };
  Parameters<T> p;
  p.embed = take(V, C);
  for (Index l = 0; l < c.num_hidden_layers; ++l) {
    BlockParameters<T>& block = p.blocks.emplace_back();
    block.attn_norm = take(1, C);
    block.wqkv = take(q_rows + 2 * kv_rows, C);
    block.wo = take(C, q_rows);
    block.ffn_norm = take(1, C);
    block.w_gate_up = take(2 * F, C);
    block.w_down = take(C, F);
  }
  p.final_norm = take(1, C);
  p.head = c.tie_word_embeddings ? p.embed : take(V, C);
  MINILLM_DCHECK(next == flat.data() + flat.size());
  return p;
}

template Parameters<Real> view_parameters(const ModelConfig&, std::span<Real>);
template Parameters<const Real> view_parameters(const ModelConfig&, std::span<const Real>);

}  // namespace minillm
