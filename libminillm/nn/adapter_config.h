// What a stage is told of the adapter that it is to train.

#ifndef LIBMINILLM_NN_ADAPTER_CONFIG_H_
#define LIBMINILLM_NN_ADAPTER_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "libminillm/core/config.h"
#include "libminillm/nn/adapter.h"

namespace minillm {

struct LoraConfig {
  int64_t rank = 0;                 // r; 0: none
  double alpha = 0;                 // 0: as the rank, so that the scale is 1
  std::string scaling = "alpha/r";  // or "alpha/sqrt(r)" (rsLoRA: Kalajdzievski 2023,
                                    // arXiv:2312.03732)
  std::vector<std::string> targets = {"q", "k", "v", "o", "gate", "up", "down"};
  bool new_tokens = true;  // train the rows of the marks of a chat, where the start knows none
  double b_rate = 1;  // B's learning rate over A's (LoRA+: Hayou et al. 2024, arXiv:2402.12354)

  bool enabled() const { return rank > 0; }
};

struct ParallelConfig {
  int64_t width = 0;  // 0: none
  double scale = 1;   // s
  std::vector<std::string> targets = {"attention", "ffn"};
  bool new_tokens = true;  // as in LoraConfig

  bool enabled() const { return width > 0; }
};

// Of prompt tuning, or of prefix tuning.
struct VirtualTokensConfig {
  int64_t tokens = 0;  // P; 0: none
  // What they begin as, repeated and cut to P tokens; empty: tokens drawn from the vocabulary.
  std::string text;

  bool enabled() const { return tokens > 0; }
};

// One of them, or none: then all of the model is trained.
struct AdapterConfig {
  LoraConfig lora = {};
  ParallelConfig parallel = {};
  VirtualTokensConfig prompt = {}, prefix = {};

  bool enabled() const;
  // Whether the rows of the marks of a chat are trained, where the start knows none.
  bool new_tokens() const;
  const VirtualTokensConfig& virtual_tokens() const { return prefix.enabled() ? prefix : prompt; }
  // Throws Error (kUsage) naming the keys if two are asked for, or if a number is out of range.
  void validate() const;
};
// Keys "lora.*", "parallel.*", "prompt.*" and "prefix.*".
void list_fields(ConfigFields& fields, AdapterConfig& config);

// The same updates in every layer, or the virtual tokens. Throws Error (kUsage) naming the key and
// what it expects.
AdapterShape adapter_shape(const ModelConfig& model, const AdapterConfig& config);
inline AdapterShape lora_shape(const ModelConfig& model, const LoraConfig& config) {
  return adapter_shape(model, {.lora = config});
}

}  // namespace minillm

#endif  // LIBMINILLM_NN_ADAPTER_CONFIG_H_
