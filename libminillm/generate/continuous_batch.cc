#include "libminillm/generate/continuous_batch.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

constexpr Index kPrefillRows = 512;  // rows of new prompts in a step, unless one prompt is longer

std::vector<Token> end_tokens(const GenerationConfig& config, const Tokenizer* tokenizer) {
  if (!config.stop_tokens.empty() || tokenizer == nullptr) return config.stop_tokens;
  return tokenizer->end_tokens();
}

// Ids below this may be sampled: those the tokenizer has a piece for. (Vocabularies are padded to
// round numbers; ids beyond the tokenizer mean nothing, whatever their logits.)
Index sampled_ids(const Model& model, const Tokenizer* tokenizer) {
  return tokenizer == nullptr ? model.config().vocab_size : tokenizer->vocab_size();
}

// Whether a continuation goes on from text, not from control tokens alone.
bool has_text(const Tokenizer& tokenizer, const std::vector<Token>& prompt) {
  return std::ranges::any_of(prompt, [&](Token token) {
    return token >= 0 && token < tokenizer.vocab_size() && !tokenizer.is_control(token);
  });
}

}  // namespace

ContinuousBatch::ContinuousBatch(const Model& model, const Weights& weights,
                                 const Tokenizer* tokenizer,
                                 std::span<const std::vector<Token>> prompts,
                                 const GenerationConfig& config, Index max_streams,
                                 const GenerationEvents& events, Index inner_states,
                                 std::span<const Index> adapters)
    : model_(model),
      weights_(weights),
      tokenizer_(tokenizer),
      prompts_(prompts),
      config_(config),
      events_(events),
      adapters_(adapters),
      context_(model.config().max_position_embeddings),
      end_tokens_(end_tokens(config, tokenizer)),
      sampled_ids_(sampled_ids(model, tokenizer)),
      results_(prompts.size()),
      finished_(prompts.size()),
      sampler_(config.sampling, sampled_ids_) {
  Index longest = 0;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const auto length = static_cast<Index>(prompts[i].size());
    const Index virtual_tokens = virtual_tokens_of(i);
    MINILLM_CHECK(length > 0, "prompt {}: it has no tokens", i);
    MINILLM_CHECK(virtual_tokens + length <= context_,
                  "prompt {}: too long: expected at most {} tokens (the model's "
                  "max_position_embeddings{}), got {}",
                  i, context_ - virtual_tokens,
                  virtual_tokens == 0 ? "" : ", less its adapter's virtual tokens", length);
    longest = std::max(longest, virtual_tokens + length);
  }
  const Index streams = std::min(max_streams, static_cast<Index>(prompts.size()));
  // The last token of a text is never fed. (The difference comes first: max_tokens may be huge.)
  capacity_ = longest + std::min(config.max_tokens - 1, context_ - longest);
  prefill_rows_ = std::max(longest, kPrefillRows);
  cache_.emplace(model.config(), streams * capacity_);
  workspace_.emplace(model.config(), prefill_rows_ + streams, streams, Workspace::Mode::kInference,
                     inner_states);
  logits_ = Matrix(streams, model.config().vocab_size);
  for (Index slot = streams; slot > 0; --slot) free_.push_back(slot - 1);
}

Index ContinuousBatch::virtual_tokens_of(size_t prompt) const {
  const Index adapter = adapter_of(prompt);
  return adapter < 0 || adapter >= std::ssize(weights_.virtual_tokens)  // which forward refuses
             ? 0
             : weights_.virtual_tokens[static_cast<size_t>(adapter)];
}

std::vector<Generation> ContinuousBatch::run() {
  while (next_ < prompts_.size() || !running_.empty()) {
    if (events_.stop_requested && events_.stop_requested()) {
      for (Stream& stream : running_) finish(stream, StopReason::kInterrupted);
      for (; next_ < prompts_.size(); ++next_) results_[next_].reason = StopReason::kInterrupted;
      break;
    }
    admit();
    step();
  }
  return std::move(results_);
}

// Begins as many prompts as there are free slots and rows for; at least one if a slot is free.
void ContinuousBatch::admit() {
  Index rows = 0;
  std::optional<size_t> first;  // of running_: feeds the last prompt
  while (next_ < prompts_.size() && !free_.empty()) {
    const std::vector<Token>& prompt = prompts_[next_];
    const bool again =
        first && prompt == prompts_[next_ - 1] && adapter_of(next_) == adapter_of(next_ - 1);
    if (!again) {
      rows += virtual_tokens_of(next_) + static_cast<Index>(prompt.size());
      if (rows > prefill_rows_) return;
      first = running_.size();
    }
    Stream stream{.index = next_,
                  .adapter = adapter_of(next_),
                  .slot = free_.back(),
                  .virtual_tokens = virtual_tokens_of(next_),
                  .twin = again ? first : std::nullopt,
                  .tokens = prompt,
                  .rng = Rng(config_.seed, config_.stream + next_),
                  .scanner = StopScanner(config_.stop),
                  .decoder = {}};
    if (tokenizer_ != nullptr) stream.decoder.emplace(*tokenizer_, has_text(*tokenizer_, prompt));
    running_.push_back(std::move(stream));
    free_.pop_back();
    ++next_;
  }
}

// Feeds every stream what it has not fed yet (its prompt or its newest token); samples a
// token each.
void ContinuousBatch::step() {
  batch_.clear();
  last_rows_.resize(running_.size());
  order_.resize(running_.size());
  std::iota(order_.begin(), order_.end(), size_t{0});
  if (!adapters_.empty())
    std::ranges::stable_sort(order_, {}, [this](size_t s) { return running_[s].adapter; });
  for (const size_t s : order_) {
    Stream& stream = running_[s];
    if (stream.twin) {
      last_rows_[s] = last_rows_[*stream.twin];
      continue;
    }
    feed(stream);
    last_rows_[s] = batch_.rows() - 1;
  }
  model_.forward(batch_, *workspace_, weights_, &*cache_);
  for (Stream& stream : running_) {
    if (!stream.twin) continue;
    const Stream& first = running_[*stream.twin];
    cache_->copy(first.slot * capacity_, stream.slot * capacity_, first.fed);
    stream.fed = first.fed;
    stream.twin.reset();
  }
  const View logits = logits_.top(static_cast<Index>(running_.size()));
  model_.logits(logits, last_rows_, *workspace_, weights_);

  for (size_t s = 0; s < running_.size(); ++s) {
    Stream& stream = running_[s];
    const std::span<const Real> row(logits.row(static_cast<Index>(s)),
                                    static_cast<size_t>(sampled_ids_));
    const Token token = sampler_.sample(row, stream.tokens, stream.rng);
    if (config_.log_probs)
      results_[stream.index].log_probs.push_back(row[static_cast<size_t>(token)] -
                                                 log_sum_exp(row.data(), logits.cols));
    accept(stream, token);
  }
  std::erase_if(running_, [this](const Stream& stream) { return finished_[stream.index]; });
}

// Appends what is not in the cache yet.
void ContinuousBatch::feed(Stream& stream) {
  const Index begin = batch_.rows(), cache_begin = stream.slot * capacity_;
  for (Index i = stream.fed; i < stream.virtual_tokens; ++i)
    batch_.tokens.push_back(static_cast<Token>(i - stream.virtual_tokens));
  const Index next = std::max<Index>(0, stream.fed - stream.virtual_tokens);
  batch_.tokens.insert(batch_.tokens.end(), stream.tokens.begin() + next, stream.tokens.end());
  batch_.segments.push_back(
      {begin, batch_.rows(), cache_begin, cache_begin + stream.fed, stream.adapter});
  stream.fed = stream.virtual_tokens + std::ssize(stream.tokens);
}

void ContinuousBatch::accept(Stream& stream, Token token) {
  Generation& result = results_[stream.index];
  if (std::find(end_tokens_.begin(), end_tokens_.end(), token) != end_tokens_.end()) {
    result.end_token = token;
    return finish(stream, StopReason::kEndToken);
  }
  stream.tokens.push_back(token);
  result.tokens.push_back(token);
  if (stream.decoder) emit(stream, stream.scanner.push(stream.decoder->push(token)));

  if (stream.scanner.stopped()) return finish(stream, StopReason::kStopString);
  if (std::ssize(result.tokens) >= config_.max_tokens)
    return finish(stream, StopReason::kMaxTokens);
  if (stream.fed == context_) return finish(stream, StopReason::kContextFull);
}

void ContinuousBatch::finish(Stream& stream, StopReason reason) {
  if (stream.decoder) emit(stream, stream.scanner.push(stream.decoder->finish()));
  emit(stream, stream.scanner.finish());
  results_[stream.index].reason = reason;
  finished_[stream.index] = true;
  free_.push_back(stream.slot);
}

void ContinuousBatch::emit(Stream& stream, const std::string& text) {
  results_[stream.index].text += text;
  if (events_.on_text && !text.empty()) events_.on_text(text);
}

}  // namespace minillm
