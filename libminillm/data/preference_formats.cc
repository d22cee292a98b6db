// The row formats of preference pairs: one table entry each, the first that matches is taken.

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/record_formats.h"

namespace minillm {
namespace {

PreferencePair make_pair(std::vector<Message> prompt, std::string chosen, std::string rejected) {
  std::erase_if(prompt,
                [](const Message& m) { return m.role == Role::kSystem && is_blank(m.content); });
  if (prompt.empty()) throw BadRecord{"prompt is empty", ""};
  for (const Message& message : prompt) {
    if (is_blank(message.content))
      throw BadRecord{fmt::format("{} message is empty", role_name(message.role)), ""};
  }
  if (prompt.back().role != Role::kUser) {
    throw BadRecord{"prompt does not end with a user message",
                    fmt::format("it ends with the role {}", role_name(prompt.back().role))};
  }
  if (is_blank(chosen)) throw BadRecord{"chosen answer is empty", ""};
  if (is_blank(rejected)) throw BadRecord{"rejected answer is empty", ""};
  if (chosen == rejected) throw BadRecord{kIdenticalAnswers, "", /*harmless=*/true};
  return {std::move(prompt), std::move(chosen), std::move(rejected)};
}

bool same_message(const Message& a, const Message& b) {
  return a.role == b.role && a.content == b.content;
}

// Two whole conversations that differ only in the last message: what precedes it is the prompt.
PreferencePair make_implicit_pair(std::vector<Message> chosen, const std::vector<Message>& rejected,
                                  std::vector<Message> preamble = {}) {
  for (const std::vector<Message>* side : {&std::as_const(chosen), &rejected}) {
    if (side->empty() || side->back().role != Role::kAssistant) {
      throw BadRecord{"answer does not end with an assistant message", ""};
    }
  }
  if (!std::equal(chosen.begin(), chosen.end() - 1, rejected.begin(), rejected.end() - 1,
                  same_message)) {
    throw BadRecord{"chosen and rejected differ before their last message", ""};
  }
  preamble.insert(preamble.end(), chosen.begin(), chosen.end() - 1);
  return make_pair(std::move(preamble), chosen.back().content, rejected.back().content);
}

// An answer: a string, an assistant message, or a list of one.
std::string parse_answer(const Json& row, const char* key) {
  const Json* answer = find_field(row, key);
  if (answer == nullptr) throw BadRecord{fmt::format("missing '{}'", key), ""};
  if (answer->is_array() && answer->size() == 1) answer = &(*answer)[0];
  if (!answer->is_object()) return string_field(row, key);
  Message message = parse_message(*answer);
  if (message.role != Role::kAssistant) {
    throw BadRecord{"answer is not by the assistant",
                    fmt::format("'{}' has the role {}", key, role_name(message.role))};
  }
  return message.content;
}

// The turns of an HH-RLHF string, "\n\nHuman: ...\n\nAssistant: ...".
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

bool is_dialogue(const Json& row, const char* key) {
  const Json* field = find_field(row, key);
  return field != nullptr && field->is_string() &&
         trim(field->get_ref<const std::string&>()).starts_with("Human:");
}

bool is_message_list(const Json& row, const char* key) {
  const Json* field = find_field(row, key);
  return field != nullptr && field->is_array() && (field->size() > 1);
}

PreferencePair parse_dialogues(const Json& row) {
  // If there is a prompt as well, the answers continue it.
  const std::string prompt = is_dialogue(row, "prompt") ? string_field(row, "prompt") : "";
  return make_implicit_pair(parse_dialogue(prompt + string_field(row, "chosen")),
                            parse_dialogue(prompt + string_field(row, "rejected")));
}

// {"chosen": "The sky is blue.", "rejected": "The sky is green."}: the prompt is what both begin
// with, up to the end of a word.
PreferencePair parse_common_beginning(const Json& row) {
  const std::string chosen = string_field(row, "chosen"), rejected = string_field(row, "rejected");
  const auto [differs, unused] =
      std::mismatch(chosen.begin(), chosen.end(), rejected.begin(), rejected.end());
  size_t common = static_cast<size_t>(differs - chosen.begin());
  while (common > 0 && !std::isspace(static_cast<unsigned char>(chosen[common - 1]))) --common;
  return make_pair({{Role::kUser, std::string(trim(chosen.substr(0, common)))}},
                   std::string(trim(chosen.substr(common))),
                   std::string(trim(rejected.substr(common))));
}

PreferencePair parse_whole_conversations(const Json& row, const char* chosen,
                                         const char* rejected) {
  for (const char* key : {chosen, rejected}) {
    if (!has_field(row, key)) throw BadRecord{fmt::format("missing '{}'", key), ""};
  }
  return make_implicit_pair(parse_messages(row[chosen]), parse_messages(row[rejected]),
                            parse_preamble(row));
}

PreferencePair parse_alpaca(const Json& row) {
  std::vector<Message> prompt = parse_preamble(row);
  const std::string instruction = string_field(row, "instruction"),
                    input = optional_string_field(row, "input");
  prompt.push_back({Role::kUser, is_blank(input) ? instruction : instruction + "\n" + input});
  return make_pair(std::move(prompt), parse_answer(row, "chosen"), parse_answer(row, "rejected"));
}

const char* prompt_key(const Json& row) {
  return find_key(row, {"conversations", "messages", "prompt", "question", "query"});
}

// {"prompt": ..., "chosen": ..., "rejected": ...} and its spellings. Plain strings lose the white
// space at both ends: the template adds its own.
PreferencePair parse_prompt_and_answers(const Json& row) {
  std::vector<Message> prompt = parse_preamble(row);
  const Json& own = row[prompt_key(row)];
  for (Message& message : parse_prompt(own)) prompt.push_back(std::move(message));
  std::string chosen = parse_answer(row, "chosen"), rejected = parse_answer(row, "rejected");
  if (own.is_string()) {
    chosen = std::string(trim(chosen));
    rejected = std::string(trim(rejected));
  }
  return make_pair(std::move(prompt), std::move(chosen), std::move(rejected));
}

PreferencePair parse_openai(const Json& row) {
  const Json* input = find_field(row, "input");
  if (input == nullptr || !has_field(*input, "messages"))
    throw BadRecord{"missing 'input.messages'", ""};
  return make_pair(parse_messages((*input)["messages"]), parse_answer(row, "preferred_output"),
                   parse_answer(row, "non_preferred_output"));
}

// {"messages": [..., {"role": "assistant", "content": chosen}], "rejected_response": ...}
PreferencePair parse_rejected_response(const Json& row) {
  std::vector<Message> prompt = parse_preamble(row);
  for (Message& message : parse_messages(row["messages"])) prompt.push_back(std::move(message));
  if (prompt.empty() || prompt.back().role != Role::kAssistant) {
    throw BadRecord{"answer does not end with an assistant message", ""};
  }
  const std::string chosen = prompt.back().content;
  prompt.pop_back();
  return make_pair(std::move(prompt), chosen, parse_answer(row, "rejected_response"));
}

PreferencePair parse_question_j_k(const Json& row) {
  return make_pair(parse_prompt(row["question"]), parse_answer(row, "response_j"),
                   parse_answer(row, "response_k"));
}

bool has_either(const Json& row, const char* a, const char* b) {
  return has_field(row, a) || has_field(row, b);
}
bool has_answers(const Json& row) { return has_either(row, "chosen", "rejected"); }

constexpr std::array<PreferenceFormat, 10> kFormats = {{
    {"chosen_messages and rejected_messages",
     [](const Json& row) { return has_either(row, "chosen_messages", "rejected_messages"); },
     [](const Json& row) {
       return parse_whole_conversations(row, "chosen_messages", "rejected_messages");
     }},
    {"openai preferred_output",
     [](const Json& row) { return has_either(row, "preferred_output", "non_preferred_output"); },
     parse_openai},
    {"messages and rejected_response",
     [](const Json& row) {
       return has_field(row, "messages") && has_field(row, "rejected_response");
     },
     parse_rejected_response},
    {"question, response_j and response_k",
     [](const Json& row) {
       return has_field(row, "question") && has_either(row, "response_j", "response_k");
     },
     parse_question_j_k},
    {"chosen and rejected conversations",
     [](const Json& row) {
       return is_message_list(row, "chosen") || is_message_list(row, "rejected");
     },
     [](const Json& row) { return parse_whole_conversations(row, "chosen", "rejected"); }},
    {"hh-rlhf dialogues",
     [](const Json& row) { return is_dialogue(row, "chosen") || is_dialogue(row, "prompt"); },
     parse_dialogues},
    {"sharegpt preference",
     [](const Json& row) { return has_answers(row) && has_field(row, "conversations"); },
     parse_prompt_and_answers},
    {"alpaca preference",
     [](const Json& row) { return has_answers(row) && has_field(row, "instruction"); },
     parse_alpaca},
    {"prompt, chosen and rejected",
     [](const Json& row) { return has_answers(row) && prompt_key(row) != nullptr; },
     parse_prompt_and_answers},
    {"chosen and rejected with a common beginning", has_answers, parse_common_beginning},
}};

}  // namespace

const PreferenceFormat* find_preference_format(const Json& row) {
  const auto found =
      std::find_if(kFormats.begin(), kFormats.end(),
                   [&](const PreferenceFormat& format) { return format.matches(row); });
  return found == kFormats.end() ? nullptr : &*found;
}

}  // namespace minillm
