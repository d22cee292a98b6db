// Parameters: THE list of the model's tensors.
//
// One function enumerates them. Sizes, names, views, initialisation, weight decay and the
// checkpoint are all derived from it; nothing else in the library lists tensors.

#ifndef LIBMINILLM_NN_PARAMETERS_H_
#define LIBMINILLM_NN_PARAMETERS_H_

#include <span>
#include <string>
#include <vector>

#include "libminillm/core/matrix.h"
#include "libminillm/core/tensor_table.h"
#include "libminillm/nn/model_config.h"

namespace minillm {

// T is Real (gradients) or const Real (weights). Every tensor is a view into one flat arena.
// q, k, v stand behind each other in the arena, and so do gate and up: each group is also seen as
// one matrix, because one wide product is faster than three.
template <typename T>
struct BlockParameters {
  BasicView<T> attn_norm;  // [1, C]
  BasicView<T> wqkv;       // [(H+2K)*D, C]  q_proj, k_proj, v_proj
  BasicView<T> wo;         // [C, H*D]       o_proj
  BasicView<T> ffn_norm;   // [1, C]
  BasicView<T> w_gate_up;  // [2F, C]        gate_proj, up_proj
  BasicView<T> w_down;     // [C, F]         down_proj
};

template <typename T>
struct Parameters {
  BasicView<T> embed;                      // [V, C]
  std::vector<BlockParameters<T>> blocks;  // [L]
  BasicView<T> final_norm;                 // [1, C]
  BasicView<T> head;                       // [V, C]; the same memory as `embed` when tied
};

// Calls visit(name, shape, kind) for every tensor in checkpoint order, with Hugging Face's names.
enum class TensorKind { kEmbedding, kMatrix, kResidualOutput, kGain };
template <typename Visit>
void for_each_tensor(const ModelConfig& c, Visit&& visit) {
  using Kind = TensorKind;
  const Index C = c.hidden_size, F = c.intermediate_size, V = c.vocab_size;
  const Index q_rows = c.num_attention_heads * c.head_dim,
              kv_rows = c.num_key_value_heads * c.head_dim;
  using Shape = std::vector<Index>;
  visit("model.embed_tokens.weight", Shape{V, C}, Kind::kEmbedding);
  for (Index l = 0; l < c.num_hidden_layers; ++l) {
    const std::string p = "model.layers." + std::to_string(l) + ".";
    visit(p + "input_layernorm.weight", Shape{C}, Kind::kGain);
    visit(p + "self_attn.q_proj.weight", Shape{q_rows, C}, Kind::kMatrix);
    visit(p + "self_attn.k_proj.weight", Shape{kv_rows, C}, Kind::kMatrix);
    visit(p + "self_attn.v_proj.weight", Shape{kv_rows, C}, Kind::kMatrix);
    visit(p + "self_attn.o_proj.weight", Shape{C, q_rows}, Kind::kResidualOutput);
    visit(p + "post_attention_layernorm.weight", Shape{C}, Kind::kGain);
    visit(p + "mlp.gate_proj.weight", Shape{F, C}, Kind::kMatrix);
    visit(p + "mlp.up_proj.weight", Shape{F, C}, Kind::kMatrix);
    visit(p + "mlp.down_proj.weight", Shape{C, F}, Kind::kResidualOutput);
  }
  visit("model.norm.weight", Shape{C}, Kind::kGain);
  if (!c.tie_word_embeddings) visit("lm_head.weight", Shape{V, C}, Kind::kEmbedding);
}

// The table of all tensors. Matrices decay; gains do not (Loshchilov & Hutter 2019; GPT-2
// practice).
TensorTable make_tensor_table(const ModelConfig& config);

// Views of every tensor inside `flat`, laid out by make_tensor_table(config).
template <typename T>
Parameters<T> view_parameters(const ModelConfig& config, std::span<T> flat);

}  // namespace minillm

#endif  // LIBMINILLM_NN_PARAMETERS_H_
