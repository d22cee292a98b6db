#include "libminillm/serve/messages.h"

#include <fmt/format.h>

#include "libminillm/core/json_spelling.h"
#include "libminillm/core/strict_json.h"
#include "libminillm/serve/fields.h"

namespace minillm {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxDepth = 32;

Role parse_message_role(const Fields& message) {
  const std::string role = message.string("role").value_or("");
  if (role == "system" || role == "developer") return Role::kSystem;
  if (role == "user") return Role::kUser;
  if (role == "assistant") return Role::kAssistant;
  if (role == "tool") return Role::kTool;
  message.fail("role", "system, developer, user, assistant or tool");
}

// The texts of the parts, one after another.
std::string parse_parts(const Json& parts, const std::string& path) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Fields part(parts[i], fmt::format("{}[{}]", path, i));
    if (part.string("type") != "text") part.fail("type", "\"text\", the only kind that is read");
    const auto words = part.string("text");
    if (!words) part.fail("text", "a string");
    text += *words;
  }
  return text;
}

std::string parse_content(const Fields& message) {
  const Json* const content = message.find("content");
  if (content != nullptr && content->is_string()) return content->get<std::string>();
  if (content != nullptr && content->is_array())
    return parse_parts(*content, message.path_of("content"));
  message.fail("content", "a string or an array of text parts");
}

// A JSON object as text, as rows of training have it.
std::string parse_arguments(const Fields& function) {
  const std::string text = function.string("arguments").value_or("{}");
  try {
    std::string spelled = spelled_json(text, kMaxDepth);
    if (spelled.starts_with('{')) return spelled;
  } catch (const JsonFault&) {  // told below
  }
  function.fail("arguments", "a JSON object as text");
}

ToolCall parse_call(const Json& call, const std::string& path) {
  const Fields fields(call, path);
  if (fields.string("type").value_or("function") != "function") fields.fail("type", "function");
  const auto function = fields.object("function");
  if (!function) fields.fail("function", "an object");
  const std::string name = function->string("name").value_or("");
  if (name.empty()) function->fail("name", "a name");
  return {name, parse_arguments(*function), fields.string("id").value_or("")};
}

Message parse_message(const Fields& fields) {
  Message message{.role = parse_message_role(fields), .content = {}};
  if (const Json* const calls = fields.find("tool_calls")) {
    if (!calls->is_array() || (!calls->empty() && message.role != Role::kAssistant))
      fields.fail("tool_calls", "an array, of the assistant");
    for (size_t i = 0; i < calls->size(); ++i)
      message.calls.push_back(
          parse_call((*calls)[i], fmt::format("{}[{}]", fields.path_of("tool_calls"), i)));
  }
  if (message.calls.empty() || fields.find("content") != nullptr)
    message.content = parse_content(fields);
  if (message.role == Role::kTool) message.call_id = fields.string("tool_call_id").value_or("");
  return message;
}

}  // namespace

std::vector<Tool> parse_tools(const Json& tools, std::string_view body) {
  if (!tools.is_array()) fail_field("tools", "an array", tools);
  const nlohmann::ordered_json spelled = parse_ordered_json(body, "body")["tools"];
  std::vector<Tool> result;
  for (size_t i = 0; i < tools.size(); ++i) {
    const Fields tool(tools[i], fmt::format("tools[{}]", i));
    if (tool.string("type") != "function") tool.fail("type", "\"function\"");
    const auto function = tool.object("function");
    if (!function) tool.fail("function", "an object");
    const std::string name = function->string("name").value_or("");
    if (name.empty()) function->fail("name", "a name");
    function->object("parameters");
    result.push_back({name, spelled_json(spelled[i].dump(), kMaxDepth)});
  }
  return result;
}

std::vector<Message> parse_messages(const Json& messages) {
  if (!messages.is_array() || messages.empty())
    fail_field("messages", "an array of one message or more", messages);
  std::vector<Message> result;
  for (size_t i = 0; i < messages.size(); ++i) {
    result.push_back(parse_message(Fields(messages[i], fmt::format("messages[{}]", i))));
  }
  if (result.back().role != Role::kUser && result.back().role != Role::kTool)
    fail_field("messages", "the last one to be the user's or a tool's", messages.back());
  return result;
}

}  // namespace minillm
