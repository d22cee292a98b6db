// ContinuousBatch: many prompts continued together; one begins as soon as another has ended.

#ifndef LIBMINILLM_GENERATE_CONTINUOUS_BATCH_H_
#define LIBMINILLM_GENERATE_CONTINUOUS_BATCH_H_

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libminillm/core/rng.h"
#include "libminillm/generate/generator.h"
#include "libminillm/generate/sampler.h"
#include "libminillm/generate/stop_scanner.h"
#include "libminillm/nn/kv_cache.h"
#include "libminillm/nn/workspace.h"

namespace minillm {

// Everything passed to the constructor must outlive it; run() is called once.
class ContinuousBatch {
 public:
  ContinuousBatch(const Model& model, const Weights& weights, const Tokenizer* tokenizer,
                  std::span<const std::vector<Token>> prompts, const GenerationConfig& config,
                  Index max_streams, const GenerationEvents& events, Index inner_states,
                  std::span<const Index> adapters);
  std::vector<Generation> run();

 private:
  // One prompt on its way to a Generation.
  struct Stream {
    size_t index;                // of the prompt
    Index adapter;               // of its segments
    Index slot;                  // which rows of the cache it owns: [slot * capacity, ...)
    Index virtual_tokens;        // of the adapter, which are fed before the first token
    Index fed = 0;               // tokens whose keys and values are in the cache, virtual ones too
    std::optional<size_t> twin;  // of running_: it has the same prompt and feeds it in this step
    std::vector<Token> tokens;   // the prompt and its continuation
    Rng rng;
    StopScanner scanner;
    std::optional<StreamDecoder> decoder;
  };

  Index adapter_of(size_t prompt) const { return adapters_.empty() ? 0 : adapters_[prompt]; }
  Index virtual_tokens_of(size_t prompt) const;
  void feed(Stream& stream);
  void admit();
  void step();
  void accept(Stream& stream, Token token);
  void finish(Stream& stream, StopReason reason);
  void emit(Stream& stream, const std::string& text);

  const Model& model_;
  const Weights& weights_;
  const Tokenizer* tokenizer_;
  std::span<const std::vector<Token>> prompts_;
  const GenerationConfig& config_;
  const GenerationEvents& events_;
  const std::span<const Index> adapters_;  // by prompt; empty: the model's own
  const Index context_;
  const std::vector<Token> end_tokens_;
  const Index sampled_ids_;

  Index capacity_ = 0;       // cache rows of a slot
  Index prefill_rows_ = 0;   // rows of new prompts in a step, at most
  size_t next_ = 0;          // the next prompt to begin
  std::vector<Index> free_;  // slots
  std::vector<Stream> running_;
  std::vector<Generation> results_;
  std::vector<bool> finished_;  // by prompt

  Sampler sampler_;
  std::optional<KvCache> cache_;
  std::optional<Workspace> workspace_;
  Matrix logits_;  // [streams, V]
  TokenBatch batch_;
  std::vector<Index> last_rows_;
  std::vector<size_t> order_;  // of running_ in the batch: streams of one adapter side by side
};

}  // namespace minillm

#endif  // LIBMINILLM_GENERATE_CONTINUOUS_BATCH_H_
