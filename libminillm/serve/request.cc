#include "libminillm/serve/request.h"

#include <fmt/format.h>

#include <charconv>

#include "libminillm/core/strict_json.h"
#include "libminillm/serve/api_error.h"
#include "libminillm/serve/fields.h"
#include "libminillm/serve/messages.h"

namespace minillm {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxStops = 16;
constexpr double kMaxBias = 100;
constexpr int64_t kCompletionTokens = 16;  // where the request says nothing, as OpenAI has it

std::vector<std::string> parse_stop(const Fields& fields) {
  const Json* const stop = fields.find("stop");
  std::vector<std::string> result;
  if (stop == nullptr) return result;
  const Json list = stop->is_string() ? Json::array({*stop}) : *stop;
  const std::string expected = fmt::format("a string or up to {} of them, none empty", kMaxStops);
  if (!list.is_array() || list.size() > kMaxStops) fields.fail("stop", expected);
  for (const Json& text : list) {
    if (!text.is_string() || text.get_ref<const std::string&>().empty())
      fields.fail("stop", expected);
    result.push_back(text.get<std::string>());
  }
  return result;
}

std::map<Token, double> parse_logit_bias(const Fields& fields) {
  std::map<Token, double> result;
  const auto bias = fields.object("logit_bias");
  if (!bias) return result;
  for (const auto& member : fields.find("logit_bias")->items()) {
    const std::string& id = member.key();
    Token token = 0;
    const char* const end = id.data() + id.size();
    const auto [rest, error] = std::from_chars(id.data(), end, token);
    if (error != std::errc() || rest != end || token < 0)
      fail_field("logit_bias", "token ids as keys", id);
    result[token] = bias->number(id, -kMaxBias, kMaxBias).value_or(0);
  }
  return result;
}

void parse_sampling(const Fields& fields, SamplingConfig& sampling) {
  sampling.temperature = fields.number("temperature", 0, 2).value_or(sampling.temperature);
  sampling.top_p = fields.number("top_p", 0, 1).value_or(sampling.top_p);
  if (sampling.top_p == 0) fields.fail("top_p", "a number above 0, at most 1");
  sampling.top_k = fields.integer("top_k", 0, INT64_MAX).value_or(sampling.top_k);
  sampling.min_p = fields.number("min_p", 0, 1).value_or(sampling.min_p);
  const auto penalty = fields.number("repetition_penalty", 0, 100);
  if (penalty == 0.0) fields.fail("repetition_penalty", "a number above 0, at most 100");
  sampling.repetition_penalty = penalty.value_or(sampling.repetition_penalty);
  sampling.logit_bias = parse_logit_bias(fields);
}

// The schema as the body spells it: the order of its members is the order in which they are said.
std::string schema_text(std::string_view body) {
  return parse_ordered_json(body, "body")["response_format"]["json_schema"]["schema"].dump();
}

void parse_response_format(const Fields& fields, std::string_view body, TextRequest& request) {
  const auto format = fields.object("response_format");
  if (!format) return;
  const std::string type = format->string("type").value_or("");
  if (type == "text") return;
  using Kind = ConstraintText::Kind;
  if (type == "json_object") {
    request.constraint = {Kind::kJsonSchema, R"({"type":"object"})", "response_format"};
  } else if (type == "json_schema") {
    const auto schema = format->object("json_schema");
    if (!schema) format->fail("json_schema", "an object");
    if (!schema->object("schema")) schema->fail("schema", "an object");
    request.constraint = {Kind::kJsonSchema, schema_text(body),
                          "response_format.json_schema.schema"};
  } else {
    format->fail("type", "text, json_object or json_schema");
  }
}

// What is ours alone.
void parse_own(const Fields& fields, TextRequest& request) {
  const auto own = fields.object("minillm");
  if (!own) return;
  request.return_token_ids = own->boolean("return_token_ids").value_or(false);
  request.policy = own->boolean("policy");
  request.weights = own->string("weights").value_or("");
  const auto regex = own->string("regex");
  if (!regex) return;
  if (request.constraint) own->fail("regex", "no response_format with it");
  request.constraint = {ConstraintText::Kind::kRegex, *regex, "minillm.regex"};
}

// What both kinds have.
void parse_text_request(const Fields& fields, std::string_view body, int64_t least_tokens,
                        TextRequest& request) {
  request.model = fields.string("model").value_or("");
  parse_sampling(fields, request.config.sampling);
  request.config.stop = parse_stop(fields);
  request.max_tokens = fields.integer("max_tokens", least_tokens, INT64_MAX);
  if (const Json* const seed = fields.find("seed")) {
    if (!seed->is_number_unsigned()) fields.fail("seed", "an integer of 0 or more");
    request.seed = seed->get<uint64_t>();
  }
  request.choices = fields.integer("n", 1, kMaxChoices).value_or(1);
  request.stream = fields.boolean("stream").value_or(false);
  if (const auto options = fields.object("stream_options"))
    request.include_usage = options->boolean("include_usage").value_or(false);
  fields.refuse_unless("frequency_penalty", 0);
  fields.refuse_unless("presence_penalty", 0);
  parse_response_format(fields, body, request);
  parse_own(fields, request);
}

// Those of which one has to be called.
std::vector<Tool> parse_must_call(const Fields& fields, const std::vector<Tool>& tools) {
  const Json* const choice = fields.find("tool_choice");
  if (choice == nullptr || *choice == "auto") return {};
  if (tools.empty()) fields.fail("tool_choice", "\"tools\" with it");
  if (*choice == "required") return tools;
  const auto chosen = choice->is_object() ? fields.object("tool_choice") : std::nullopt;
  if (!chosen || chosen->string("type").value_or("") != "function" || !chosen->object("function"))
    fields.fail("tool_choice",
                "\"auto\", \"none\", \"required\", or {\"type\": \"function\", \"function\": "
                "{\"name\": ...}}");
  const Fields function = *chosen->object("function");
  const std::string name = function.string("name").value_or("");
  for (const Tool& tool : tools)
    if (tool.name == name) return {tool};
  function.fail("name", "one of the tools");
}

// The tools that may be called: none under tool_choice "none".
void parse_tool_choice(const Fields& fields, std::string_view body, ChatRequest& request) {
  for (const char* older : {"functions", "function_call"})
    if (fields.find(older) != nullptr) fields.fail(older, "\"tools\" and \"tool_choice\" instead");
  std::vector<Tool> tools;
  if (const Json* const list = fields.find("tools")) tools = parse_tools(*list, body);
  const Json* const choice = fields.find("tool_choice");
  if (choice != nullptr && *choice == "none") return;
  request.must_call = parse_must_call(fields, tools);
  request.parallel_calls = fields.boolean("parallel_tool_calls").value_or(true);
  request.tools = std::move(tools);
  if (request.tools.empty()) return;
  // What ends at a stop string may end within a call.
  if (!request.config.stop.empty()) fields.fail("stop", "none where tools may be called");
  const bool matches =
      request.constraint && request.constraint->kind == ConstraintText::Kind::kRegex;
  if (matches && !request.must_call.empty())
    fields.fail("tool_choice", "\"auto\" or \"none\" where the answer matches minillm.regex");
}

void parse_chat_log_probs(const Fields& fields, GenerationConfig& config) {
  config.log_probs = fields.boolean("logprobs").value_or(false);
  config.top_log_probs = fields.integer("top_logprobs", 0, kMaxTopLogProbs).value_or(0);
  if (config.top_log_probs > 0 && !config.log_probs)
    fields.fail("top_logprobs", "\"logprobs\": true with it");
}

// A text, ids, or a list of either.
void parse_prompts(const Fields& fields, CompletionRequest& request) {
  const std::string expected = "a string, an array of token ids, or an array of either";
  const Json* const prompt = fields.find("prompt");
  if (prompt == nullptr || !(prompt->is_string() || prompt->is_array()) || prompt->empty())
    fields.fail("prompt", expected);
  const bool one = prompt->is_string() || prompt->front().is_number();
  const Json list = one ? Json::array({*prompt}) : *prompt;
  for (const Json& item : list) {
    if (item.is_string())
      request.prompts.emplace_back(item.get<std::string>());
    else if (item.is_array())
      request.prompts.emplace_back(parse_token_ids(item, "prompt"));
    else
      fields.fail("prompt", expected);
  }
}

}  // namespace

ChatRequest parse_chat_request(std::string_view body, const GenerationConfig& defaults) {
  const Json json = parse_body(body);
  const Fields fields(json, "");
  ChatRequest request;
  request.config = defaults;
  parse_text_request(fields, body, 1, request);
  if (const auto own = fields.object("minillm")) request.notes = own->boolean("notes");
  const auto newer = fields.integer("max_completion_tokens", 1, INT64_MAX);
  if (newer) request.max_tokens = newer;
  parse_chat_log_probs(fields, request.config);
  parse_tool_choice(fields, body, request);
  fields.refuse_unless("modalities", Json::array({"text"}));
  const Json* const messages = fields.find("messages");
  request.messages = parse_messages(messages == nullptr ? Json() : *messages);
  return request;
}

CompletionRequest parse_completion_request(std::string_view body,
                                           const GenerationConfig& defaults) {
  const Json json = parse_body(body);
  const Fields fields(json, "");
  CompletionRequest request;
  request.config = defaults;
  request.echo = fields.boolean("echo").value_or(false);
  parse_text_request(fields, body, request.echo ? 0 : 1, request);
  if (!request.max_tokens) request.max_tokens = kCompletionTokens;
  const auto log_probs = fields.integer("logprobs", 0, kMaxTopLogProbs);
  request.config.log_probs = log_probs.has_value();
  request.config.top_log_probs = log_probs.value_or(0);
  request.config.prompt_log_probs = request.echo && log_probs.has_value();
  fields.refuse_unless("suffix", "");
  if (const auto own = fields.object("minillm")) own->refuse_unless("notes", false);
  fields.refuse_unless("best_of", request.choices);
  parse_prompts(fields, request);
  return request;
}

}  // namespace minillm
