// Adapter: a few parameters beside a model that stays as it is, which a stage trains instead of it.
//
//   LoRA                y = x W^T + s (x A^T) B^T             Hu et al. 2021, arXiv:2106.09685
//   parallel adapters   y = sublayer(x) + s relu(x A^T) B^T   He et al. 2022, arXiv:2110.04366
//   prompt tuning       embeddings of virtual tokens          Lester et al. 2021, arXiv:2104.08691
//   prefix tuning       keys and values of virtual tokens     Li & Liang 2021, arXiv:2101.00190
//
// Virtual tokens stand in front of every sequence (TokenBatch::virtual_tokens). The forms are in
// ops/low_rank.h, ops/token_rows.h and ops/prefix.h; what a stage is told, in adapter_config.h.
//
// A model may have one (Model::adapt); a pass may have several, of which every segment of its batch
// names one (AdaptedWeights).

#ifndef LIBMINILLM_NN_ADAPTER_H_
#define LIBMINILLM_NN_ADAPTER_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "libminillm/core/arena.h"
#include "libminillm/core/tensor_table.h"
#include "libminillm/nn/model_config.h"
#include "libminillm/nn/parameters.h"
#include "libminillm/ops/low_rank.h"
#include "libminillm/ops/prefix.h"

namespace minillm {

// What of a block may have an update, in the order of THE list: its matrices (LoRA), and the two
// sublayers, attention and feed-forward network, beside which parallel adapters are.
enum class Module { kQ, kK, kV, kO, kGate, kUp, kDown, kAttention, kFfn };
inline constexpr int kMatrixModules = 7, kModules = 9;
constexpr bool is_parallel(Module module) { return module >= Module::kAttention; }
// Hugging Face's path in the block: "self_attn.q_proj"; "self_attn" and "mlp" of a sublayer.
const char* path_in_block(Module module);

// Which updates and virtual tokens an adapter has: what its list of tensors is made from.
struct AdapterShape {
  struct Update {
    Index layer = 0;
    Module module = Module::kQ;
    Index rank = 0;    // r; of a parallel adapter its width
    double scale = 1;  // s

    bool operator==(const Update&) const = default;
  };
  std::vector<Update> updates = {};  // ascending by layer, then module
  std::vector<Token> tokens =
      {};                    // ascending: whose rows of the embedding and the head it replaces
  Index virtual_tokens = 0;  // P
  bool prefix = false;       // they have keys and values in every layer, not embeddings
  bool score = false;        // a score head of its own, trained whole
  bool rslora = false;       // how the scale is told to others: alpha/sqrt(r), or alpha/r
  double b_rate = 1;

  bool operator==(const AdapterShape&) const = default;
};
inline constexpr const char* kEmbedRowsName =
    "model.embed_tokens.token_adapter.trainable_tokens_delta";
inline constexpr const char* kHeadRowsName = "lm_head.token_adapter.trainable_tokens_delta";
// Of virtual tokens: [P, C], or [P, L * 2 * K*D] with keys and values of every layer in turn.
inline constexpr const char* kPromptName = "prompt_embeddings";

// THE list of an adapter's tensors: calls visit(name, rows, cols, update) in the arena's order;
// `update` is null for replaced rows, virtual tokens and the score head. Names are PEFT's without
// their prefix. B is kept turned, [r, out], where PEFT's files have [out, r]. The A of a fused
// product are adjacent.
template <typename Visit>
void for_each_adapter_tensor(const ModelConfig& model, const AdapterShape& shape, Visit&& visit);
// The end of the name of an update's A or B.
std::string factor_name(Module module, bool is_b);
bool is_factor_b(const std::string& name);

// "LoRA of rank 8", "a prefix of 10 virtual tokens": for messages.
std::string describe(const AdapterShape& shape);

class Adapter {
 public:
  // Allocates the parameters, all zero.
  Adapter(const ModelConfig& model, AdapterShape shape);

  // A uniform in +-1/sqrt(in), B and the score zero, replaced rows as `base` has them: it changes
  // nothing yet. Virtual tokens are zero, too (and see initialize_virtual_tokens()). A pure
  // function of its arguments.
  void initialize(uint64_t seed, const Weights& base);

  const AdapterShape& shape() const { return shape_; }
  const TensorTable& tensors() const { return table_; }
  std::span<Real> parameters() { return parameters_.span(); }
  std::span<const Real> parameters() const { return parameters_.span(); }
  // Allocated (zero) at the first call: updates() then points at them.
  std::span<Real> gradients();
  bool has_gradients() const { return gradients_.size() > 0; }
  // Inner states that a block's forward keeps for each row: the sum of its ranks, of the largest.
  Index inner_states() const { return inner_states_; }
  // By layer, kUpdates each: views into parameters, and into gradients where there are any. Those
  // of a block's four products come first (for_each_updates() has the order).
  static constexpr int kUpdates = 6;
  const std::vector<LowRank>& updates() const { return updates_; }
  // By layer; empty without a prefix.
  const std::vector<PrefixRows>& prefixes() const { return prefixes_; }
  Index virtual_tokens() const { return shape_.virtual_tokens; }
  // Those of virtual tokens are replaced rows, too: ids -P to -1 of no table.
  const TokenRows& embed_rows() const { return embed_rows_; }
  const TokenRows& head_rows() const { return head_rows_; }  // of a tied head: the same
  ConstView score() const { return score_; }
  View dscore() const { return dscore_; }

  // The model that it belongs to: where it was, and SHA-256 of its weights; empty: not known.
  std::string base_path, base_hash;

 private:
  void make_views();

  ModelConfig model_;
  AdapterShape shape_;
  TensorTable table_;
  Arena parameters_, gradients_;
  std::vector<Token> virtual_ids_;
  std::vector<LowRank> updates_;
  std::vector<PrefixRows> prefixes_;
  TokenRows embed_rows_, head_rows_;
  View score_, dscore_;
  Index inner_states_ = 0;
};

// The same, with or without a score head; a new one is zero.
Adapter with_score(const Adapter& adapter, const ModelConfig& model, bool score);

// A model's weights with adapters around them, to hand to Model::forward in place of its own.
class AdaptedWeights {
 public:
  // All of them must outlive this. Adapter i is that of segments with `adapter` = i. The score head
  // is the first one's, if it has one.
  AdaptedWeights(const Weights& weights, std::span<const Adapter* const> adapters);
  const Weights& weights() const { return weights_; }

 private:
  std::vector<LowRank> updates_;      // by what is updated, then adapter
  std::vector<PrefixRows> prefixes_;  // by layer, then adapter
  std::vector<TokenRows> embed_rows_, head_rows_;
  std::vector<Index> virtual_tokens_;
  Weights weights_;
};

// --- the list

// Of a module: where its output begins in that of the fused product, and its shape.
struct ModuleShape {
  int product = 0;  // of the block: qkv, o, gate and up, down; or a sublayer
  Index out_begin = 0, out = 0, in = 0;
};
ModuleShape module_shape(const ModelConfig& model, Module module);

template <typename Visit>
void for_each_adapter_tensor(const ModelConfig& model, const AdapterShape& shape, Visit&& visit) {
  const auto name = [](const AdapterShape::Update& u, bool is_b) {
    return "model.layers." + std::to_string(u.layer) + "." + path_in_block(u.module) +
           factor_name(u.module, is_b);
  };
  for (auto begin = shape.updates.begin(); begin != shape.updates.end();) {
    auto end = begin;
    const int product = module_shape(model, begin->module).product;
    for (; end != shape.updates.end() && end->layer == begin->layer &&
           module_shape(model, end->module).product == product;
         ++end)
      visit(name(*end, false), end->rank, module_shape(model, end->module).in, &*end);
    for (; begin != end; ++begin)
      visit(name(*begin, true), begin->rank, module_shape(model, begin->module).out, &*begin);
  }
  const AdapterShape::Update* none = nullptr;
  if (const Index n = std::ssize(shape.tokens); n > 0) {
    visit(std::string(kEmbedRowsName), n, model.hidden_size, none);
    if (model.has_lm_head() && !model.tie_word_embeddings)
      visit(std::string(kHeadRowsName), n, model.hidden_size, none);
  }
  if (const Index P = shape.virtual_tokens; P > 0)
    visit(std::string(kPromptName), P,
          shape.prefix ? 2 * model.num_hidden_layers * model.num_key_value_heads * model.head_dim
                       : model.hidden_size,
          none);
  if (shape.score) visit(std::string("score.weight"), Index{1}, model.hidden_size, none);
}

}  // namespace minillm

#endif  // LIBMINILLM_NN_ADAPTER_H_
