// Generator: prompts -> continuations, many at once: the engine for callers who wait for the end.

#ifndef LIBMINILLM_GENERATE_GENERATOR_H_
#define LIBMINILLM_GENERATE_GENERATOR_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libminillm/data/tokenizer.h"
#include "libminillm/generate/engine.h"
#include "libminillm/generate/generation.h"
#include "libminillm/nn/model.h"
#include "libminillm/nn/packed_weights.h"

namespace minillm {

// How a caller follows and stops a text while it is generated. Both optional.
struct GenerationEvents {
  // Whole UTF-8 pieces, as they become certain.
  std::function<void(const std::string&)> on_text = {};
  // Asked before every token; true ends the text with kInterrupted.
  std::function<bool()> stop_requested = {};
};

// Several adapters on one model: prompt i is continued with adapters[of_prompt[i]]; -1: with none.
struct PromptAdapters {
  std::span<const Adapter* const> adapters;  // all of the generator's model
  std::span<const Index> of_prompt;          // by prompt
};

class Generator {
 public:
  // The model and the tokenizer must outlive the generator, and the model's parameters and its
  // adapter must not change while it is in use: the weights are packed once, for the first text,
  // and keys and values stay, so that a text that begins like one before, as a conversation that
  // goes on does, is not read again.
  // The model's vocabulary may be larger than the tokenizer's (padded): the additional ids are
  // never generated.
  Generator(const Model& model, const Tokenizer& tokenizer);
  // The same with weights that are packed already, of this model and in its precision: generators
  // in several threads may share them.
  Generator(const Model& model, const Tokenizer& tokenizer,
            std::shared_ptr<const PackedWeights> packed);
  // Ids only: texts stay empty, only `stop_tokens` end them, and stop strings are an error.
  explicit Generator(const Model& model);

  // Continues one prompt of ids. Throws Error if the prompt is empty, longer than the model's
  // context (max_position_embeddings), or has an id outside the vocabulary.
  // `adapter` takes the place of the model's own; null: that one, if it has one.
  Generation generate(std::span<const Token> prompt, const GenerationConfig& config,
                      const GenerationEvents& events = {}, const Adapter* adapter = nullptr);
  // Many prompts together, at most `max_streams` at a time. Result i is bit-identical to that of
  // generate() for prompt i and stream + i, whatever the number of streams or threads. Memory: a
  // cache of max_streams x (longest prompt + max_tokens) rows, which the generator keeps.
  //
  // Without `adapters` the model's own one is used, if it has one; with them each prompt's, which
  // must not change meanwhile: the result is that of a model which has that adapter alone. Throws
  // Error if an index is outside [-1, adapters). Of the events, only stop_requested is asked: texts
  // that it ends, or that were not begun, have kInterrupted.
  std::vector<Generation> generate_all(std::span<const std::vector<Token>> prompts,
                                       const GenerationConfig& config, Index max_streams = 64,
                                       const PromptAdapters& adapters = {},
                                       const GenerationEvents& events = {});
  // Raw continuation of a text: BOS + encode(text).
  std::string complete(const std::string& text, const GenerationConfig& config);

 private:
  std::vector<Generation> run(std::span<const std::vector<Token>> prompts,
                              const GenerationConfig& config, Index max_streams,
                              const GenerationEvents& events, const PromptAdapters& adapters = {});
  void pack(std::optional<Precision> precision);
  Engine& engine_for(Index streams, Index rows);

  const Model& model_;
  const Tokenizer* tokenizer_;  // null: ids only
  // Packed for the last text, in `packed_precision_`.
  std::shared_ptr<const PackedWeights> packed_;
  std::optional<Precision> packed_precision_;
  std::unique_ptr<Engine> engine_;  // with these; null before the first text
};

// BOS + encode(text): a text to be continued. No BOS if the tokenizer has none, or its directory
// says that texts begin without.
std::vector<Token> encode_raw_prompt(const Tokenizer& tokenizer, const std::string& text);

}  // namespace minillm

#endif  // LIBMINILLM_GENERATE_GENERATOR_H_
