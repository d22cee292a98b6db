// What the API is asked: JSON -> ChatRequest, CompletionRequest, with every check that needs no
// model.
//
// Fields are OpenAI's; ours are top_k, min_p, repetition_penalty, and what is under "minillm". What
// is null is absent; fields that nobody knows are ignored; those that are known and not supported
// are refused by name.

#ifndef LIBMINILLM_SERVE_REQUEST_H_
#define LIBMINILLM_SERVE_REQUEST_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "libminillm/data/record.h"
#include "libminillm/generate/generation.h"

namespace minillm {

inline constexpr int64_t kMaxChoices = 8;  // of one prompt
inline constexpr int64_t kMaxTopLogProbs = 20;

// What the text must obey.
struct ConstraintText {
  enum class Kind { kJsonSchema, kRegex } kind = Kind::kJsonSchema;
  std::string text;
  std::string field;  // that says it
};

// What both kinds have.
struct TextRequest {
  std::string model;  // empty: the first one
  // Of one choice: choice i of a prompt is drawn from Rng(seed, i). max_tokens: see below.
  GenerationConfig config = {};
  std::optional<uint64_t> seed = {};       // empty: any
  std::optional<int64_t> max_tokens = {};  // empty: to the end of the context
  int64_t choices = 1;                     // of every prompt: "n"
  bool stream = false;
  bool include_usage = false;       // in a stream: an event of its own, before the last
  bool return_token_ids = false;    // minillm.return_token_ids
  std::optional<bool> policy = {};  // minillm.policy: false: without the server's
  std::string weights = {};         // minillm.weights: what the model is expected to be rounded to
  // "response_format", or minillm.regex.
  std::optional<ConstraintText> constraint = {};
};

struct ChatRequest : TextRequest {
  std::vector<Message> messages;
  std::vector<Tool> tools = {};  // that may be called; empty: what looks like a call is text
  // The answer is a call of one of these: "tool_choice" required, or a function's name.
  std::vector<Tool> must_call = {};
  bool parallel_calls = true;      // else at most one
  std::optional<bool> notes = {};  // minillm.notes: look some up for the question
};

struct CompletionRequest : TextRequest {
  // Texts, which get what begins a text, or ids, which are taken as they are.
  std::vector<std::variant<std::string, std::vector<Token>>> prompts;
  bool echo = false;  // the prompt is part of the answer; max_tokens may be 0
};

// `defaults`: of what the request does not say. Throw ApiError 400, whose param is the field.
ChatRequest parse_chat_request(std::string_view body, const GenerationConfig& defaults);
CompletionRequest parse_completion_request(std::string_view body, const GenerationConfig& defaults);

}  // namespace minillm

#endif  // LIBMINILLM_SERVE_REQUEST_H_
