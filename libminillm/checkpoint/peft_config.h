// adapter_config.json: what an adapter is, as Hugging Face's PEFT keeps it.
// doc/checkpoint_format.md describes it.

#ifndef LIBMINILLM_CHECKPOINT_PEFT_CONFIG_H_
#define LIBMINILLM_CHECKPOINT_PEFT_CONFIG_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "libminillm/nn/adapter.h"

namespace minillm {

inline constexpr const char* kPeftConfigName = "adapter_config.json";

// adapter_config.json as PEFT reads it, keys sorted, for an adapter on the model at
// adapter.base_path.
std::string peft_config_json(const Adapter& adapter, const ModelConfig& model);

// By `peft_type`. PEFT has no parallel adapters: their files are in its manner, with a name of
// ours.
enum class PeftMethod { kLora, kPrompt, kPrefix, kParallel };

// What we read of an adapter_config.json.
struct PeftConfig {
  PeftMethod method = PeftMethod::kLora;
  std::string base;         // a path, or a name on Hugging Face's hub; may be empty
  bool classifies = false;  // task_type: a score head takes the place of the language model's
  int64_t virtual_tokens = 0;
  int64_t rank = 8;  // of parallel adapters their width, with alpha = rank * scale
  double alpha = 8;
  bool rslora = false;
  std::map<std::string, int64_t> rank_pattern;  // by the end of a module's name
  std::map<std::string, double> alpha_pattern;
  std::vector<Token> tokens;         // whose rows are trained
  std::vector<std::string> targets;  // ends of modules' names; empty: an expression, or all
};
// Throws Error naming the key of what this library cannot do: other methods than these, DoRA,
// biases, targets that are no matrix of a block, saved modules other than a score head, an
// initialisation that changes the base.
PeftConfig read_peft_config(const std::string& path);

// "model.layers.3.mlp.up_proj"
std::string module_name(const AdapterShape::Update& update);
// "q_proj, k_proj, ...": what may have an update.
std::string all_modules();
// Whether `name` is `end`, or ends with it after a dot: how PEFT matches names.
bool names_end(const std::string& name, const std::string& end);
// The value of the entry that matches the module; without one, `otherwise`.
template <typename Value>
Value by_pattern(const std::map<std::string, Value>& pattern, const std::string& module,
                 Value otherwise) {
  for (const auto& [name, value] : pattern)
    if (names_end(module, name)) return value;
  return otherwise;
}

}  // namespace minillm

#endif  // LIBMINILLM_CHECKPOINT_PEFT_CONFIG_H_
