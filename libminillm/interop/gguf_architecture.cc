#include "libminillm/interop/gguf_architecture.h"

#include <utility>

#include "libminillm/core/check.h"

namespace minillm {

std::span<const GgufKey> gguf_keys() {
  using C = ModelConfig;
  static constexpr GgufKey kKeys[] = {
      {"vocab_size", &C::vocab_size},
      {"context_length", &C::max_position_embeddings, nullptr, true},
      {"embedding_length", &C::hidden_size, nullptr, true},
      {"block_count", &C::num_hidden_layers, nullptr, true},
      {"feed_forward_length", &C::intermediate_size, nullptr, true},
      {"attention.head_count", &C::num_attention_heads, nullptr, true},
      {"attention.head_count_kv", &C::num_key_value_heads},
      {"attention.key_length", &C::head_dim},
      {"attention.value_length", &C::head_dim},
      {"attention.layer_norm_rms_epsilon", nullptr, &C::rms_norm_eps, true},
      {"rope.dimension_count", &C::head_dim},
      {"rope.freq_base", nullptr, &C::rope_theta}};
  return kKeys;
}

std::span<const GgufMultiplier> gguf_multipliers() {
  using E = ModelExtras;
  static constexpr GgufMultiplier kMultipliers[] = {{"embedding_scale", &E::embedding_multiplier},
                                                    {"residual_scale", &E::residual_multiplier},
                                                    {"attention.scale", &E::attention_multiplier},
                                                    {"logit_scale", &E::logits_scaling}};
  return kMultipliers;
}

std::string ggml_name(const std::string& name) {
  if (name == "model.embed_tokens.weight") return "token_embd.weight";
  if (name == "model.norm.weight") return "output_norm.weight";
  if (name == "lm_head.weight") return "output.weight";
  static constexpr std::pair<std::string_view, std::string_view> kOfBlocks[] = {
      {"input_layernorm", "attn_norm"},    {"self_attn.q_proj", "attn_q"},
      {"self_attn.k_proj", "attn_k"},      {"self_attn.v_proj", "attn_v"},
      {"self_attn.q_norm", "attn_q_norm"}, {"self_attn.k_norm", "attn_k_norm"},
      {"self_attn.o_proj", "attn_output"}, {"post_attention_layernorm", "ffn_norm"},
      {"mlp.gate_proj", "ffn_gate"},       {"mlp.up_proj", "ffn_up"},
      {"mlp.down_proj", "ffn_down"}};
  constexpr std::string_view kPrefix = "model.layers.";
  const size_t dot = name.find('.', kPrefix.size());
  const std::string block = name.substr(kPrefix.size(), dot - kPrefix.size());
  const std::string_view rest = std::string_view(name).substr(dot + 1);
  for (const auto& [ours, theirs] : kOfBlocks)
    for (const char* end : {".weight", ".bias"})
      if (rest == std::string(ours) + end) return fmt::format("blk.{}.{}{}", block, theirs, end);
  throw Error(fmt::format("tensor '{}': has no name in GGUF", name));
}

bool is_rotated(std::string_view name) {
  return name.find(".q_proj.") != name.npos || name.find(".k_proj.") != name.npos;
}

}  // namespace minillm
