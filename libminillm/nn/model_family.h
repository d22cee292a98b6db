// The published families of models that are a Llama with something added (ModelExtras), by name:
// what a foreign checkpoint is called in the files of others.
//
// Which are refused, and what each would need: doc/interop.md, "Families".

#ifndef LIBMINILLM_NN_MODEL_FAMILY_H_
#define LIBMINILLM_NN_MODEL_FAMILY_H_

#include <span>
#include <string_view>

#include "libminillm/nn/model_config.h"

namespace minillm {

struct ModelFamily {
  const char* name;  // "qwen2": Hugging Face's model_type, and GGUF's general.architecture
  const char*
      class_name;  // "Qwen2": of transformers' classes, which are Qwen2ForCausalLM and so on
  bool has_qkv_bias, has_qk_norm, has_no_rope, has_multipliers;  // what of ModelExtras it has
  bool interleaved;  // in GGUF the rows of q and k are in Meta's order (interop/rope_order.h)
};

std::span<const ModelFamily> model_families();  // a Llama first
const ModelFamily* find_family(std::string_view name);

// The family that has all of the model's extras and no others. Throws Error if there is none.
const ModelFamily& family_of(const ModelConfig& config);

}  // namespace minillm

#endif  // LIBMINILLM_NN_MODEL_FAMILY_H_
