// Fields and messages of JSON rows: the part of record_formats.h that every format shares.

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/record_formats.h"

namespace minillm {
namespace {

constexpr std::array<std::pair<std::string_view, Role>, 10> kRoles = {
    {{"system", Role::kSystem},
     {"developer", Role::kSystem},
     {"user", Role::kUser},
     {"human", Role::kUser},
     {"prompter", Role::kUser},
     {"assistant", Role::kAssistant},
     {"gpt", Role::kAssistant},
     {"chatgpt", Role::kAssistant},
     {"bot", Role::kAssistant},
     {"model", Role::kAssistant}}};
constexpr std::array<std::string_view, 8> kToolRoles = {
    "tool",        "function", "function_call", "function_response",
    "observation", "ipython",  "tool_call",     "tool_response"};

const char* const kToolsUnsupported = "tool calls are not supported";

Role parse_role(const std::string& text) {
  std::string role = text;  // some write "User" and "Assistant"
  std::transform(role.begin(), role.end(), role.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  for (const auto& [name, meaning] : kRoles) {
    if (role == name) return meaning;
  }
  if (std::find(kToolRoles.begin(), kToolRoles.end(), role) != kToolRoles.end()) {
    throw BadRecord{kToolsUnsupported, fmt::format("role '{}'", text)};
  }
  throw BadRecord{"unknown role",
                  fmt::format("expected system, user (human) or assistant (gpt), got '{}'", text)};
}

BadRecord wrong_type(const char* key, const char* expected, const Json& got) {
  return {"wrong type", fmt::format("'{}': expected {}, got {}", key, expected, got.type_name())};
}

// A string, or a list of parts {"type": "text", "text" | "value": ...}, which are joined.
std::string parse_content(const Json& content, const char* key) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) throw wrong_type(key, "a string or a list of text parts", content);
  std::string text;
  for (const Json& part : content) {
    if (part.is_string()) {
      text += part.get<std::string>();
      continue;
    }
    const std::string type = optional_string_field(part, "type");
    if (type != "text")
      throw BadRecord{"content is not text", fmt::format("expected type 'text', got '{}'", type)};
    text += string_field(part, has_field(part, "text") ? "text" : "value");
  }
  return text;
}

bool has_tool_calls(const Json& message) {
  const char* key = find_key(message, {"tool_calls", "function_call"});
  return key != nullptr && !message[key].empty();
}

}  // namespace

const Json* find_field(const Json& row, const char* key) {
  if (!row.is_object()) return nullptr;
  const auto found = row.find(key);
  return found == row.end() || found->is_null() ? nullptr : &*found;
}

const char* find_key(const Json& row, std::initializer_list<const char*> keys) {
  const auto found =
      std::find_if(keys.begin(), keys.end(), [&](const char* key) { return has_field(row, key); });
  return found == keys.end() ? nullptr : *found;
}

std::string string_field(const Json& row, const char* key) {
  const Json* field = find_field(row, key);
  if (field == nullptr) throw BadRecord{fmt::format("missing '{}'", key), ""};
  if (!field->is_string()) throw wrong_type(key, "a string", *field);
  return field->get<std::string>();
}

std::string optional_string_field(const Json& row, const char* key) {
  return has_field(row, key) ? string_field(row, key) : "";
}

Message parse_message(const Json& message) {
  if (!message.is_object()) {
    throw BadRecord{"wrong type",
                    fmt::format("message: expected an object, got {}", message.type_name())};
  }
  const char* role_key = find_key(message, {"role", "from"});
  if (role_key == nullptr) throw BadRecord{"message without a role", "expected 'role' or 'from'"};
  Message parsed;
  parsed.role = parse_role(string_field(message, role_key));
  if (has_tool_calls(message)) throw BadRecord{kToolsUnsupported, "the message calls a tool"};
  const char* content_key = find_key(message, {"content", "value"});
  if (content_key == nullptr)
    throw BadRecord{"message without content", "expected 'content' or 'value'"};
  parsed.content = parse_content(message[content_key], content_key);

  const char* weight_key = find_key(message, {"loss_weight", "weight"});
  if (weight_key != nullptr && parsed.role == Role::kAssistant) {
    const Json& weight = message[weight_key];
    if (weight != 0 && weight != 1) {
      throw BadRecord{"unsupported loss weight",
                      fmt::format("'{}': expected 0 or 1, got {}", weight_key, weight.dump())};
    }
    parsed.supervised = weight == 1;
  }
  return parsed;
}

std::vector<Message> parse_messages(const Json& messages) {
  if (!messages.is_array()) {
    throw BadRecord{"wrong type",
                    fmt::format("messages: expected a list, got {}", messages.type_name())};
  }
  std::vector<Message> parsed;
  for (const Json& message : messages) parsed.push_back(parse_message(message));
  return parsed;
}

std::vector<Message> parse_preamble(const Json& row) {
  std::vector<Message> messages;
  const std::string system = optional_string_field(row, "system");
  if (!is_blank(system)) messages.push_back({Role::kSystem, system});
  const Json* history = find_field(row, "history");
  if (history == nullptr) return messages;
  if (!history->is_array()) throw wrong_type("history", "a list", *history);
  for (const Json& turn : *history) {
    if (!turn.is_array() || turn.size() != 2 || !turn[0].is_string() || !turn[1].is_string()) {
      throw BadRecord{"wrong type", "'history': expected pairs [question, answer]"};
    }
    messages.push_back({Role::kUser, turn[0].get<std::string>()});
    messages.push_back({Role::kAssistant, turn[1].get<std::string>()});
  }
  return messages;
}

std::vector<Message> parse_prompt(const Json& prompt) {
  if (prompt.is_array()) return parse_messages(prompt);
  if (!prompt.is_string()) throw wrong_type("prompt", "a string or a list of messages", prompt);
  return {{Role::kUser, std::string(trim(prompt.get_ref<const std::string&>()))}};
}

}  // namespace minillm
