// adapter_model.safetensors: an adapter's tensors, as Hugging Face's PEFT keeps them.

#ifndef LIBMINILLM_CHECKPOINT_PEFT_FILES_H_
#define LIBMINILLM_CHECKPOINT_PEFT_FILES_H_

#include <optional>
#include <string>
#include <vector>

#include "libminillm/checkpoint/peft_config.h"
#include "libminillm/checkpoint/safetensors.h"
#include "libminillm/nn/adapter.h"

namespace minillm {

inline constexpr const char* kPeftWeightsName = "adapter_model.safetensors";
// Metadata of the latter that PEFT does not read: SHA-256 of the base's weights.
inline constexpr const char* kBaseHashKey = "minillm.base_sha256";

// The tensors of adapter_model.safetensors: PEFT's names, B as [out, r].
struct PeftTensors {
  explicit PeftTensors(const Adapter& adapter);
  std::vector<NamedTensor> tensors;

 private:
  std::vector<std::vector<Real>> turned_;  // what they point at
};

// The adapter in a directory. Its updates are those whose tensors are there: a target without
// tensors is an error, and so is a tensor without a target. Throws Error naming the tensor that is
// missing, left over, or of another shape, and the target that names no matrix.
Adapter read_peft_adapter(const std::string& directory, const PeftConfig& config,
                          const ModelConfig& model);

// The layer and module that a path such as "model.layers.3.mlp.up_proj" names in a model of
// `layers` layers, with no rank yet; nothing if it names none.
std::optional<AdapterShape::Update> parse_module(const std::string& name, Index layers);

}  // namespace minillm

#endif  // LIBMINILLM_CHECKPOINT_PEFT_FILES_H_
