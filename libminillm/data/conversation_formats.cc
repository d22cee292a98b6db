// The row formats of conversations: one table entry each, the first that matches is taken.

#include <algorithm>
#include <array>

#include "libminillm/core/check.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/record_formats.h"

namespace minillm {
namespace {

const char* answer_key(const Row& row) {
  return row.first_of({"completion", "response", "output", "answer", "solution", "assistant", "gpt",
                       "reply", "a", "target_text", "output_text", "target", "targets", "outputs",
                       "answers"});
}

Conversation finished(const Row& row, std::vector<Message> messages) {
  apply_row_mask(row, messages);
  read_tool_marks(row, messages);  // a mask counts the messages of the row
  add_row_reasoning(row, messages);
  return make_conversation(std::move(messages));
}

// Where many data sets repeat a conversation's first question.
void use_repeated_prompt(const Row& row, const std::vector<Message>& messages) {
  const char* key = row.first_of({"prompt", "instruction", "question"});
  if (key == nullptr || !row.value().at(key).is_string()) return;
  const std::string_view prompt = trim(row.value().at(key).get_ref<const std::string&>());
  const auto repeats = [&](const Message& m) { return trim(m.content) == prompt; };
  if (std::any_of(messages.begin(), messages.end(), repeats)) row.use(key);
}

// {"messages": [...]} and its spellings, with an optional system prompt. An answer beside a list
// that has none belongs to it.
std::vector<Conversation> parse_message_list(const Row& row, const char* key) {
  std::vector<Message> messages = with_preamble(row, parse_messages(row, *row.use(key)));
  use_repeated_prompt(row, messages);
  const char* answer = answer_key(row);
  if (answer != nullptr && !messages.empty() && messages.back().role == Role::kUser)
    messages.push_back({Role::kAssistant, row.text(answer)});
  return {finished(row, std::move(messages))};
}

// The key of a list that is a conversation: of messages, turns, or texts that alternate.
const char* message_list_key(const Row& row) {
  for (const char* key :
       {"messages", "conversations", "conversation", "chat", "dialogue", "dialog", "turns"})
    if (row.has(key)) return key;
  return row.has("data") && row.value().at("data").is_array() ? "data" : nullptr;
}

std::vector<Conversation> parse_bare_array(const Row& row) {
  std::vector<Message> messages = parse_messages(row, row.value());
  read_tool_marks(row, messages);
  return {make_conversation(std::move(messages))};
}

// {"instruction": ..., "instances": [{"input": ..., "output": ...}, ...]}: one per instance.
std::vector<Conversation> parse_self_instruct(const Row& row) {
  const std::string instruction = row.text("instruction");
  const Json& instances = *row.use("instances");
  if (!instances.is_array()) throw BadRecord{"wrong type", "'instances': expected a list"};
  std::vector<Conversation> conversations;
  for (const Json& element : instances) {
    const Row instance = row.child(element);
    const std::string input = instance.optional_text("input");
    conversations.push_back(make_conversation(
        {{Role::kUser, is_blank(input) ? instruction : instruction + "\n" + input},
         {Role::kAssistant, instance.text("output")}}));
  }
  if (conversations.empty()) throw BadRecord{"no instances", ""};
  return conversations;
}

// Completions of a base model often hold the prompt that they continue. A short one may well begin
// its answer: "Blue." -> "Blue. is a colour".
void note_repeated_prompt(const Row& row, const std::vector<Message>& prompt,
                          std::string_view answer) {
  constexpr size_t kLong = 16;
  if (prompt.empty()) return;
  const std::string_view asked = trim(prompt.back().content);
  if (asked.size() >= kLong && trim(answer).starts_with(asked))
    row.note("the answer repeats the prompt, which would be learned with it");
}

// {"instruction" | "prompt" | ...: ..., "output" | "completion" | ...: ...}; strings, or lists of
// messages. Several answers are a conversation each.
std::vector<Conversation> parse_question_and_answer(const Row& row) {
  const char* asked = question_key(row);
  const char* answered = answer_key(row);
  if (answered == nullptr) throw BadRecord{"missing 'output'", ""};
  const std::vector<Message> messages = with_preamble(row, parse_question(row, asked));
  const Json& answer = *row.use(answered);
  const auto conversation_with = [&](const std::vector<Message>& answers) {
    std::vector<Message> all = messages;
    all.insert(all.end(), answers.begin(), answers.end());
    return finished(row, std::move(all));
  };
  if (answer.is_array() && !answer.empty() && !answer[0].is_string())
    return {conversation_with(parse_messages(row, answer))};
  const bool trimmed = std::string_view(asked) != "instruction";
  const auto conversation = [&](const std::string& text) {
    note_repeated_prompt(row, messages, text);
    return conversation_with({{Role::kAssistant, trimmed ? std::string(trim(text)) : text}});
  };
  if (!answer.is_array()) return {conversation(row.text(answered))};
  std::vector<Conversation> conversations;
  for (const Json& text : answer) {
    if (!text.is_string())
      throw BadRecord{"wrong type", fmt::format("'{}': expected texts", answered)};
    conversations.push_back(conversation(text.get<std::string>()));
  }
  if (conversations.empty()) throw BadRecord{fmt::format("'{}' is empty", answered), ""};
  return conversations;
}

bool has_list(const Row& row, std::string_view key) {
  const char* found = message_list_key(row);
  return found != nullptr && key == found;
}

bool has_turns(const Row& row) {
  const char* key = message_list_key(row);
  return key != nullptr && row.value().at(key).is_array() && !row.value().at(key).empty() &&
         row.value().at(key)[0].is_object() && !is_message(row.value().at(key)[0]);
}

constexpr std::array<ConversationFormat, 11> kFormats = {{
    {"openai messages", [](const Row& row) { return has_list(row, "messages"); },
     [](const Row& row) { return parse_message_list(row, "messages"); }},
    {"message arrays", [](const Row& row) { return row.value().is_array(); }, parse_bare_array},
    {"sharegpt", [](const Row& row) { return has_list(row, "conversations"); },
     [](const Row& row) { return parse_message_list(row, "conversations"); }},
    {"glaive chats", is_glaive_row,
     [](const Row& row) -> std::vector<Conversation> {
       return {finished(row, parse_glaive_row(row))};
     }},
    {"xlam", is_xlam_row,
     [](const Row& row) -> std::vector<Conversation> {
       return {finished(row, parse_xlam_row(row))};
     }},
    {"human and assistant turns", has_turns,
     [](const Row& row) { return parse_message_list(row, message_list_key(row)); }},
    {"conversation lists", [](const Row& row) { return message_list_key(row) != nullptr; },
     [](const Row& row) { return parse_message_list(row, message_list_key(row)); }},
    {"self-instruct", [](const Row& row) { return row.has("instruction") && row.has("instances"); },
     parse_self_instruct},
    {"message trees", is_message_tree, parse_tree_conversations},
    {"alpaca", [](const Row& row) { return row.has("instruction"); }, parse_question_and_answer},
    {"prompt and completion",
     [](const Row& row) { return question_key(row) != nullptr && answer_key(row) != nullptr; },
     parse_question_and_answer},
}};

// What stands beside a question and belongs to it, in the order in which it follows.
constexpr std::array<const char*, 8> kContextKeys = {
    "input", "inputs", "context", "passage", "document", "documents", "background", "paragraph"};

}  // namespace

void erase_empty_system(std::vector<Message>& messages) {
  std::erase_if(messages, [](const Message& m) {
    return m.role == Role::kSystem && is_blank(m.content) && m.tools.empty();
  });
}

void expect_content(const Message& message) {
  if (message.role != Role::kTool && is_blank(message.content) && message.calls.empty() &&
      message.tools.empty())
    throw BadRecord{fmt::format("{} message is empty", role_name(message.role)), ""};
}

void expect_prompt(const std::vector<Message>& prompt) {
  if (prompt.empty()) throw BadRecord{"prompt is empty", ""};
  for (const Message& message : prompt) expect_content(message);
  if (prompt.back().role != Role::kUser && prompt.back().role != Role::kTool)
    throw BadRecord{"prompt does not end with a user message",
                    fmt::format("it ends with the role {}", role_name(prompt.back().role))};
}

Conversation make_conversation(std::vector<Message> messages) {
  erase_empty_system(messages);
  settle_tools(messages);
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
    expect_content(message);
    asked = asked || message.role == Role::kUser;
    if (is_assistant(message) && !asked)
      throw BadRecord{"assistant message before the first user message", ""};
  }
  return {std::move(messages)};
}

const char* question_key(const Row& row) {
  const char* key = row.first_of({"instruction", "prompt", "query", "question", "problem", "user",
                                  "human", "q", "input_text", "user_input", "inputs", "input"});
  if (key != nullptr) return key;
  return row.has("source") && row.has("target") ? "source" : nullptr;
}

std::vector<Message> parse_question(const Row& row, const char* key) {
  const Json& own = *row.use(key);
  std::vector<Message> messages;
  if (own.is_array()) {
    messages = parse_messages(row, own);
  } else if (is_message(own)) {
    messages = {parse_message(row.child(own))};
  } else if (own.is_object() && own.contains("full_text")) {  // WebGPT
    messages = {{Role::kUser, std::string(trim(row.child(own).text("full_text")))}};
  } else if (!own.is_string()) {
    throw BadRecord{
        "wrong type",
        fmt::format("'{}': expected a string or a list of messages, got {}", key, own.type_name())};
  } else if (is_dialogue(row, key)) {
    messages = parse_dialogue_prompt(row.text(key));
  } else {
    const std::string text = row.text(key);
    messages = {
        {Role::kUser, std::string_view(key) == "instruction" ? text : std::string(trim(text))}};
  }
  if (messages.empty()) return messages;
  std::string& question = messages.back().content;
  for (const char* context : kContextKeys) {
    if (std::string_view(context) == key || !row.has(context)) continue;
    std::string text;
    if (const Json& value = row.value().at(context); value.is_array()) {
      if (!std::all_of(value.begin(), value.end(), [](const Json& e) { return e.is_string(); }))
        continue;  // named as unused
      for (const Json& part : *row.use(context))
        text += (text.empty() ? "" : "\n") + part.get<std::string>();
    } else if (value.is_object()) {
      continue;
    } else {
      text = row.text(context);
    }
    if (is_blank(text) || trim(text) == trim(question)) continue;
    question = is_blank(question) ? text : question + "\n" + text;
  }
  return messages;
}

const ConversationFormat* find_conversation_format(const Row& row) {
  const auto found =
      std::find_if(kFormats.begin(), kFormats.end(),
                   [&](const ConversationFormat& format) { return format.matches(row); });
  return found == kFormats.end() ? nullptr : &*found;
}

}  // namespace minillm
