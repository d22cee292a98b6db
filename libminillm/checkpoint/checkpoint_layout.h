// The files of a checkpoint directory, as its writer and its readers share them. Internal.

#ifndef LIBMINILLM_CHECKPOINT_CHECKPOINT_LAYOUT_H_
#define LIBMINILLM_CHECKPOINT_CHECKPOINT_LAYOUT_H_

#include <initializer_list>
#include <string>

#include "libminillm/checkpoint/manifest.h"
#include "libminillm/checkpoint/trainer_state.h"
#include "libminillm/core/tensor_table.h"
#include "libminillm/data/tokenizer.h"
#include "libminillm/nn/model_config.h"

namespace minillm {

inline constexpr const char* kConfigName = "config.json";
inline constexpr const char* kWeightsName = "model.safetensors";
// Not "model-...": llama.cpp's converter takes every model*.safetensors for weights.
inline constexpr const char* kMomentsName = "optimizer.safetensors";
inline constexpr const char* kTrainerStateName = "trainer_state.json";

bool is_adapter_directory(const std::string& path);

// Throws Error if the tokenizer has more pieces than the model.
void check_vocabulary(const ModelConfig& config, const Tokenizer& tokenizer,
                      const std::string& path);

// The manifest of a directory whose files are what it says, these among them. Throws Error.
Manifest verified_manifest(const std::string& path, std::initializer_list<const char*> names);
TrainerState read_state(const std::string& directory);

}  // namespace minillm

#endif  // LIBMINILLM_CHECKPOINT_CHECKPOINT_LAYOUT_H_
