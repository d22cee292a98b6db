// GenerationConfig and Generation: what is asked of a continuation, and what comes of it.

#ifndef LIBMINILLM_GENERATE_GENERATION_H_
#define LIBMINILLM_GENERATE_GENERATION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libminillm/core/real.h"
#include "libminillm/generate/sampler.h"  // SamplingConfig
#include "libminillm/ops/gemm/gemm.h"     // Precision

namespace minillm {

class CompiledConstraint;

struct GenerationConfig {
  SamplingConfig sampling;
  int64_t max_tokens = 128;  // of the continuation
  // Prompt i draws from Rng(seed, stream + i): its text does not depend on what shares the batch.
  uint64_t seed = 1;
  uint64_t stream = 0;
  std::vector<std::string> stop;   // strings that end the text (not part of it)
  bool log_probs = false;          // tell them, too
  std::vector<Token> stop_tokens;  // ids that end the text; empty = the tokenizer's end_tokens()
  // What the weights are rounded to: fewer bits, more tokens per second. Empty: as the model's.
  std::optional<Precision> weights;
  // The most probable tokens at every place, as many: 0 to 20. With any, log_probs are told, too.
  int64_t top_log_probs = 0;
  // The same of the prompt's tokens, all of which are then fed: nothing is taken from a cache.
  bool prompt_log_probs = false;
  // What the text obeys (constrain/constraint.h), unless max_tokens, the context or a stop string
  // ends it before; of the same tokenizer. Null: anything.
  std::shared_ptr<const CompiledConstraint> constraint = nullptr;
  // A space in front of the text is not part of what obeys: of answers, before which templates may
  // put one (strip_template_space in chat.h takes it away).
  bool constraint_after_space = false;

  void validate() const;  // throws Error (kUsage)
};

enum class StopReason { kEndToken, kStopString, kMaxTokens, kContextFull, kInterrupted };
const char* stop_reason_name(StopReason reason);  // "end_token", "stop_string", ...

// A token and log p of the model itself, whatever the sampling was, to the bit as Model::log_probs
// has it.
struct ScoredToken {
  Token token = 0;
  Real log_prob = 0;

  bool operator==(const ScoredToken&) const = default;
};

struct Generation {
  std::vector<Token> tokens;  // without the end token; with those of a stop string
  std::string text;           // of the tokens, without the stop string; valid UTF-8
  StopReason reason = StopReason::kMaxTokens;
  std::optional<Token> end_token;  // the one that ended it
  // Of every token, and of the end token: log p of the model itself, whatever the sampling was, to
  // the bit as Model::log_probs has it. Only if config.log_probs.
  std::vector<Real> log_probs;
  // At the same places, config.top_log_probs tokens that can be sampled (those that the tokenizer
  // has), the most probable first, the lower id on ties.
  std::vector<std::vector<ScoredToken>> top;
  // [prompt - 1] of its second token on. Only if config.prompt_log_probs.
  std::vector<Real> prompt_log_probs;
  std::vector<std::vector<ScoredToken>> prompt_top;
  Index cached_tokens = 0;  // of the prompt, whose keys and values were there already
};

}  // namespace minillm

#endif  // LIBMINILLM_GENERATE_GENERATION_H_
