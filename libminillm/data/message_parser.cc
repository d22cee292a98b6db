// Messages of JSON rows, in the spellings of many data sets.

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/record_formats.h"

namespace minillm {
namespace {

constexpr std::array<std::pair<std::string_view, Role>, 19> kRoleNames = {
    {{"system", Role::kSystem},
     {"developer", Role::kSystem},
     {"user", Role::kUser},
     {"human", Role::kUser},
     {"prompter", Role::kUser},
     {"assistant", Role::kAssistant},
     {"gpt", Role::kAssistant},
     {"chatgpt", Role::kAssistant},
     {"bot", Role::kAssistant},
     {"model", Role::kAssistant},
     {"ai", Role::kAssistant},
     {"function_call", Role::kAssistant},
     {"tool_call", Role::kAssistant},
     {"tool", Role::kTool},
     {"function", Role::kTool},
     {"observation", Role::kTool},
     {"function_response", Role::kTool},
     {"tool_response", Role::kTool},
     {"ipython", Role::kTool}}};

std::string known_role(const std::string& text, const RowMapping& mapping) {
  const auto mapped = mapping.roles.find(text);
  std::string role = lower_case(mapped == mapping.roles.end() ? text : mapped->second);
  std::replace(role.begin(), role.end(), '-', '_');
  return role;
}

Role parse_role(const std::string& text, const RowMapping& mapping) {
  const std::string role = known_role(text, mapping);
  for (const auto& [name, meaning] : kRoleNames) {
    if (role == name) return meaning;
  }
  throw BadRecord{"unknown role",
                  fmt::format("expected system, user (human) or assistant (gpt), got '{}' "
                              "(data.roles says what others are)",
                              text)};
}

// Whether its content is a call.
bool is_call_role(const std::string& text, const RowMapping& mapping) {
  const std::string role = known_role(text, mapping);
  return role == "function_call" || role == "tool_call";
}

BadRecord wrong_type(const char* key, const char* expected, const Json& got) {
  return {"wrong type", fmt::format("'{}': expected {}, got {}", key, expected, got.type_name())};
}

// A string, or a list of parts {"type": "text", "text" | "value": ...}, which are joined.
std::string parse_content(const Row& message, const char* key) {
  const Json& content = *message.use(key);
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) throw wrong_type(key, "a string or a list of text parts", content);
  std::string text;
  for (const Json& element : content) {
    if (element.is_string()) {
      text += element.get<std::string>();
      continue;
    }
    const Row part = message.child(element);
    const std::string type = part.optional_text("type");
    if (type != "text")
      throw BadRecord{"content is not text", fmt::format("expected type 'text', got '{}'", type)};
    text += part.text(part.has("text") ? "text" : "value");
  }
  return text;
}

// What was thought before answering: left out and told, or in front of the answer.
void add_reasoning(const Row& row, const char* key, Message& answer) {
  answer.content = fmt::format("<think>\n{}\n</think>\n\n{}", trim(row.text(key)), answer.content);
}

void add_own_reasoning(const Row& message, Message& parsed) {
  const char* key =
      message.first_of({"reasoning_content", "reasoning", "thinking", "thought", "thoughts"});
  if (key == nullptr) return;
  if (message.reading().mapping.keep_reasoning) {
    add_reasoning(message, key, parsed);
  } else if (is_blank(parsed.content) && parsed.calls.empty()) {
    throw BadRecord{"assistant message holds only reasoning",
                    fmt::format("in '{}' (data.reasoning = \"think\" learns it)", key)};
  }
}

// {"human": ..., "assistant": ...}: both messages of a turn.
bool append_turn(const Row& turn, std::vector<Message>& messages) {
  const char* asked =
      turn.first_of({"human", "user", "question", "prompt", "input", "instruction"});
  const char* answered =
      turn.first_of({"assistant", "gpt", "bot", "answer", "response", "output", "completion"});
  if (asked == nullptr || answered == nullptr) return false;
  if (turn.has("system")) messages.push_back({Role::kSystem, turn.text("system")});
  messages.push_back({Role::kUser, turn.text(asked)});
  messages.push_back({Role::kAssistant, turn.text(answered)});
  messages.back().supervised = message_mark(turn).value_or(true);
  return true;
}

}  // namespace

bool is_message(const Json& value) {
  return value.is_object() && (value.contains("role") || value.contains("from"));
}

Message parse_message(const Row& message) {
  if (!message.value().is_object()) {
    throw BadRecord{"wrong type", fmt::format("message: expected an object, got {}",
                                              message.value().type_name())};
  }
  const char* role_key = message.first_of({"role", "from"});
  if (role_key == nullptr) throw BadRecord{"message without a role", "expected 'role' or 'from'"};
  Message parsed;
  parsed.role = parse_role(message.text(role_key), message.reading().mapping);
  parsed.calls = parse_calls(message);
  if (!parsed.calls.empty() && parsed.role != Role::kAssistant)
    throw BadRecord{"tool call that is not the assistant's",
                    fmt::format("by the role {}", role_name(parsed.role))};
  if (parsed.role == Role::kSystem) parsed.tools = parse_tools(message);
  if (parsed.role == Role::kTool) parsed.call_id = message.optional_text("tool_call_id");
  const char* content_key = message.first_of({"content", "value", "text"});
  if (content_key != nullptr) parsed.content = parse_content(message, content_key);
  if (is_call_role(message.text(role_key), message.reading().mapping)) {
    parsed.calls = parse_calls_text(parsed.content, message.reading().mapping);
    parsed.content.clear();
  }
  if (parsed.role == Role::kAssistant) add_own_reasoning(message, parsed);
  if (content_key == nullptr && parsed.content.empty() && parsed.calls.empty() &&
      parsed.tools.empty())
    throw BadRecord{"message without content", "expected 'content' or 'value'"};
  const std::optional<bool> learned = message_mark(message);
  if (parsed.role == Role::kAssistant) {
    parsed.supervised = learned.value_or(true);
  } else if (learned == true) {
    message.note("messages of other roles are marked to be learned; only the assistant's are");
  }
  return parsed;
}

std::vector<Message> parse_messages(const Row& row, const Json& messages) {
  if (!messages.is_array()) {
    throw BadRecord{"wrong type",
                    fmt::format("messages: expected a list, got {}", messages.type_name())};
  }
  std::vector<Message> parsed;
  Role next = Role::kUser;
  for (const Json& element : messages) {
    const Row message = row.child(element);
    if (element.is_string()) {  // question, answer, question, ...
      parsed.push_back({next, element.get<std::string>()});
      next = next == Role::kUser ? Role::kAssistant : Role::kUser;
    } else if (is_message(element) || !append_turn(message, parsed)) {
      parsed.push_back(parse_message(message));
    }
  }
  return parsed;
}

std::vector<Message> parse_dialogue(std::string_view text) {
  struct Marker {
    std::string_view text;
    Role role;
  };
  constexpr std::array<Marker, 2> kMarkers = {
      {{"\n\nHuman:", Role::kUser}, {"\n\nAssistant:", Role::kAssistant}}};
  const std::string padded = "\n\n" + std::string(trim(text));
  std::vector<Message> messages;
  for (size_t i = 0; i < padded.size();) {
    const std::string_view rest = std::string_view(padded).substr(i);
    const auto marker = std::find_if(kMarkers.begin(), kMarkers.end(),
                                     [&](const Marker& m) { return rest.starts_with(m.text); });
    if (marker != kMarkers.end()) {
      messages.push_back({marker->role, ""});
      i += marker->text.size();
    } else {
      if (messages.empty())
        throw BadRecord{"dialogue does not begin with 'Human:' or 'Assistant:'", ""};
      messages.back().content += padded[i++];
    }
  }
  for (Message& message : messages) message.content = std::string(trim(message.content));
  return messages;
}

std::vector<Message> parse_dialogue_prompt(std::string_view text) {
  std::vector<Message> messages = parse_dialogue(text);
  if (messages.back().role == Role::kAssistant && messages.back().content.empty())
    messages.pop_back();
  return messages;
}

bool is_dialogue(const Row& row, const char* key) {
  return row.has(key) && row.value().at(key).is_string() &&
         trim(row.value().at(key).get_ref<const std::string&>()).starts_with("Human:");
}

bool same_message(const Message& a, const Message& b) {
  return a.role == b.role && trim(a.content) == trim(b.content) &&
         std::equal(a.calls.begin(), a.calls.end(), b.calls.begin(), b.calls.end(),
                    [](const ToolCall& x, const ToolCall& y) {
                      return x.name == y.name && x.arguments == y.arguments;
                    });
}

void add_row_reasoning(const Row& row, std::vector<Message>& messages) {
  const char* key =
      row.first_of({"reasoning_content", "reasoning", "thinking", "thought", "thoughts",
                    "chain_of_thought", "cot", "complex_cot", "rationale"});
  if (key == nullptr || !row.reading().mapping.keep_reasoning || !row.value().at(key).is_string())
    return;
  if (!messages.empty() && messages.back().role == Role::kAssistant)
    add_reasoning(row, key, messages.back());
}

std::vector<Message> with_preamble(const Row& row, std::vector<Message> messages) {
  std::vector<Message> all = parse_preamble(row);
  if (!all.empty() && !messages.empty() && all.front().role == Role::kSystem &&
      same_message(all.front(), messages.front()))
    all.erase(all.begin());
  all.insert(all.end(), std::make_move_iterator(messages.begin()),
             std::make_move_iterator(messages.end()));
  declare_tools(row, all);
  return all;
}

std::vector<Message> parse_preamble(const Row& row) {
  std::vector<Message> messages;
  if (const char* key =
          row.first_of({"system", "system_prompt", "system_message", "system_instruction"})) {
    const std::string system = row.text(key);
    if (!is_blank(system)) messages.push_back({Role::kSystem, system});
  }
  const Json* history = row.use("history");
  if (history == nullptr) return messages;
  if (!history->is_array()) throw wrong_type("history", "a list", *history);
  for (const Json& turn : *history) {
    if (is_message(turn)) {
      messages.push_back(parse_message(row.child(turn)));
      continue;
    }
    if (!turn.is_array() || turn.size() != 2 || !turn[0].is_string() || !turn[1].is_string()) {
      throw BadRecord{"wrong type", "'history': expected pairs [question, answer]"};
    }
    messages.push_back({Role::kUser, turn[0].get<std::string>()});
    messages.push_back({Role::kAssistant, turn[1].get<std::string>()});
  }
  return messages;
}

}  // namespace minillm
