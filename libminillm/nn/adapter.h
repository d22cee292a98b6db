// Adapter: a few parameters beside a model that stays as it is, which a stage trains instead of it.
//
//   y = x W^T + s (x A^T) B^T      LoRA (Hu et al. 2021, arXiv:2106.09685), ops/low_rank.h
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
#include "libminillm/core/config.h"
#include "libminillm/core/tensor_table.h"
#include "libminillm/nn/model_config.h"
#include "libminillm/nn/parameters.h"
#include "libminillm/ops/low_rank.h"

namespace minillm {

// The matrices of a block that may have an update, in the order of THE list.
enum class Module { kQ, kK, kV, kO, kGate, kUp, kDown };
inline constexpr int kModules = 7;
// Hugging Face's path in the block: "self_attn.q_proj".
const char* path_in_block(Module module);

// What a stage is told of the adapter that it is to train.
struct LoraConfig {
  int64_t rank = 0;                 // r; 0: no adapter, all of the model is trained
  double alpha = 0;                 // 0: as the rank, so that the scale is 1
  std::string scaling = "alpha/r";  // or "alpha/sqrt(r)" (rsLoRA: Kalajdzievski 2023,
                                    // arXiv:2312.03732)
  std::vector<std::string> targets = {"q", "k", "v", "o", "gate", "up", "down"};
  bool new_tokens = true;  // train the rows of the marks of a chat, where the start knows none
  double b_rate = 1;  // B's learning rate over A's (LoRA+: Hayou et al. 2024, arXiv:2402.12354)

  bool enabled() const { return rank > 0; }
};
void list_fields(ConfigFields& fields, LoraConfig& config);  // keys "lora.*"

// Which updates an adapter has: what its list of tensors is made from.
struct AdapterShape {
  struct Update {
    Index layer = 0;
    Module module = Module::kQ;
    Index rank = 0;
    double scale = 1;  // s

    bool operator==(const Update&) const = default;
  };
  std::vector<Update> updates;  // ascending by layer, then module
  std::vector<Token> tokens;    // ascending: whose rows of the embedding and the head it replaces
  bool score = false;           // a score head of its own, trained whole
  bool rslora = false;          // how the scale is told to others: alpha/sqrt(r), or alpha/r
  double b_rate = 1;

  bool operator==(const AdapterShape&) const = default;
};
// The same updates in every layer. Throws Error (kUsage) naming the key and what it expects.
AdapterShape lora_shape(const ModelConfig& model, const LoraConfig& config);

inline constexpr const char* kEmbedRowsName =
    "model.embed_tokens.token_adapter.trainable_tokens_delta";
inline constexpr const char* kHeadRowsName = "lm_head.token_adapter.trainable_tokens_delta";

// THE list of an adapter's tensors: calls visit(name, rows, cols, update) in the arena's order;
// `update` is null for replaced rows and the score head. Names are PEFT's without their prefix. B
// is kept turned, [r, out], where PEFT's files have [out, r]. The A of a fused product are
// adjacent.
template <typename Visit>
void for_each_adapter_tensor(const ModelConfig& model, const AdapterShape& shape, Visit&& visit);

class Adapter {
 public:
  // Allocates the parameters, all zero.
  Adapter(const ModelConfig& model, AdapterShape shape);

  // A uniform in +-1/sqrt(in), B and the score zero, replaced rows as `base` has them: it changes
  // nothing yet. A pure function of its arguments.
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
  // Of products by layer, four each: views into parameters, and into gradients where there are any.
  const std::vector<LowRank>& updates() const { return updates_; }
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
  std::vector<LowRank> updates_;
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
  std::vector<LowRank> updates_;  // by product, then adapter
  std::vector<TokenRows> embed_rows_, head_rows_;
  Weights weights_;
};

// --- the list

// Of a module: where its output begins in that of the fused product, and its shape.
struct ModuleShape {
  int product = 0;  // of the block: qkv, o, gate and up, down
  Index out_begin = 0, out = 0, in = 0;
};
ModuleShape module_shape(const ModelConfig& model, Module module);

template <typename Visit>
void for_each_adapter_tensor(const ModelConfig& model, const AdapterShape& shape, Visit&& visit) {
  const auto name = [](const AdapterShape::Update& u, const char* factor) {
    return "model.layers." + std::to_string(u.layer) + "." + path_in_block(u.module) + factor;
  };
  for (auto begin = shape.updates.begin(); begin != shape.updates.end();) {
    auto end = begin;
    const int product = module_shape(model, begin->module).product;
    for (; end != shape.updates.end() && end->layer == begin->layer &&
           module_shape(model, end->module).product == product;
         ++end)
      visit(name(*end, ".lora_A.weight"), end->rank, module_shape(model, end->module).in, &*end);
    for (; begin != end; ++begin)
      visit(name(*begin, ".lora_B.weight"), begin->rank, module_shape(model, begin->module).out,
            &*begin);
  }
  const AdapterShape::Update* none = nullptr;
  if (const Index n = std::ssize(shape.tokens); n > 0) {
    visit(std::string(kEmbedRowsName), n, model.hidden_size, none);
    if (model.has_lm_head() && !model.tie_word_embeddings)
      visit(std::string(kHeadRowsName), n, model.hidden_size, none);
  }
  if (shape.score) visit(std::string("score.weight"), Index{1}, model.hidden_size, none);
}

}  // namespace minillm

#endif  // LIBMINILLM_NN_ADAPTER_H_
