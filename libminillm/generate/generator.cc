#include "libminillm/generate/generator.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

EngineConfig engine_config(Index slots, Index rows) {
  return {.slots = slots,
          .prompt_rows = 512,
          .queue = std::numeric_limits<Index>::max(),  // Task submits no more than it has room for
          .slot_rows = rows};
}

void check_adapters(const PromptAdapters& adapters, size_t prompts) {
  if (adapters.adapters.empty()) return;
  MINILLM_CHECK(adapters.of_prompt.size() == prompts,
                "adapters: expected one for each of {} prompts, got {}", prompts,
                adapters.of_prompt.size());
  const Index count = std::ssize(adapters.adapters);
  for (size_t i = 0; i < prompts; ++i)
    MINILLM_CHECK(-1 <= adapters.of_prompt[i] && adapters.of_prompt[i] < count,
                  "adapters: prompt {} names adapter {}: expected -1 (none) to {}", i,
                  adapters.of_prompt[i], count - 1);
}

// The prompts of one call, submitted as room becomes free, and their results.
class Task {
 public:
  Task(std::span<const std::vector<Token>> prompts, const GenerationConfig& config,
       const GenerationEvents& events, const PromptAdapters& adapters)
      : prompts_(prompts),
        config_(config),
        events_(events),
        adapters_(adapters),
        results_(prompts.size()),
        ids_(prompts.size()),
        shown_(prompts.size()) {
    config_.weights.reset();
  }

  // Of the cache that a stream needs at most. Throws Error if a prompt cannot be continued.
  Index rows(const Model& model) const {
    const Index context = model.config().max_position_embeddings;
    Index longest = 0;
    for (size_t i = 0; i < prompts_.size(); ++i) {
      const Adapter* adapter = adapters_.adapters.empty() ? model.adapter() : adapter_of(i);
      const Index virtual_tokens = adapter == nullptr ? 0 : adapter->virtual_tokens();
      check_prompt(prompts_[i], fmt::format("prompt {}", i), model.config(), context,
                   virtual_tokens);
      longest = std::max(longest, virtual_tokens + std::ssize(prompts_[i]));
    }
    // The last token of a text is never fed. (The difference comes first: max_tokens may be huge.)
    return longest + std::min(config_.max_tokens - 1, context - longest);
  }

  std::vector<Generation> run(Engine& engine, Index streams) {
    size_t next = 0;
    while (done_ < prompts_.size()) {
      if (events_.stop_requested && events_.stop_requested()) {
        for (size_t i = 0; i < next; ++i) engine.cancel(ids_[i]);
        for (; next < prompts_.size(); ++next, ++done_)
          results_[next].reason = StopReason::kInterrupted;
      }
      for (; next < prompts_.size() && next - done_ < static_cast<size_t>(streams); ++next)
        submit(engine, next);
      engine.step();
      if (error_) throw Error(*error_);
    }
    return std::move(results_);
  }

 private:
  const Adapter* adapter_of(size_t i) const {
    const Index adapter = adapters_.of_prompt[i];
    return adapter < 0 ? nullptr : adapters_.adapters[static_cast<size_t>(adapter)];
  }

  void submit(Engine& engine, size_t i) {
    EngineRequest request{.prompt = prompts_[i], .config = config_, .owner = "generator"};
    request.config.stream += i;
    if (!adapters_.adapters.empty()) {
      request.adapter = {std::shared_ptr<const Adapter>(), adapter_of(i)};  // the caller owns it
      request.own_adapter = false;
    }
    RequestEvents events;
    if (events_.on_text)
      events.on_token = [this, i](const TokenEvent& event) {
        if (event.text.empty()) return;
        shown_[i] += event.text.size();
        events_.on_text(std::string(event.text));
      };
    events.on_end = [this, i](Generation&& result) {
      results_[i] = std::move(result);
      ++done_;
      const std::string& text = results_[i].text;  // of an interrupted one, some was held back
      if (events_.on_text && shown_[i] < text.size()) events_.on_text(text.substr(shown_[i]));
    };
    events.on_error = [this](const Error& error) {
      ++done_;
      if (!error_) error_ = error;
    };
    ids_[i] = engine.submit(std::move(request), std::move(events));
  }

  std::span<const std::vector<Token>> prompts_;
  GenerationConfig config_;
  const GenerationEvents& events_;
  const PromptAdapters& adapters_;
  std::vector<Generation> results_;
  std::vector<RequestId> ids_;
  std::vector<size_t> shown_;  // bytes of each text that on_text was given
  size_t done_ = 0;
  std::optional<Error> error_;  // the first
};

}  // namespace

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
                                                const PromptAdapters& adapters,
                                                const GenerationEvents& events) {
  return run(prompts, config, max_streams, {.stop_requested = events.stop_requested}, adapters);
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
  check_adapters(adapters, prompts.size());
  pack(config.weights);
  Task task(prompts, config, events, adapters);
  const Index rows = task.rows(model_);
  const Index streams = std::min(max_streams, std::ssize(prompts));
  if (!adapters.adapters.empty()) {  // who may change after this call: nothing of theirs is kept
    Engine engine(model_, tokenizer_, packed_, engine_config(streams, rows));
    return task.run(engine, streams);
  }
  try {
    return task.run(engine_for(streams, rows), streams);
  } catch (...) {
    engine_.reset();  // it may hold requests of this call
    throw;
  }
}

void Generator::pack(std::optional<Precision> precision) {
  if (packed_ && packed_precision_ == precision) return;
  const Weights& own = model_.weights();
  engine_.reset();
  packed_ =
      std::make_shared<PackedWeights>(model_.config(), own, precision.value_or(own.head.precision));
  packed_precision_ = precision;
}

// A conversation grows turn by turn: room is made in larger steps than asked for.
Engine& Generator::engine_for(Index streams, Index rows) {
  if (!engine_)
    engine_ = std::make_unique<Engine>(model_, tokenizer_, packed_, engine_config(streams, rows));
  else if (streams > engine_->slots() || rows > engine_->slot_rows())
    engine_->reserve(streams,
                     rows > engine_->slot_rows() ? std::max(rows, 2 * engine_->slot_rows()) : rows);
  return *engine_;
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
