#include "libminillm/serve/messages.h"

#include <fmt/format.h>

#include "libminillm/serve/fields.h"

namespace minillm {
namespace {

using Json = nlohmann::json;

Role parse_message_role(const Fields& message) {
  const std::string role = message.string("role").value_or("");
  if (role == "system" || role == "developer") return Role::kSystem;
  if (role == "user") return Role::kUser;
  if (role == "assistant") return Role::kAssistant;
  message.fail("role", "system, developer, user or assistant");
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

}  // namespace

std::vector<Message> parse_messages(const Json& messages) {
  if (!messages.is_array() || messages.empty())
    fail_field("messages", "an array of one message or more", messages);
  std::vector<Message> result;
  for (size_t i = 0; i < messages.size(); ++i) {
    const Fields message(messages[i], fmt::format("messages[{}]", i));
    const Json* const calls = message.find("tool_calls");
    if (calls != nullptr && !(calls->is_array() && calls->empty()))
      message.fail("tool_calls", "none (tools are not supported)");
    const Role role = parse_message_role(message);
    result.push_back({role, parse_content(message)});
  }
  if (result.back().role != Role::kUser)
    fail_field("messages", "the last one to be the user's", messages.back());
  return result;
}

}  // namespace minillm
