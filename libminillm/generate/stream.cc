#include "libminillm/generate/stream.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/ops/log_prob.h"  // log_sum_exp

namespace minillm {
namespace {

std::vector<Token> end_tokens(const GenerationConfig& config, const Tokenizer* tokenizer) {
  if (!config.stop_tokens.empty() || tokenizer == nullptr) return config.stop_tokens;
  return tokenizer->end_tokens();
}

// Whether a continuation goes on from text, not from control tokens alone.
bool has_text(const Tokenizer& tokenizer, const std::vector<Token>& prompt) {
  return std::ranges::any_of(prompt, [&](Token token) {
    return token >= 0 && token < tokenizer.vocab_size() && !tokenizer.is_control(token);
  });
}

// The `count` largest logits, as log-probabilities; the lower id on ties.
std::vector<ScoredToken> most_probable(std::span<const Real> logits, int64_t count, Real lse) {
  std::vector<ScoredToken> best;
  for (size_t v = 0; v < logits.size(); ++v) {
    const Real z = logits[v];
    if (std::ssize(best) == count && z <= best.back().log_prob) continue;
    const auto place =
        std::ranges::find_if(best, [z](const ScoredToken& other) { return other.log_prob < z; });
    best.insert(place, {static_cast<Token>(v), z});
    if (std::ssize(best) > count) best.pop_back();
  }
  for (ScoredToken& token : best) token.log_prob -= lse;
  return best;
}

}  // namespace

Stream::Stream(EngineRequest request, RequestEvents events, const ModelConfig& model,
               const Tokenizer* tokenizer, Index rows)
    : request_(std::move(request)),
      events_(std::move(events)),
      virtual_tokens_(request_.adapter ? request_.adapter->virtual_tokens() : 0),
      rows_(rows),
      sampled_ids_(tokenizer == nullptr ? model.vocab_size : tokenizer->vocab_size()),
      log_probs_(request_.config.log_probs || request_.config.top_log_probs > 0),
      end_tokens_(end_tokens(request_.config, tokenizer)),
      rng_(request_.config.seed, request_.config.stream),
      scanner_(request_.config.stop) {
  const GenerationConfig& config = request_.config;
  config.validate();
  config.sampling.validate(sampled_ids_);
  MINILLM_CHECK_USAGE(config.stop.empty() || tokenizer != nullptr,
                      "stop strings: the checkpoint has no tokenizer (use stop_tokens)");
  MINILLM_CHECK_USAGE(!config.weights,
                      "weights: the engine's are packed already: expected none, got a precision");
  check_prompt(request_.prompt, "prompt", model, rows_, virtual_tokens_);
  if (tokenizer != nullptr) decoder_.emplace(*tokenizer, has_text(*tokenizer, request_.prompt));
  if (config.constraint) constrain(tokenizer);
  for (Index i = 0; i < virtual_tokens_; ++i)
    sequence_.push_back(static_cast<Token>(i - virtual_tokens_));
  sequence_.insert(sequence_.end(), request_.prompt.begin(), request_.prompt.end());
  if (!config.prompt_log_probs) return;
  result_.prompt_log_probs.resize(request_.prompt.size() - 1);
  if (config.top_log_probs > 0) result_.prompt_top.resize(request_.prompt.size() - 1);
}

void Stream::constrain(const Tokenizer* tokenizer) {
  const std::shared_ptr<const CompiledConstraint>& constraint = request_.config.constraint;
  MINILLM_CHECK_USAGE(
      tokenizer != nullptr && tokenizer->hash() == constraint->trie().tokenizer().hash(),
      "constraint: it was compiled for another tokenizer than the model's");
  // Decoding takes the space away that such a tokenizer puts in front of a text.
  const bool spaced = tokenizer->adds_leading_space() && !has_text(*tokenizer, request_.prompt);
  constraint_.emplace(constraint, end_tokens_, spaced || request_.config.constraint_after_space);
}

Index Stream::set_cached(Index rows) {
  result_.cached_tokens = std::max<Index>(0, rows - virtual_tokens_);
  return result_.cached_tokens;
}

// log p of the token; and the most probable ones, if asked for.
Real Stream::score(std::span<const Real> logits, Token token, std::vector<ScoredToken>* top) const {
  const Real lse = log_sum_exp(logits.data(), std::ssize(logits));
  if (top != nullptr)
    *top = most_probable(logits.first(static_cast<size_t>(sampled_ids_)),
                         request_.config.top_log_probs, lse);
  return logits[static_cast<size_t>(token)] - lse;
}

void Stream::score_prompt(Index i, std::span<const Real> logits) {
  const auto place = static_cast<size_t>(i);
  result_.prompt_log_probs[place] =
      score(logits, request_.prompt[place + 1],
            result_.prompt_top.empty() ? nullptr : &result_.prompt_top[place]);
}

void Stream::sample(std::span<const Real> logits) noexcept {
  try {
    if (!sampler_) {
      sampler_.emplace(request_.config.sampling, sampled_ids_);
      for (size_t i = 0; i < result_.prompt_log_probs.size(); ++i)
        MINILLM_CHECK(std::isfinite(result_.prompt_log_probs[i]),
                      "prompt: log-probability of token {} is {}", i + 1,
                      result_.prompt_log_probs[i]);
    }
    const auto history = sequence().subspan(static_cast<size_t>(virtual_tokens_));
    next_ = sampler_->sample(logits.first(static_cast<size_t>(sampled_ids_)), history, rng_,
                             constraint_ ? &constraint_->allowed() : nullptr);
    if (constraint_) constraint_->accept(next_);
    if (!log_probs_) return;
    const bool top = request_.config.top_log_probs > 0;
    result_.log_probs.push_back(score(logits, next_, top ? &result_.top.emplace_back() : nullptr));
  } catch (const Error& error) {
    error_ = error;
  } catch (const std::exception& error) {
    error_.emplace(fmt::format("generation: {}", error.what()));
  }
}

bool Stream::deliver() {
  if (error_) {
    if (events_.on_error) events_.on_error(*error_);
    return true;
  }
  std::string text;
  const std::optional<StopReason> reason = accept(next_, text);
  if (events_.on_token) {
    TokenEvent event{.token = next_, .is_end = result_.end_token.has_value(), .text = text};
    if (log_probs_) event.log_prob = result_.log_probs.back();
    if (!result_.top.empty()) event.top = result_.top.back();
    events_.on_token(event);
  }
  if (!reason) return false;
  finish(*reason);
  return true;
}

// Takes the token into the answer, and whether it ends with it; `text` becomes what is certain now.
std::optional<StopReason> Stream::accept(Token token, std::string& text) {
  std::optional<StopReason> reason;
  if (std::ranges::find(end_tokens_, token) != end_tokens_.end()) {
    result_.end_token = token;
    reason = StopReason::kEndToken;
  } else {
    sequence_.push_back(token);
    result_.tokens.push_back(token);
    if (decoder_) text = scanner_.push(decoder_->push(token));
    if (scanner_.stopped())
      reason = StopReason::kStopString;
    else if (constraint_ && constraint_->is_over())
      reason = StopReason::kEndToken;  // there is none to say it with
    else if (std::ssize(result_.tokens) >= request_.config.max_tokens)
      reason = StopReason::kMaxTokens;
    else if (std::ssize(sequence_) > rows_)  // there is no row to feed it
      reason = StopReason::kContextFull;
  }
  if (reason) text += rest_of_text();
  result_.text += text;
  return reason;
}

std::string Stream::rest_of_text() {
  std::string text;
  if (decoder_) text = scanner_.push(decoder_->finish());
  return text + scanner_.finish();
}

void Stream::finish(StopReason reason) {
  if (reason == StopReason::kInterrupted) result_.text += rest_of_text();
  result_.reason = reason;
  if (events_.on_end) events_.on_end(std::move(result_));
}

}  // namespace minillm
