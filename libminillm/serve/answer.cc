#include "libminillm/serve/answer.h"

#include <algorithm>

#include "libminillm/core/utf8.h"

namespace minillm {
namespace {

using Json = AnswerJson;

Json head_json(const AnswerHead& head, const char* object) {
  return {{"id", head.id},
          {"object", object},
          {"created", head.created},
          {"model", head.model},
          {"system_fingerprint", head.fingerprint}};
}

const char* chunk_object(const AnswerHead& head) {
  return head.kind == AnswerKind::kChat ? "chat.completion.chunk" : "text_completion";
}

// A chunk with one choice.
Json chunk(const AnswerHead& head, int64_t choice, const Json& content, const Json& log_probs,
           const Json& finish) {
  Json json = head_json(head, chunk_object(head));
  Json one = {{"index", choice}};
  one.update(content);
  one["logprobs"] = log_probs;
  one["finish_reason"] = finish;
  json["choices"] = Json::array({one});
  return json;
}

Json content_json(const AnswerHead& head, const Json& delta, const std::string& text) {
  return head.kind == AnswerKind::kChat ? Json{{"delta", delta}} : Json{{"text", text}};
}

// The bytes of a token; null where it has none of its own.
Json bytes_json(const Tokenizer& tokenizer, Token token) {
  const std::string& bytes = tokenizer.token_bytes(token);
  if (bytes.empty()) return nullptr;
  Json json = Json::array();
  for (const char byte : bytes) json.push_back(static_cast<unsigned char>(byte));
  return json;
}

Json scored_json(const Tokenizer& tokenizer, Token token, Real log_prob) {
  return {{"token", token_text(tokenizer, token)},
          {"logprob", log_prob},
          {"bytes", bytes_json(tokenizer, token)}};
}

}  // namespace

std::string to_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json AnswerUsage::json() const {
  return {{"prompt_tokens", prompt_tokens},
          {"completion_tokens", completion_tokens},
          {"total_tokens", prompt_tokens + completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", cached_tokens}}}};
}

Json AnswerUsage::timings() const {
  return {{"cache_n", cached_tokens},
          {"prompt_n", prompt_tokens - cached_tokens},
          {"prompt_ms", prompt_ms},
          {"predicted_n", completion_tokens},
          {"predicted_ms", completion_ms}};
}

const char* finish_reason(StopReason reason) {
  return reason == StopReason::kMaxTokens || reason == StopReason::kContextFull ? "length" : "stop";
}

std::string token_text(const Tokenizer& tokenizer, Token token) {
  const std::string& bytes = tokenizer.token_bytes(token);
  return bytes.empty() ? tokenizer.piece(token) : replace_invalid_utf8(bytes);
}

int64_t count_characters(std::string_view utf8) {
  return std::ranges::count_if(
      utf8, [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; });
}

Json chat_log_probs(const Tokenizer& tokenizer, std::span<const TokenScore> scores) {
  Json content = Json::array();
  for (const TokenScore& score : scores) {
    Json entry = scored_json(tokenizer, score.token, score.log_prob.value_or(0));
    Json& top = entry["top_logprobs"] = Json::array();
    for (const ScoredToken& other : score.top)
      top.push_back(scored_json(tokenizer, other.token, other.log_prob));
    content.push_back(std::move(entry));
  }
  return {{"content", content}, {"refusal", nullptr}};
}

Json completion_log_probs(const Tokenizer& tokenizer, std::span<const TokenScore> scores,
                          int64_t offset) {
  Json tokens = Json::array(), log_probs = Json::array(), tops = Json::array();
  Json offsets = Json::array();
  for (const TokenScore& score : scores) {
    const std::string text = token_text(tokenizer, score.token);
    tokens.push_back(text);
    offsets.push_back(offset);
    if (!tokenizer.token_bytes(score.token).empty()) offset += count_characters(text);
    log_probs.push_back(score.log_prob ? Json(*score.log_prob) : Json(nullptr));
    Json top = Json::object();  // several tokens may read alike: the most probable one counts
    for (const ScoredToken& other : score.top)
      if (const std::string name = token_text(tokenizer, other.token); !top.contains(name))
        top[name] = other.log_prob;
    tops.push_back(score.top.empty() ? Json(nullptr) : top);
  }
  return {{"tokens", tokens},
          {"token_logprobs", log_probs},
          {"top_logprobs", tops},
          {"text_offset", offsets}};
}

Json whole_answer(const AnswerHead& head, std::span<const AnswerChoice> choices,
                  const AnswerUsage& usage, Json own) {
  const bool chat = head.kind == AnswerKind::kChat;
  Json json = head_json(head, chat ? "chat.completion" : "text_completion");
  Json list = Json::array(), ids = Json::array();
  for (const AnswerChoice& choice : choices) {
    Json one = {{"index", list.size()}};
    if (chat)
      one["message"] = {{"role", "assistant"}, {"content", choice.text}, {"refusal", nullptr}};
    else
      one["text"] = choice.text;
    one["logprobs"] = choice.log_probs;
    one["finish_reason"] = choice.finish;
    list.push_back(std::move(one));
    if (choice.ids) ids.push_back(*choice.ids);
  }
  json["choices"] = std::move(list);
  json["usage"] = usage.json();
  json["timings"] = usage.timings();
  if (!ids.empty()) own["token_ids"] = std::move(ids);
  json["minillm"] = std::move(own);
  return json;
}

Json first_event(const AnswerHead& head, int64_t choice) {
  const Json role = {{"role", "assistant"}, {"content", ""}};
  return chunk(head, choice, content_json(head, role, ""), nullptr, nullptr);
}

Json text_event(const AnswerHead& head, int64_t choice, const std::string& text,
                const Json& log_probs) {
  return chunk(head, choice, content_json(head, {{"content", text}}, text), log_probs, nullptr);
}

Json finish_event(const AnswerHead& head, int64_t choice, const AnswerChoice& end, Json own) {
  Json json =
      chunk(head, choice, content_json(head, Json::object(), ""), nullptr, Json(end.finish));
  if (end.ids) own["token_ids"] = *end.ids;
  json["minillm"] = std::move(own);
  return json;
}

Json usage_event(const AnswerHead& head, const AnswerUsage& usage) {
  Json json = head_json(head, chunk_object(head));
  json["choices"] = Json::array();
  json["usage"] = usage.json();
  json["timings"] = usage.timings();
  return json;
}

std::string event_line(const Json& event) { return "data: " + to_line(event) + "\n\n"; }

}  // namespace minillm
