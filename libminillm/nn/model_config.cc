#include "libminillm/nn/model_config.h"

#include <cmath>

#include "libminillm/core/check.h"
#include "libminillm/nn/parameters.h"

namespace minillm {
namespace {

void validate_rope_scaling(const RopeScaling& rope) {
  if (rope.type == "none") return;
  MINILLM_CHECK_USAGE(rope.type == "linear" || rope.type == "llama3",
                      "config: RoPE scaling '{}' is not supported: expected 'default', 'linear' or "
                      "'llama3'",
                      rope.type);
  MINILLM_CHECK_USAGE(std::isfinite(rope.factor) && rope.factor >= 1,
                      "config: RoPE scaling: factor: expected a number of at least 1, got {}",
                      rope.factor);
  if (rope.type == "linear") return;
  MINILLM_CHECK_USAGE(0 < rope.low_freq_factor && rope.low_freq_factor < rope.high_freq_factor &&
                          std::isfinite(rope.high_freq_factor),
                      "config: RoPE scaling: expected 0 < low_freq_factor < high_freq_factor, got "
                      "{} and {}",
                      rope.low_freq_factor, rope.high_freq_factor);
  MINILLM_CHECK_USAGE(
      rope.original_context > 0,
      "config: RoPE scaling: original_max_position_embeddings: expected at least 1, "
      "got {}",
      rope.original_context);
}

void validate_extras(const ModelExtras& extras) {
  MINILLM_CHECK_USAGE(extras.no_rope_interval >= 0,
                      "config: no_rope_layer_interval: expected at least 0, got {}",
                      extras.no_rope_interval);
  const auto positive = [](const char* key, double value) {
    MINILLM_CHECK_USAGE(std::isfinite(value) && value > 0,
                        "config: {}: expected a number over 0, got {}", key, value);
  };
  positive("embedding_multiplier", extras.embedding_multiplier);
  positive("residual_multiplier", extras.residual_multiplier);
  if (extras.attention_multiplier != 0)
    positive("attention_multiplier", extras.attention_multiplier);
  positive("logits_scaling", extras.logits_scaling);
}

}  // namespace

void ModelConfig::validate() const {
  const auto in_range = [](const char* key, int64_t value, int64_t low, int64_t high) {
    MINILLM_CHECK_USAGE(low <= value && value <= high,
                        "config: model.{}: expected {} to {}, got {}", key, low, high, value);
  };
  in_range("vocab_size", vocab_size, 2, 1 << 22);
  in_range("hidden_size", hidden_size, 1, 1 << 16);
  in_range("intermediate_size", intermediate_size, 1, 1 << 18);
  in_range("num_hidden_layers", num_hidden_layers, 1, 1 << 10);
  in_range("num_attention_heads", num_attention_heads, 1, 1 << 10);
  in_range("num_key_value_heads", num_key_value_heads, 1, num_attention_heads);
  in_range("head_dim", head_dim, 2, 1 << 10);
  in_range("max_position_embeddings", max_position_embeddings, 1, 1 << 22);
  MINILLM_CHECK_USAGE(head_dim % 2 == 0,
                      "config: model.head_dim: expected an even number (RoPE turns pairs), got {}",
                      head_dim);
  MINILLM_CHECK_USAGE(
      num_attention_heads % num_key_value_heads == 0,
      "config: model.num_key_value_heads: expected a divisor of num_attention_heads = {}, got {}",
      num_attention_heads, num_key_value_heads);
  in_range("num_attention_heads * head_dim", num_attention_heads * head_dim, 1, 1 << 18);
  MINILLM_CHECK_USAGE(std::isfinite(rope_theta) && rope_theta > 1,
                      "config: model.rope_theta: expected a number over 1, got {}", rope_theta);
  validate_rope_scaling(rope_scaling);
  validate_extras(extras);
  MINILLM_CHECK_USAGE(rms_norm_eps > 0 && rms_norm_eps < 1,
                      "config: model.rms_norm_eps: expected a number in (0, 1), got {}",
                      rms_norm_eps);
  MINILLM_CHECK_USAGE(initializer_range > 0 && initializer_range < 10,
                      "config: model.initializer_range: expected a number in (0, 10), got {}",
                      initializer_range);
}

Index ModelConfig::parameter_count() const { return make_tensor_table(*this).size(); }

double ModelConfig::training_flops_per_token(Index length) const {
  const double C = static_cast<double>(hidden_size), F = static_cast<double>(intermediate_size);
  const double L = static_cast<double>(num_hidden_layers), D = static_cast<double>(head_dim);
  const double q = static_cast<double>(num_attention_heads) * D,
               kv = static_cast<double>(num_key_value_heads) * D;
  const double head = has_lm_head() ? static_cast<double>(vocab_size) * C : 0;
  const double weights = L * (2 * C * q + 2 * C * kv + 3 * C * F) + head;
  return 6 * weights + 6 * L * static_cast<double>(length) * q;
}

void list_fields(ConfigFields& fields, ModelConfig& c) {
  fields.add("model.vocab_size", c.vocab_size, "V; if a tokenizer is given, its size is used");
  fields.add("model.hidden_size", c.hidden_size, "C, width of the residual stream");
  fields.add("model.intermediate_size", c.intermediate_size, "F, width of the feed-forward layer");
  fields.add("model.num_hidden_layers", c.num_hidden_layers, "L, number of blocks");
  fields.add("model.num_attention_heads", c.num_attention_heads, "H, number of query heads");
  fields.add("model.num_key_value_heads", c.num_key_value_heads,
             "K, number of key-value heads; divides H");
  fields.add("model.head_dim", c.head_dim, "D, width of a head; H * D need not be C");
  fields.add("model.max_position_embeddings", c.max_position_embeddings,
             "longest sequence, in tokens");
  fields.add("model.rope_theta", c.rope_theta, "base of the rotary angles");
  fields.add("model.rms_norm_eps", c.rms_norm_eps, "added to the mean square in RMSNorm");
  fields.add("model.tie_word_embeddings", c.tie_word_embeddings,
             "the head shares the embedding's weights");
  fields.add("model.initializer_range", c.initializer_range,
             "standard deviation of the initial weights");
}

}  // namespace minillm
