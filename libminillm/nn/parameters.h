// Parameters: THE list of the model's tensors.
//
// One function enumerates them. Sizes, names, views, packed forms, initialisation, weight decay,
// the checkpoint and the exports are all derived from it.

#ifndef LIBMINILLM_NN_PARAMETERS_H_
#define LIBMINILLM_NN_PARAMETERS_H_

#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "libminillm/core/matrix.h"
#include "libminillm/core/stored_matrix.h"
#include "libminillm/core/tensor_table.h"
#include "libminillm/nn/model_config.h"
#include "libminillm/ops/linear.h"  // Weight
#include "libminillm/ops/prefix.h"
#include "libminillm/ops/token_rows.h"

namespace minillm {

// T is const Real (weights) or Real (gradients). Every tensor is a view into one flat arena. q, k
// and v are adjacent in the arena, and so are gate and up: each group is seen as one matrix,
// because one wide product is faster than three.
//
// The matrices of products are Weights, which carry what their products need; their gradients are
// plain views. A null gradient view means that the tensor is frozen: its product is skipped.
template <typename T>
using ProductMatrix = std::conditional_t<std::is_const_v<T>, Weight, BasicView<T>>;
template <typename T>
using Table = std::conditional_t<std::is_const_v<T>, StoredMatrix, BasicView<T>>;

template <typename T>
struct BlockParameters {
  BasicView<T> attn_norm;       // [1, C]
  ProductMatrix<T> wqkv;        // [(H+2K)*D, C]  q_proj, k_proj, v_proj
  BasicView<T> qkv_bias;        // [(H+2K)*D, 1]  null without biases
  BasicView<T> q_norm, k_norm;  // [1, D]         null without norms of heads
  ProductMatrix<T> wo;          // [C, H*D]       o_proj
  BasicView<T> ffn_norm;        // [1, C]
  ProductMatrix<T> w_gate_up;   // [2F, C]        gate_proj, up_proj
  ProductMatrix<T> w_down;      // [C, F]         down_proj
  // By adapter: beside the two sublayers, and what virtual tokens have; empty without any.
  std::span<const LowRank> beside_attention = {}, beside_ffn = {};
  std::span<const PrefixRows> prefixes = {};
};

template <typename T>
struct Parameters {
  Table<T> embed;                          // [V, C]
  std::vector<BlockParameters<T>> blocks;  // [L]
  BasicView<T> final_norm;                 // [1, C]
  ProductMatrix<T> head;                   // [V, C]; the same memory as `embed` when tied
  BasicView<T> score;                      // [1, C]; null without a score head
  // By adapter, what it replaces of the two tables, and how many virtual tokens it has; empty
  // without any.
  std::span<const TokenRows> embed_rows = {}, head_rows = {};
  std::span<const Index> virtual_tokens = {};
};
using Weights = Parameters<const Real>;
using Gradients = Parameters<Real>;

// Calls visit(name, shape, kind, member) for every tensor in checkpoint order, with Hugging Face's
// names. member(parameters) is the member that the tensor is, or that it is the next rows of.
enum class TensorKind { kEmbedding, kMatrix, kResidualOutput, kGain, kBias, kScore };
template <typename Visit>
void for_each_tensor(const ModelConfig& c, Visit&& visit) {
  using Shape = std::vector<Index>;
  using Kind = TensorKind;
  const Index C = c.hidden_size, F = c.intermediate_size, V = c.vocab_size;
  const Index D = c.head_dim, q_rows = c.num_attention_heads * D,
              kv_rows = c.num_key_value_heads * D;
  const auto add = [&](const std::string& name, Shape shape, Kind kind, auto member) {
    visit(name + (kind == Kind::kBias ? ".bias" : ".weight"), shape, kind, member);
  };
  const auto embed = [](auto& p) -> auto& { return p.embed; };
  const auto final_norm = [](auto& p) -> auto& { return p.final_norm; };
  const auto head = [](auto& p) -> auto& { return p.head; };
  const auto score = [](auto& p) -> auto& { return p.score; };
  add("model.embed_tokens", {V, C}, Kind::kEmbedding, embed);
  for (size_t l = 0; l < static_cast<size_t>(c.num_hidden_layers); ++l) {
    const auto attn_norm = [l](auto& p) -> auto& { return p.blocks[l].attn_norm; };
    const auto wqkv = [l](auto& p) -> auto& { return p.blocks[l].wqkv; };
    const auto qkv_bias = [l](auto& p) -> auto& { return p.blocks[l].qkv_bias; };
    const auto q_norm = [l](auto& p) -> auto& { return p.blocks[l].q_norm; };
    const auto k_norm = [l](auto& p) -> auto& { return p.blocks[l].k_norm; };
    const auto wo = [l](auto& p) -> auto& { return p.blocks[l].wo; };
    const auto ffn_norm = [l](auto& p) -> auto& { return p.blocks[l].ffn_norm; };
    const auto w_gate_up = [l](auto& p) -> auto& { return p.blocks[l].w_gate_up; };
    const auto w_down = [l](auto& p) -> auto& { return p.blocks[l].w_down; };
    const std::string layer = "model.layers." + std::to_string(l);
    add(layer + ".input_layernorm", {C}, Kind::kGain, attn_norm);
    add(layer + ".self_attn.q_proj", {q_rows, C}, Kind::kMatrix, wqkv);
    add(layer + ".self_attn.k_proj", {kv_rows, C}, Kind::kMatrix, wqkv);
    add(layer + ".self_attn.v_proj", {kv_rows, C}, Kind::kMatrix, wqkv);
    if (c.extras.qkv_bias) {
      add(layer + ".self_attn.q_proj", {q_rows}, Kind::kBias, qkv_bias);
      add(layer + ".self_attn.k_proj", {kv_rows}, Kind::kBias, qkv_bias);
      add(layer + ".self_attn.v_proj", {kv_rows}, Kind::kBias, qkv_bias);
    }
    if (c.extras.qk_norm) {
      add(layer + ".self_attn.q_norm", {D}, Kind::kGain, q_norm);
      add(layer + ".self_attn.k_norm", {D}, Kind::kGain, k_norm);
    }
    add(layer + ".self_attn.o_proj", {C, q_rows}, Kind::kResidualOutput, wo);
    add(layer + ".post_attention_layernorm", {C}, Kind::kGain, ffn_norm);
    add(layer + ".mlp.gate_proj", {F, C}, Kind::kMatrix, w_gate_up);
    add(layer + ".mlp.up_proj", {F, C}, Kind::kMatrix, w_gate_up);
    add(layer + ".mlp.down_proj", {C, F}, Kind::kResidualOutput, w_down);
  }
  add("model.norm", {C}, Kind::kGain, final_norm);
  if (c.has_lm_head() && !c.tie_word_embeddings) add("lm_head", {V, C}, Kind::kEmbedding, head);
  if (c.has_score_head()) add("score", {1, C}, Kind::kScore, score);
}

// Calls visit(weight) for the matrix of every product, fused ones once, in the order of the list.
template <typename Visit>
void for_each_product(const ModelConfig& config, Weights& weights, Visit&& visit) {
  const Weight* last = nullptr;
  for_each_tensor(config, [&](const auto&, const auto&, TensorKind, const auto& member) {
    if constexpr (std::is_same_v<decltype(member(weights)), Weight&>) {
      if (last != &member(weights)) visit(member(weights));
      last = &member(weights);
    }
  });
  if (config.has_lm_head() && config.tie_word_embeddings) visit(weights.head);
}

// Calls visit(updates) for all low-rank updates of a block, by adapter each.
template <typename Block, typename Visit>
void for_each_updates(Block& block, Visit&& visit) {
  visit(block.wqkv.updates);
  visit(block.wo.updates);
  visit(block.w_gate_up.updates);
  visit(block.w_down.updates);
  visit(block.beside_attention);
  visit(block.beside_ffn);
}

// The table of all tensors. Matrices decay, gains and biases do not (Loshchilov & Hutter 2019; as
// in GPT-2).
TensorTable make_tensor_table(const ModelConfig& config);

// Views of every tensor inside `flat`, laid out by make_tensor_table(config).
template <typename T>
Parameters<T> view_parameters(const ModelConfig& config, std::span<T> flat);
bool is_matrix(TensorKind kind);  // of a product, or the embedding
TensorRole role_of(TensorKind kind);
// The same of a model whose matrices are kept in bfloat16 or int8: each kind of number in an array
// of its own, in the list's order (nn/parameter_store.h). With neither, all are Real.
struct NarrowWeights {
  const Bfloat16* halves = nullptr;
  const int8_t* bytes = nullptr;
  const float* scales = nullptr;  // of the bytes
};
Weights view_weights(const ModelConfig& config, std::span<const Real> reals,
                     const NarrowWeights& matrices);

}  // namespace minillm

#endif  // LIBMINILLM_NN_PARAMETERS_H_
