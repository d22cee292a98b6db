#include "libminillm/nn/model_family.h"

#include <algorithm>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

constexpr ModelFamily kFamilies[] = {
    // name, class, biases, norms of heads, layers without RoPE, multipliers, interleaved
    {"llama", "Llama", false, false, false, false, true},
    {"qwen2", "Qwen2", true, false, false, false, false},
    {"qwen3", "Qwen3", false, true, false, false, false},
    {"smollm3", "SmolLM3", false, false, true, false, true},
    {"granite", "Granite", false, false, false, true, true},
};

bool has_multipliers(const ModelExtras& extras) {
  return extras.embedding_multiplier != 1 || extras.residual_multiplier != 1 ||
         extras.attention_multiplier != 0 || extras.logits_scaling != 1;
}

}  // namespace

std::span<const ModelFamily> model_families() { return kFamilies; }

const ModelFamily* find_family(std::string_view name) {
  const auto found = std::ranges::find(
      kFamilies, name, [](const ModelFamily& f) { return std::string_view(f.name); });
  return found == std::end(kFamilies) ? nullptr : found;
}

const ModelFamily& family_of(const ModelConfig& config) {
  const ModelExtras& extras = config.extras;
  const auto found = std::ranges::find_if(kFamilies, [&](const ModelFamily& f) {
    return f.has_qkv_bias == extras.qkv_bias && f.has_qk_norm == extras.qk_norm &&
           f.has_no_rope == (extras.no_rope_interval != 0) &&
           f.has_multipliers == has_multipliers(extras);
  });
  MINILLM_CHECK(found != std::end(kFamilies),
                "model: its extras (biases {}, norms of heads {}, layers without RoPE {}, "
                "multipliers {}) are not those of one family: expected one that others can read",
                extras.qkv_bias, extras.qk_norm, extras.no_rope_interval != 0,
                has_multipliers(extras));
  return *found;
}

}  // namespace minillm
