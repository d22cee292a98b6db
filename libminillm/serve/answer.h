// What the API answers: Generation -> JSON, whole or as the events of a stream. Internal: public
// headers know no JSON library.

#ifndef LIBMINILLM_SERVE_ANSWER_H_
#define LIBMINILLM_SERVE_ANSWER_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libminillm/data/tokenizer.h"
#include "libminillm/generate/generation.h"

namespace minillm {

using AnswerJson = nlohmann::ordered_json;

// One line of JSON, valid UTF-8 whatever the texts are.
std::string to_line(const AnswerJson& json);

enum class AnswerKind { kChat, kCompletion };

// What all parts of an answer repeat.
struct AnswerHead {
  AnswerKind kind = AnswerKind::kChat;
  std::string id;     // "chatcmpl-...", "cmpl-..."
  std::string model;  // as it is asked for
  std::string fingerprint;
  int64_t created = 0;  // seconds since 1970
};

struct AnswerUsage {
  int64_t prompt_tokens = 0;      // of every prompt once, however many choices it has
  int64_t completion_tokens = 0;  // end tokens, which the model said, too, among them
  int64_t cached_tokens = 0;      // of the prompt tokens: not fed again
  double prompt_ms = 0;           // from the request to the first token
  double completion_ms = 0;       // from there to the end

  AnswerJson json() const;     // "usage"
  AnswerJson timings() const;  // "timings", as llama.cpp tells them
};

const char* finish_reason(StopReason reason);  // "stop", "length"

// A token with what the model gave it, before any sampling.
struct TokenScore {
  Token token = 0;
  std::optional<Real> log_prob;  // empty: of a text's first token, which nothing is before
  std::span<const ScoredToken> top = {};
};

// Chat: {"content": [{"token", "logprob", "bytes", "top_logprobs"}, ...], "refusal": null}.
AnswerJson chat_log_probs(const Tokenizer& tokenizer, std::span<const TokenScore> scores);
// Completions: {"tokens", "token_logprobs", "top_logprobs", "text_offset"}. `offset`: characters of
// the answer before the first of these tokens.
AnswerJson completion_log_probs(const Tokenizer& tokenizer, std::span<const TokenScore> scores,
                                int64_t offset);
// What a token adds to a text, as the interface names it: bytes that are no character are replaced,
// and of a control piece, which adds nothing, the piece.
std::string token_text(const Tokenizer& tokenizer, Token token);
int64_t count_characters(std::string_view utf8);

// One choice, complete.
struct AnswerChoice {
  std::string text;  // as shown: the prompt in front under echo
  std::string finish;
  AnswerJson log_probs;                   // null: not asked for
  std::optional<std::vector<Token>> ids;  // if asked for
};
// `own`: an object, what is said under "minillm"; its ids are added.
AnswerJson whole_answer(const AnswerHead& head, std::span<const AnswerChoice> choices,
                        const AnswerUsage& usage, AnswerJson own);

// A stream, event by event.
AnswerJson first_event(const AnswerHead& head, int64_t choice);  // of a chat: the role
AnswerJson text_event(const AnswerHead& head, int64_t choice, const std::string& text,
                      const AnswerJson& log_probs);
AnswerJson finish_event(const AnswerHead& head, int64_t choice, const AnswerChoice& end,
                        AnswerJson own);
AnswerJson usage_event(const AnswerHead& head, const AnswerUsage& usage);
std::string event_line(const AnswerJson& event);  // "data: {...}\n\n"
inline constexpr const char* kLastEvent = "data: [DONE]\n\n";
inline constexpr const char* kPing = ": ping\n\n";

}  // namespace minillm

#endif  // LIBMINILLM_SERVE_ANSWER_H_
