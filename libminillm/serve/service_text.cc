// The routes that take texts: chats, completions, tokens.

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "libminillm/core/strict_json.h"
#include "libminillm/core/utf8.h"
#include "libminillm/core/version.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/generate/generator.h"  // encode_raw_prompt
#include "libminillm/serve/answering.h"
#include "libminillm/serve/api_error.h"
#include "libminillm/serve/fields.h"
#include "libminillm/serve/messages.h"
#include "libminillm/serve/request.h"
#include "libminillm/serve/service.h"

namespace minillm {
namespace {

using Json = AnswerJson;

constexpr size_t kMaxPrompts = 64;  // of one request

// 96 random bits.
std::string random_id() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}{:08x}", device(), device(), device());
}

// Whoever wants to know what a text is made of need not wait for one that no model can read: no
// token is longer than the longest piece.
void check_length(const ServedModel& model, std::string_view text) {
  const size_t most = static_cast<size_t>(model.context) * model.longest_token;
  if (text.size() > most)
    throw ApiError(400,
                   fmt::format("prompt: too long: expected at most {} bytes, which are {} tokens "
                               "at the least, got {}",
                               most, model.context, text.size()),
                   "", "context_length_exceeded");
}

// Puts the tools into the system message, or into one of their own.
void declare(ChatRequest& request) {
  if (request.tools.empty()) return;
  if (request.messages.front().role != Role::kSystem)
    request.messages.insert(request.messages.begin(),
                            Message{.role = Role::kSystem, .content = {}});
  request.messages.front().tools = std::move(request.tools);
}

bool is_strict(const Tool& tool) {
  const auto declared = parse_ordered_json(tool.declaration, tool.name);
  const auto function = declared.find("function");
  return function != declared.end() && function->value("strict", Json()) == true;
}

AnswerHead head_for(AnswerKind kind, const ServedModel& model) {
  return {.kind = kind,
          .id = (kind == AnswerKind::kChat ? "chatcmpl-" : "cmpl-") + random_id(),
          .model = model.name,
          .fingerprint =
              fmt::format("{}-{}-{}", kVersion, model.weights_hash.substr(0, 8), model.weights),
          .created = std::time(nullptr)};
}

// The library's errors about what was asked are the client's.
template <typename Call>
auto as_client_error(Call&& call) {
  try {
    return call();
  } catch (const ApiError&) {
    throw;
  } catch (const Error& error) {
    throw ApiError(400, error.what());
  }
}

AnswerPrompt prompt_of(const ServedModel& model, const std::string& text, bool echo) {
  check_length(model, text);
  return {encode_raw_prompt(model.tokenizer, text), echo ? text : ""};
}

AnswerPrompt prompt_of(const ServedModel& model, const std::vector<Token>& tokens, bool echo) {
  return {tokens, echo ? model.tokenizer.decode(tokens) : ""};
}

// Null: answers are told as the model gives them.
const Policy* screens_answers(const Policy* policy) {
  return policy != nullptr && policy->has_rules_for(PolicyPlace::kOutput) ? policy : nullptr;
}

// What is to be continued, screened in place as what is asked: the first rule that refuses one.
std::optional<PolicyVerdict> screen_prompts(
    const Policy& policy, std::vector<std::variant<std::string, std::vector<Token>>>& prompts) {
  for (auto& prompt : prompts) {
    std::string* const text = std::get_if<std::string>(&prompt);
    if (text == nullptr)
      throw ApiError(400, "prompt: expected a text: token ids pass by the server's policy",
                     "prompt");
    Policy::Screened screened = policy.screen(PolicyPlace::kInput, *text);
    if (screened.refused) return screened.refused;
    *text = std::move(screened.text);
  }
  return std::nullopt;
}

}  // namespace

// Weights are rounded when the server starts, not by request.
void Service::check_weights(const ServedModel& model, const TextRequest& request) {
  if (!request.weights.empty() && request.weights != model.weights)
    throw ApiError(
        400,
        fmt::format("minillm.weights: expected \"{}\", which the server rounds them to, got "
                    "\"{}\"",
                    model.weights, request.weights),
        "minillm.weights");
}

// Compiles what the text must obey.
void Service::constrain(const ServedModel& model, TextRequest& request) {
  if (!request.constraint) return;
  const auto& [kind, text, field] = *request.constraint;
  try {
    ConstraintCache& cache = cache_of(model);
    request.config.constraint =
        kind == ConstraintText::Kind::kRegex ? cache.regex(text) : cache.json_schema(text);
  } catch (const Error& error) {
    throw ApiError(400, error.what(), field, "unsupported_schema");
  }
}

// The same of an answer that may be a call. What nobody asked to be held stays as the model says
// it; an expression is of the whole answer, calls and all.
void Service::constrain_calls(const ServedModel& model, ChatRequest& request) {
  const std::optional<ConstraintText>& text = request.constraint;
  if (text && text->kind == ConstraintText::Kind::kRegex) return constrain(model, request);
  const bool must = !request.must_call.empty();
  if (!must && !text && request.parallel_calls && std::ranges::none_of(request.tools, is_strict))
    return;
  ToolAnswer answer = {must ? request.must_call : request.tools, must, request.parallel_calls};
  if (text) answer.schema = text->text;
  try {
    request.config.constraint = cache_of(model).tool_answer(answer);
  } catch (const Error& error) {
    const bool of_tools = std::string_view(error.what()).starts_with("tool '");
    throw ApiError(400, error.what(), of_tools || !text ? "tools" : text->field,
                   "unsupported_schema");
  }
}

ConstraintCache& Service::cache_of(const ServedModel& model) {
  return constraints_.try_emplace(model.engine, model.tokenizer).first->second;
}

// ---- answers ----

void Service::chat(Exchange& exchange) {
  ChatRequest request = parse_chat_request(exchange.request.body, config_.defaults);
  const ServedModel& model = models_->find(request.model);
  if (model.tokenizer.chat_template() == nullptr)
    throw ApiError(400, fmt::format("model '{}': {} (it continues texts: /v1/completions)",
                                    model.name, model.tokenizer.chat_template_problem()));
  check_weights(model, request);
  const bool reads_calls = !request.tools.empty();
  reads_calls ? constrain_calls(model, request) : constrain(model, request);
  request.config.constraint_after_space = true;
  const Policy* const policy = policy_for(request, true);
  std::optional<PolicyVerdict> refused;
  if (policy != nullptr) {
    auto screened = screen_chat(*policy, model, *thread_, exchange.owner, request.messages);
    request.messages = std::move(screened.messages);
    refused = std::move(screened.refused);
  }
  declare(request);
  std::optional<NotedPrompt> notes;
  AnswerPrompt prompt = refused ? AnswerPrompt() : chat_prompt(model, request, policy, notes);
  AnswerTask task{head_for(AnswerKind::kChat, model), std::move(request), {prompt}};
  task.notes = std::move(notes);
  task.reads_calls = reads_calls;
  task.policy = screens_answers(policy);
  task.refused = std::move(refused);
  answer(exchange, model, std::move(task));
}

// The policy that the request is under; null: none. What it cannot screen is refused.
const Policy* Service::policy_for(const TextRequest& request, bool chats) const {
  const Policy* const policy = config_.policy.get();
  if (policy == nullptr && request.policy.value_or(false))
    throw ApiError(400, "minillm.policy: expected false (the server has none), got true",
                   "minillm.policy");
  if (policy == nullptr) return nullptr;
  if (!request.policy.value_or(true)) {
    if (config_.policy_is_optional) return nullptr;
    throw ApiError(400, "minillm.policy: expected true (nobody may do without the server's policy)",
                   "minillm.policy");
  }
  const auto refuse = [](const char* field, const char* why) {
    throw ApiError(400, fmt::format("{}: expected none: {}", field, why), field);
  };
  if (!chats && policy->asks_model())
    refuse("prompt",
           "a rule of the server's policy asks a model that chats (/v1/chat/completions)");
  if (!policy->has_rules_for(PolicyPlace::kOutput)) return policy;
  if (request.config.log_probs)
    refuse("logprobs", "they would tell what the server's policy keeps back");
  if (request.return_token_ids)
    refuse("minillm.return_token_ids", "they would tell what the server's policy keeps back");
  return policy;
}

AnswerPrompt Service::chat_prompt(const ServedModel& model, const ChatRequest& request,
                                  const Policy* policy, std::optional<NotedPrompt>& notes) const {
  std::string all;
  for (const Message& message : request.messages) all += message.content;
  check_length(model, all);
  if (request.notes.value_or(false) && !config_.notes)
    throw ApiError(400, "minillm.notes: expected false (the server has none), got true",
                   "minillm.notes");
  if (!config_.notes || !request.notes.value_or(true))
    return as_client_error(
        [&] { return AnswerPrompt{render_prompt(model.tokenizer, request.messages)}; });
  std::vector<Note> found = config_.notes(question_of(request.messages), kMostNotes);
  if (policy != nullptr) found = policy->screen_notes(std::move(found));
  // Notes leave room for the answer, or half of the context if that is less.
  const Index room = std::min<Index>(request.max_tokens.value_or(model.context), model.context / 2);
  return as_client_error([&] {
    notes = fit_notes(model.tokenizer, request.messages, std::move(found), model.context - room);
    return AnswerPrompt{render_prompt(model.tokenizer, notes->messages)};
  });
}

void Service::complete(Exchange& exchange) {
  CompletionRequest request = parse_completion_request(exchange.request.body, config_.defaults);
  const ServedModel& model = models_->find(request.model);
  if (request.prompts.size() > kMaxPrompts)
    throw ApiError(400,
                   fmt::format("prompt: expected at most {} of them, got {}", kMaxPrompts,
                               request.prompts.size()),
                   "prompt");
  check_weights(model, request);
  constrain(model, request);
  if (request.stream && request.config.prompt_log_probs)
    throw ApiError(400, "stream: expected false where echo and logprobs score the prompt",
                   "stream");
  const Policy* const policy = policy_for(request, false);
  std::optional<PolicyVerdict> refused;
  if (policy != nullptr) refused = screen_prompts(*policy, request.prompts);
  std::vector<AnswerPrompt> prompts(refused ? request.prompts.size() : 0);
  as_client_error([&] {
    for (const auto& prompt : request.prompts)
      if (!refused)
        prompts.push_back(
            std::visit([&](const auto& p) { return prompt_of(model, p, request.echo); }, prompt));
  });
  const bool echo = request.echo;
  AnswerTask task{head_for(AnswerKind::kCompletion, model), std::move(request), std::move(prompts),
                  echo};
  task.policy = screens_answers(policy);
  task.refused = std::move(refused);
  answer(exchange, model, std::move(task));
}

void Service::answer(Exchange& exchange, const ServedModel& model, AnswerTask task) {
  // Short enough for any client's numbers, so that it can be given again.
  if (!task.request.seed) task.request.seed = std::random_device()();
  task.owner = exchange.owner;
  task.headers = exchange.headers;
  std::make_shared<Answering>(std::move(task), model, *thread_, exchange.responder)->start();
}

// ---- tokens ----

void Service::tokenize(Exchange& exchange) {
  const nlohmann::json json = parse_body(exchange.request.body);
  const Fields fields(json, "");
  const ServedModel& model = models_->find(fields.string("model").value_or(""));
  const auto content = fields.string("content");
  if (!content) fields.fail("content", "a string");
  check_length(model, *content);
  const bool pieces = fields.boolean("with_pieces").value_or(false);
  Json list = Json::array();
  for (const Token token : as_client_error([&] { return model.tokenizer.encode(*content); })) {
    if (!pieces) {
      list.push_back(token);
      continue;
    }
    const std::string& bytes = model.tokenizer.token_bytes(token);
    Json piece = bytes;
    if (!is_valid_utf8(bytes)) piece = std::vector<unsigned char>(bytes.begin(), bytes.end());
    list.push_back({{"id", token}, {"piece", piece}});
  }
  send_json(exchange, to_line({{"tokens", list}}));
}

void Service::detokenize(Exchange& exchange) {
  const nlohmann::json json = parse_body(exchange.request.body);
  const Fields fields(json, "");
  const ServedModel& model = models_->find(fields.string("model").value_or(""));
  const nlohmann::json* const tokens = fields.find("tokens");
  if (tokens == nullptr || !tokens->is_array()) fields.fail("tokens", "an array of token ids");
  const std::string text =
      as_client_error([&] { return model.tokenizer.decode(parse_token_ids(*tokens, "tokens")); });
  send_json(exchange, to_line({{"content", text}}));
}

void Service::apply_template(Exchange& exchange) {
  const nlohmann::json json = parse_body(exchange.request.body);
  const Fields fields(json, "");
  const ServedModel& model = models_->find(fields.string("model").value_or(""));
  const ChatTemplate* const format = model.tokenizer.chat_template();
  if (format == nullptr)
    throw ApiError(
        400, fmt::format("model '{}': {}", model.name, model.tokenizer.chat_template_problem()));
  const nlohmann::json* const messages = fields.find("messages");
  const std::string text = chat_template_text(
      *format, parse_messages(messages == nullptr ? nlohmann::json() : *messages), true);
  send_json(exchange, to_line({{"prompt", text}}));
}

// {"name", "arguments"}, as a model's call has them; what it returns is what the model is told.
void Service::call_tool(Exchange& exchange) {
  const nlohmann::json json = parse_body(exchange.request.body);
  const Fields fields(json, "");
  const ToolCall call = {fields.string("name").value_or(""),
                         fields.string("arguments").value_or("{}"), ""};
  if (config_.tools.empty()) throw ApiError(404, "tools: the server has none of its own");
  send_json(exchange, to_line({{"result", run_tool_call(config_.tools, call)}}));
}

}  // namespace minillm
