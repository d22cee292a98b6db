// config.json: Hugging Face's LlamaConfig, from and to ModelConfig.

#ifndef LIBMINILLM_CHECKPOINT_HF_CONFIG_H_
#define LIBMINILLM_CHECKPOINT_HF_CONFIG_H_

#include <string>
#include <vector>

#include "libminillm/data/tokenizer.h"
#include "libminillm/nn/model_config.h"

namespace minillm {

// config.json as transformers 4 and 5, vLLM and llama.cpp's converter read it. Token ids are the
// tokenizer's; without one (null), LlamaConfig's defaults.
std::string hf_config_json(const ModelConfig& config, const Tokenizer* tokenizer);

// What we read from a config.json.
struct HfConfig {
  ModelConfig model;
  bool tie_is_said = true;           // "tie_word_embeddings" is there
  std::vector<Token> eos_token_ids;  // ids that end a text: one, several (instruct models), or none
};
// Reads `path`. Absent keys have LlamaConfig's defaults. Both spellings of RoPE's parameters are
// read (top level, and version 5's `rope_parameters`); so are linear and llama3 scaling. Throws
// Error, naming the key, for what is not our architecture: another model_type or hidden_act,
// biases, other RoPE scaling, quantization, tensor-parallel weights.
HfConfig read_hf_config(const std::string& path);

}  // namespace minillm

#endif  // LIBMINILLM_CHECKPOINT_HF_CONFIG_H_
