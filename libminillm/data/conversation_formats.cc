// The row formats of conversations: one table entry each, the first that matches is taken.

#include <algorithm>
#include <array>

#include "libminillm/core/check.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/record_formats.h"

namespace minillm {
namespace {

// Checks the messages, and cuts off what follows the last one to learn from. Consecutive messages
// of one role stay as they are.
Conversation make_conversation(std::vector<Message> messages) {
  std::erase_if(messages,
                [](const Message& m) { return m.role == Role::kSystem && is_blank(m.content); });
  const auto is_assistant = [](const Message& m) { return m.role == Role::kAssistant; };
  const auto is_learned = [](const Message& m) {
    return m.role == Role::kAssistant && m.supervised;
  };
  if (std::none_of(messages.begin(), messages.end(), is_assistant)) {
    throw BadRecord{"no assistant message", fmt::format("got {} messages", messages.size())};
  }
  while (!messages.empty() && !is_learned(messages.back())) messages.pop_back();
  if (messages.empty()) throw BadRecord{"every assistant message has loss weight 0", ""};

  bool asked = false;
  for (const Message& message : messages) {
    if (is_blank(message.content))
      throw BadRecord{fmt::format("{} message is empty", role_name(message.role)), ""};
    asked = asked || message.role == Role::kUser;
    if (is_assistant(message) && !asked)
      throw BadRecord{"assistant message before the first user message", ""};
  }
  return {std::move(messages)};
}

std::vector<Message> joined(std::vector<Message> first, const std::vector<Message>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

std::string alpaca_question(const std::string& instruction, const std::string& input) {
  return is_blank(input) ? instruction : is_blank(instruction) ? input : instruction + "\n" + input;
}

// {"messages": [...]} and {"conversations": [...]}, both with an optional "system".
std::vector<Conversation> parse_message_list(const Json& row, const char* key) {
  return {make_conversation(joined(parse_preamble(row), parse_messages(row[key])))};
}

// [{"role": ..., "content": ...}, ...]
std::vector<Conversation> parse_bare_array(const Json& row) {
  return {make_conversation(parse_messages(row))};
}

// {"conversation": [{"human": ..., "assistant": ...}, ...]}
std::vector<Conversation> parse_turns(const Json& row) {
  std::vector<Message> messages = parse_preamble(row);
  if (!row["conversation"].is_array())
    throw BadRecord{"wrong type", "'conversation': expected a list"};
  for (const Json& turn : row["conversation"]) {
    messages.push_back({Role::kUser, string_field(turn, "human")});
    messages.push_back({Role::kAssistant, string_field(turn, "assistant")});
  }
  return {make_conversation(std::move(messages))};
}

// {"instruction": ..., "instances": [{"input": ..., "output": ...}, ...]}: one per instance.
std::vector<Conversation> parse_self_instruct(const Json& row) {
  const std::string instruction = string_field(row, "instruction");
  if (!row["instances"].is_array()) throw BadRecord{"wrong type", "'instances': expected a list"};
  std::vector<Conversation> conversations;
  for (const Json& instance : row["instances"]) {
    conversations.push_back(make_conversation(
        {{Role::kUser, alpaca_question(instruction, optional_string_field(instance, "input"))},
         {Role::kAssistant, string_field(instance, "output")}}));
  }
  if (conversations.empty()) throw BadRecord{"no instances", ""};
  return conversations;
}

// {"instruction": ..., "input": ..., "output" | "response": ..., "system": ..., "history": ...}
std::vector<Conversation> parse_alpaca(const Json& row) {
  std::vector<Message> messages = parse_preamble(row);
  const std::string instruction = string_field(row, "instruction");
  messages.push_back(
      {Role::kUser, alpaca_question(instruction, optional_string_field(row, "input"))});
  messages.push_back(
      {Role::kAssistant, string_field(row, has_field(row, "response") ? "response" : "output")});
  return {make_conversation(std::move(messages))};
}

const char* prompt_key(const Json& row) { return find_key(row, {"prompt", "query", "question"}); }
const char* completion_key(const Json& row) {
  return find_key(row, {"completion", "response", "answer"});
}

// {"prompt": ..., "completion": ...} and its spellings; strings, or lists of messages. Plain
// strings lose the white space at both ends: the template adds its own.
std::vector<Conversation> parse_prompt_completion(const Json& row) {
  const Json& completion = row[completion_key(row)];
  std::vector<Message> messages = joined(parse_preamble(row), parse_prompt(row[prompt_key(row)]));
  if (completion.is_array())
    return {make_conversation(joined(std::move(messages), parse_messages(completion)))};
  const std::string answer = string_field(row, completion_key(row));
  messages.push_back({Role::kAssistant, std::string(trim(answer))});
  return {make_conversation(std::move(messages))};
}

constexpr std::array<ConversationFormat, 7> kFormats = {{
    {"openai messages", [](const Json& row) { return has_field(row, "messages"); },
     [](const Json& row) { return parse_message_list(row, "messages"); }},
    {"message arrays", [](const Json& row) { return row.is_array(); }, parse_bare_array},
    {"sharegpt", [](const Json& row) { return has_field(row, "conversations"); },
     [](const Json& row) { return parse_message_list(row, "conversations"); }},
    {"human and assistant turns", [](const Json& row) { return has_field(row, "conversation"); },
     parse_turns},
    {"self-instruct",
     [](const Json& row) { return has_field(row, "instruction") && has_field(row, "instances"); },
     parse_self_instruct},
    {"alpaca", [](const Json& row) { return has_field(row, "instruction"); }, parse_alpaca},
    {"prompt and completion",
     [](const Json& row) { return prompt_key(row) != nullptr && completion_key(row) != nullptr; },
     parse_prompt_completion},
}};

}  // namespace

const ConversationFormat* find_conversation_format(const Json& row) {
  const auto found =
      std::find_if(kFormats.begin(), kFormats.end(),
                   [&](const ConversationFormat& format) { return format.matches(row); });
  return found == kFormats.end() ? nullptr : &*found;
}

}  // namespace minillm
