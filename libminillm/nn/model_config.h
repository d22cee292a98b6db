// ModelConfig: the dimensions of the one architecture, a Llama-shaped decoder.
//
// RMSNorm before each sub-layer, rotary positions, grouped-query causal attention, SwiGLU, tied or
// untied head. Keys are Hugging Face's (LlamaConfig). What other families add to it is in `extras`.

#ifndef LIBMINILLM_NN_MODEL_CONFIG_H_
#define LIBMINILLM_NN_MODEL_CONFIG_H_

#include <string>

#include "libminillm/core/config.h"  // ConfigFields
#include "libminillm/core/real.h"
#include "libminillm/ops/rope.h"  // RopeScaling

namespace minillm {

// What reads the trunk: a language model's head, which tells the next token; a score head, one
// number a row (a reward model); or both (a policy with its critic).
enum class Heads { kLanguageModel, kScore, kBoth };

// What published families (nn/model_family.h) have that a Llama does not; none of it by default.
struct ModelExtras {
  bool qkv_bias = false;  // q, k and v have biases (Qwen2)
  bool qk_norm = false;   // every head of q and k is normed before RoPE (Qwen3)
  // Every n-th layer turns nothing: its attention knows no positions (SmolLM3); 0: all layers turn.
  int64_t no_rope_interval = 0;
  // Granite's multipliers: of the embeddings, of what each sublayer adds to the residual stream, of
  // attention's scores (0: 1/sqrt(D)); and what the logits are divided by.
  double embedding_multiplier = 1, residual_multiplier = 1, attention_multiplier = 0;
  double logits_scaling = 1;

  bool operator==(const ModelExtras&) const = default;
};

struct ModelConfig {
  int64_t vocab_size = 2048;        // V; taken from the tokenizer when a stage trains from scratch
  int64_t hidden_size = 192;        // C
  int64_t intermediate_size = 512;  // F
  int64_t num_hidden_layers = 4;    // L
  int64_t num_attention_heads = 6;  // H
  int64_t num_key_value_heads = 6;  // K; divides H
  int64_t head_dim = 32;            // D; even
  int64_t max_position_embeddings = 512;  // longest sequence the model is meant for
  double rope_theta = 10000;
  RopeScaling rope_scaling;  // comes with a foreign checkpoint; no config key sets it
  double rms_norm_eps = 1e-5;
  bool tie_word_embeddings = true;
  ModelExtras extras;                   // comes with a foreign checkpoint, too
  double initializer_range = 0.02;      // standard deviation of the initial weights
  Heads heads = Heads::kLanguageModel;  // what a stage makes of a model; no config key sets it

  // Throws Error (kUsage) naming the key, its value and the rule it breaks.
  void validate() const;
  Index parameter_count() const;
  bool has_lm_head() const { return heads != Heads::kScore; }
  bool has_score_head() const { return heads != Heads::kLanguageModel; }
  bool has_rope(Index layer) const {
    return extras.no_rope_interval == 0 || (layer + 1) % extras.no_rope_interval != 0;
  }
  // Floating-point operations of one training step per token, forward and backward, for sequences
  // of `length` tokens: 6 per weight of every matrix product (the head counted once, the
  // embedding's lookup not at all) and 6 L T C for causal attention.
  double training_flops_per_token(Index length) const;
  bool operator==(const ModelConfig&) const = default;
};

void list_fields(ConfigFields& fields, ModelConfig& config);  // keys "model.*"

}  // namespace minillm

#endif  // LIBMINILLM_NN_MODEL_CONFIG_H_
