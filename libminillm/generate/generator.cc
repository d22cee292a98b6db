#include "libminillm/generate/generator.h"

#include <algorithm>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/generate/continuous_batch.h"

namespace minillm {

Generator::Generator(const Model& model, const Tokenizer& tokenizer,
                     std::shared_ptr<const PackedWeights> packed)
    : Generator(model, tokenizer) {
  packed_ = std::move(packed);
}

Generator::Generator(const Model& model, const Tokenizer& tokenizer)
    : model_(model), tokenizer_(&tokenizer) {
  MINILLM_CHECK(tokenizer.vocab_size() <= model.config().vocab_size,
                "tokenizer: {} pieces: expected at most {}, the model's vocab_size",
                tokenizer.vocab_size(), model.config().vocab_size);
}

Generator::Generator(const Model& model) : model_(model), tokenizer_(nullptr) {}

Generation Generator::generate(std::span<const Token> prompt, const GenerationConfig& config,
                               const GenerationEvents& events, const Adapter* adapter) {
  const std::vector<Token> prompts[] = {{prompt.begin(), prompt.end()}};
  const Adapter* const one[] = {adapter};
  const Index first[] = {0};
  const PromptAdapters adapters =
      adapter == nullptr ? PromptAdapters() : PromptAdapters{one, first};
  return std::move(run(prompts, config, 1, events, adapters).front());
}

std::vector<Generation> Generator::generate_all(std::span<const std::vector<Token>> prompts,
                                                const GenerationConfig& config, Index max_streams,
                                                const PromptAdapters& adapters) {
  return run(prompts, config, max_streams, {}, adapters);
}

std::vector<Generation> Generator::run(std::span<const std::vector<Token>> prompts,
                                       const GenerationConfig& config, Index max_streams,
                                       const GenerationEvents& events,
                                       const PromptAdapters& adapters) {
  config.validate();
  MINILLM_CHECK_USAGE(max_streams > 0, "max_streams: expected 1 or more, got {}", max_streams);
  MINILLM_CHECK_USAGE(config.stop.empty() || tokenizer_ != nullptr,
                      "stop strings: the checkpoint has no tokenizer (use stop_tokens)");
  if (prompts.empty()) return {};
  if (!packed_ || packed_precision_ != config.weights) {
    const Weights& own = model_.weights();
    packed_ = std::make_shared<PackedWeights>(model_.config(), own,
                                              config.weights.value_or(own.head.precision));
    packed_precision_ = config.weights;
  }
  if (adapters.adapters.empty())
    return ContinuousBatch(model_, packed_->weights(), tokenizer_, prompts, config, max_streams,
                           events, model_.inner_states(), {})
        .run();
  MINILLM_CHECK(adapters.of_prompt.size() == prompts.size(),
                "adapters: expected one for each of {} prompts, got {}", prompts.size(),
                adapters.of_prompt.size());
  const AdaptedWeights adapted(packed_->weights(), adapters.adapters);
  Index inner_states = 0;
  for (const Adapter* adapter : adapters.adapters)
    inner_states = std::max(inner_states, adapter->inner_states());
  return ContinuousBatch(model_, adapted.weights(), tokenizer_, prompts, config, max_streams,
                         events, inner_states, adapters.of_prompt)
      .run();
}

std::string Generator::complete(const std::string& text, const GenerationConfig& config) {
  MINILLM_CHECK(tokenizer_ != nullptr, "generator: a text needs a tokenizer");
  return generate(encode_raw_prompt(*tokenizer_, text), config).text;
}

std::vector<Token> encode_raw_prompt(const Tokenizer& tokenizer, const std::string& text) {
  std::vector<Token> tokens = tokenizer.encode(text);
  if (tokenizer.adds_bos()) tokens.insert(tokens.begin(), tokenizer.bos());
  return tokens;
}

}  // namespace minillm
