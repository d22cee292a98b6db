// Stream: one prompt on its way to a Generation: what it samples with, and what it has said.

#ifndef LIBMINILLM_GENERATE_STREAM_H_
#define LIBMINILLM_GENERATE_STREAM_H_

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libminillm/constrain/constraint.h"
#include "libminillm/core/rng.h"
#include "libminillm/data/tokenizer.h"
#include "libminillm/generate/request.h"
#include "libminillm/generate/sampler.h"
#include "libminillm/generate/stop_scanner.h"

namespace minillm {

class Stream {
 public:
  // `request.adapter` is what it uses, the model's own in its place; `rows` of the cache are its
  // own. Throws Error if the request cannot run (see Engine::submit).
  Stream(EngineRequest request, RequestEvents events, const ModelConfig& model,
         const Tokenizer* tokenizer, Index rows);

  RequestId id = 0;
  const EngineRequest& request() const { return request_; }
  // What its rows of the cache are: virtual tokens (ids below 0), prompt, and what was said.
  std::span<const Token> sequence() const { return sequence_; }
  Index prompt_rows() const { return virtual_tokens_ + std::ssize(request_.prompt); }
  // Rows of the prompt that were there already; how many of its tokens that are.
  Index set_cached(Index rows);

  // --- from any thread, for several streams at once

  // Scores what follows the prompt's token i, whose logits these are: [V]. Every i < prompt - 1
  // before the first sample(), if prompt_log_probs are asked for.
  void score_prompt(Index i, std::span<const Real> logits);
  // Chooses the next token. Errors are kept: deliver() tells them.
  void sample(std::span<const Real> logits) noexcept;

  // --- events; true: it has ended

  bool deliver();  // what sample() has chosen
  void finish(StopReason reason);
  bool failed() const { return error_.has_value(); }

 private:
  void constrain(const Tokenizer* tokenizer);
  Real score(std::span<const Real> logits, Token token, std::vector<ScoredToken>* top) const;
  std::optional<StopReason> accept(Token token, std::string& text);
  std::string rest_of_text();

  EngineRequest request_;
  RequestEvents events_;
  const Index virtual_tokens_;
  const Index rows_;
  const Index sampled_ids_;  // ids below may be sampled: those the tokenizer has a piece for
  const bool log_probs_;
  std::vector<Token> end_tokens_;
  std::vector<Token> sequence_;
  Generation result_;

  std::optional<Sampler> sampler_;  // from the first sample() on: it is as large as the vocabulary
  Rng rng_;
  StopScanner scanner_;
  std::optional<StreamDecoder> decoder_;  // null: ids only
  std::optional<TokenConstraint> constraint_;
  Token next_ = 0;  // sampled
  std::optional<Error> error_;
};

}  // namespace minillm

#endif  // LIBMINILLM_GENERATE_STREAM_H_
