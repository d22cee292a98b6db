// What GGUF calls a model's numbers and tensors: one table for what is written and for what is
// read. Internal to gguf_export.cc and gguf_import.cc.
//
// Source: llama.cpp's llama-arch.cpp (names).

#ifndef LIBMINILLM_INTEROP_GGUF_ARCHITECTURE_H_
#define LIBMINILLM_INTEROP_GGUF_ARCHITECTURE_H_

#include <span>
#include <string>
#include <string_view>

#include "libminillm/nn/model_config.h"

namespace minillm {

// A number of the model under "<family's name>.<key>": an integer or a fraction. Several keys may
// hold one number.
struct GgufKey {
  const char* key;
  int64_t ModelConfig::*integer = nullptr;
  double ModelConfig::*fraction = nullptr;
  bool required = false;  // by readers
};
std::span<const GgufKey> gguf_keys();

// Likewise of families with multipliers; each may be absent.
struct GgufMultiplier {
  const char* key;
  double ModelExtras::*value;
};
std::span<const GgufMultiplier> gguf_multipliers();

// SmolLM3's layers without RoPE have no key: readers take every fourth for granted.
inline constexpr int64_t kGgufNoRopeInterval = 4;

// What GGUF calls a tensor of ours: "blk.3.ffn_up.weight". Throws Error if it has no name for it.
std::string ggml_name(const std::string& name);
// Whether the tensor makes what RoPE turns: q or k.
bool is_rotated(std::string_view name);

// Llama 3's scaling is a tensor in GGUF: the divisors of the frequencies.
inline constexpr const char* kFrequencyDivisors = "rope_freqs.weight";

}  // namespace minillm

#endif  // LIBMINILLM_INTEROP_GGUF_ARCHITECTURE_H_
