// Tools in rows: what is declared, what is called, what is returned, in the spellings of data sets.

#include <algorithm>
#include <optional>

#include "libminillm/core/check.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/record_formats.h"
#include "libminillm/data/tool_json.h"

namespace minillm {
namespace {

// {"name": ..., "arguments": {...}}; the arguments may be a text.
ToolCall parse_call(const Row& call) {
  constexpr const char* kBadArguments = "tool call whose arguments are no JSON object";
  if (!call.has("name")) throw BadRecord{"tool call without a name", ""};
  ToolCall parsed{call.text("name"), "{}"};
  if (is_blank(parsed.name)) throw BadRecord{"tool call without a name", ""};
  const Json* arguments = call.use("arguments");
  if (arguments == nullptr || *arguments == Json::object()) return parsed;
  if (!arguments->is_string())
    throw BadRecord{kBadArguments, fmt::format("got {}", arguments->type_name())};
  const auto& text = arguments->get_ref<const std::string&>();
  if (is_blank(text)) return parsed;
  const std::optional<std::string> spelled = spelled_value(text);
  if (!spelled || !spelled->starts_with('{'))
    throw BadRecord{kBadArguments,
                    fmt::format("expected a JSON object, got '{}'", text.substr(0, 60))};
  parsed.arguments = *spelled;
  return parsed;
}

Tool parse_tool(const std::string& text) {
  const Json json = parse_json_record(text);
  const bool wrapped = json.is_object() && json.contains("function");
  const Json& function = wrapped ? json["function"] : json;
  if (!function.is_object() || !function.contains("name") || !function["name"].is_string())
    throw BadRecord{"declared tool without a name", text.substr(0, 60)};
  return {function["name"],
          wrapped ? text : fmt::format(R"({{"type": "function", "function": {}}})", text)};
}

bool is_call(const Message& message) {
  return message.role == Role::kAssistant && is_blank(message.content) && !message.calls.empty();
}

// A text and calls of one turn, which ShareGPT says in several.
void merge_calls(std::vector<Message>& messages) {
  std::vector<Message> merged;
  for (Message& message : messages) {
    if (is_call(message) && !merged.empty() && merged.back().role == Role::kAssistant &&
        merged.back().supervised == message.supervised) {
      merged.back().calls.insert(merged.back().calls.end(), message.calls.begin(),
                                 message.calls.end());
    } else {
      merged.push_back(std::move(message));
    }
  }
  messages = std::move(merged);
}

void expect_declared(const std::vector<Message>& messages) {
  std::vector<std::string> declared;
  for (const Message& message : messages) {
    for (const Tool& tool : message.tools) declared.push_back(tool.name);
    for (const ToolCall& call : message.calls) {
      // A row without declarations may have described them in its texts.
      if (declared.empty() ||
          std::find(declared.begin(), declared.end(), call.name) != declared.end())
        continue;
      throw BadRecord{
          "call of a tool that is not declared",
          fmt::format("expected one of {}, got '{}'", fmt::join(declared, ", "), call.name)};
    }
  }
}

// Puts the results that follow `calls`, up to `end`, in their order.
void order_results(const std::vector<ToolCall>& calls, std::vector<Message>::iterator begin,
                   std::vector<Message>::iterator end) {
  if (end - begin > static_cast<ptrdiff_t>(calls.size()))
    throw BadRecord{"more tool results than calls",
                    fmt::format("{} calls, {} results", calls.size(), end - begin)};
  const auto place_of = [&](const Message& result) {
    return std::find_if(calls.begin(), calls.end(),
                        [&](const ToolCall& call) { return call.id == result.call_id; });
  };
  const bool named = std::any_of(calls.begin(), calls.end(),
                                 [](const ToolCall& call) { return !call.id.empty(); });
  if (!named || std::any_of(begin, end, [](const Message& m) { return m.call_id.empty(); })) return;
  for (auto result = begin; result != end; ++result)
    if (place_of(*result) == calls.end())
      throw BadRecord{"tool result of a call that there is not", result->call_id};
  std::stable_sort(begin, end,
                   [&](const Message& a, const Message& b) { return place_of(a) < place_of(b); });
}

}  // namespace

std::vector<ToolCall> parse_calls(const Row& message) {
  std::vector<ToolCall> calls;
  if (const Json* list = message.use("tool_calls")) {
    if (!list->is_array()) throw BadRecord{"wrong type", "'tool_calls': expected a list"};
    for (const Json& element : *list) {
      const Row call = message.child(element);
      call.use("type");
      const Json* function = call.use("function");
      calls.push_back(parse_call(function == nullptr ? call : message.child(*function)));
      calls.back().id = call.optional_text("id");
    }
  }
  const Json* function = message.use("function_call");  // OpenAI's older form
  if (function != nullptr && !function->empty())
    calls.push_back(parse_call(message.child(*function)));
  return calls;
}

std::vector<ToolCall> parse_calls_text(const std::string& text, const RowMapping& mapping) {
  Json json;
  try {
    json = parse_json_record(text);
  } catch (const BadRecord& bad) {
    const std::optional<std::string> spelled = spelled_value(text);  // of Python
    if (!spelled) throw BadRecord{"tool call that is no JSON", bad.detail};
    json = parse_json_record(*spelled);
  }
  RowReading reading{mapping};  // of a value that ends here
  std::vector<ToolCall> calls;
  if (!json.is_array()) json = Json::array({std::move(json)});
  for (const Json& call : json) calls.push_back(parse_call(Row(call, reading)));
  if (calls.empty()) throw BadRecord{"tool call without a name", "an empty list"};
  return calls;
}

std::vector<Tool> parse_tools(const Row& row) {
  const char* key = row.first_of({"tools", "functions"});
  if (key == nullptr || !row.value().at(key).is_string()) return {};
  const auto& text = row.value().at(key).get_ref<const std::string&>();
  if (!trim(text).starts_with('[')) return {};  // it is named as unused
  row.use(key);
  return parse_tools_text(text);
}

std::vector<Tool> parse_tools_text(const std::string& text) {
  const std::optional<std::string> list = spelled_list(text);
  if (!list)
    throw BadRecord{"declared tools are no JSON list",
                    fmt::format("expected a JSON list, got '{}'", text.substr(0, 60))};
  std::vector<Tool> tools;
  for (const std::string& tool : elements_of(*list)) tools.push_back(parse_tool(tool));
  return tools;
}

void declare_tools(const Row& row, std::vector<Message>& messages) {
  std::vector<Tool> tools = parse_tools(row);
  if (tools.empty()) return;
  if (messages.empty() || messages.front().role != Role::kSystem)
    messages.insert(messages.begin(), {Role::kSystem, ""});
  messages.front().tools = std::move(tools);
}

void settle_tools(std::vector<Message>& messages) {
  merge_calls(messages);
  expect_declared(messages);
  for (auto message = messages.begin(); message != messages.end();) {
    if (message->role == Role::kTool) throw BadRecord{"tool result without a call", ""};
    const auto results = message + 1;
    const auto end = std::find_if(results, messages.end(),
                                  [](const Message& m) { return m.role != Role::kTool; });
    if (end == results && end != messages.end() && !message->calls.empty())
      throw BadRecord{"tool call without a result",
                      fmt::format("'{}'", message->calls.front().name)};
    if (end != results) {
      if (message->calls.empty()) throw BadRecord{"tool result without a call", ""};
      order_results(message->calls, results, end);
    }
    message = end;
  }
}

}  // namespace minillm
