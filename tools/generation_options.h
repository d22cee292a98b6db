// For the tools that let models speak: loading a checkpoint, and the options for choosing tokens.

#ifndef TOOLS_GENERATION_OPTIONS_H_
#define TOOLS_GENERATION_OPTIONS_H_

#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <map>
#include <string>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/generate/chat.h"
#include "libminillm/generate/generator.h"
#include "tools/adapter_option.h"
#include "tools/chat_template_option.h"

namespace minillm {

inline void add_generation_options(CLI::App& app, GenerationConfig& config) {
  SamplingConfig& sampling = config.sampling;
  app.add_option("--max-tokens", config.max_tokens, "longest answer, in tokens")
      ->capture_default_str();
  app.add_option("--temperature", sampling.temperature, "0 = always the most probable token")
      ->capture_default_str();
  app.add_option("--top-k", sampling.top_k, "keep the k most probable tokens; 0 = all")
      ->capture_default_str();
  app.add_option("--top-p", sampling.top_p,
                 "keep the most probable tokens that together have this probability")
      ->capture_default_str();
  app.add_option("--min-p", sampling.min_p,
                 "drop tokens below this fraction of the most probable one's probability")
      ->capture_default_str();
  app.add_option("--repetition-penalty", sampling.repetition_penalty,
                 "makes tokens that have occurred less probable; 1 = off")
      ->capture_default_str();
  app.add_option("--stop", config.stop, "text that ends an answer; may be given more than once")
      ->allow_extra_args(false);
  app.add_option(
         "--weights", config.weights,
         "round the weights (default: do not): bf16 halves, int8 quarters the memory to be read")
      ->transform(
          CLI::CheckedTransformer(std::map<std::string, Precision>{{"fp32", Precision::kFloat},
                                                                   {"bf16", Precision::kBfloat16},
                                                                   {"int8", Precision::kInt8}}));
  app.add_option("--seed", config.seed, "the same seed gives the same text")->capture_default_str();
}

// A checkpoint that is ready to speak.
struct LoadedModel {
  std::string path;  // as given
  Model model;
  Tokenizer tokenizer;
  std::string taught;  // the chat template it was taught; empty for a base model

  // `chat_template`: the template to chat with; empty: the checkpoint's.
  static LoadedModel load(const std::string& path, const std::string& chat_template = "",
                          const AdapterOptions& adapters = {}) {
    const Checkpoint checkpoint = open_checkpoint(path, adapters);
    return {path, checkpoint.load_model(Checkpoint::Use::kFrozen),
            tokenizer_with(checkpoint, chat_template), taught_chat_template(checkpoint.state())};
  }
  // Call this before chatting. Throws Error if another template was taught, unless `force`.
  void check_can_chat(bool force) const {
    if (!force) check_chat_template(taught, tokenizer);
    if (taught.empty())
      spdlog::warn("note: '{}' has not been taught to chat; it continues text", path);
  }
};

}  // namespace minillm

#endif  // TOOLS_GENERATION_OPTIONS_H_
