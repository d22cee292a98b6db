// The row formats of preference pairs: one table entry each, the first that matches is taken.

#include <algorithm>
#include <array>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/preference_parts.h"

namespace minillm {
namespace {

// An answer: the messages it is made of, and whether it was a plain string.
struct Answer {
  Messages messages;
  bool plain = false;
};

Answer parse_answer(const Row& row, const char* key, const Json& value) {
  if (value.is_boolean())
    throw BadRecord{"wrong type", fmt::format("'{}': expected an answer, got a truth value", key)};
  if (value.is_object()) return {{parse_message(row.child(value))}};
  if (value.is_array()) {
    if (value.size() == 1 && value[0].is_string())
      return {{{Role::kAssistant, value[0].get<std::string>()}}, true};
    return {parse_messages(row, value)};
  }
  const std::string text =
      value.is_string() ? value.get<std::string>() : row.text(key);  // a number, as it is written
  return {{{Role::kAssistant, text}}, true};
}

Answer parse_answer(const Row& row, const char* key) {
  const Json* value = row.use(key);
  if (value == nullptr) throw BadRecord{fmt::format("missing '{}'", key), ""};
  return parse_answer(row, key, *value);
}

// The prompt and what goes on from it: messages of an answer may repeat the prompt's, or its end.
Messages continued(const Messages& prompt, const Messages& answer) {
  if (prompt.empty()) return answer;
  Messages whole = prompt;
  size_t shared = 0;
  if (!answer.empty() && answer.front().role != Role::kAssistant) {
    for (size_t n = std::min(prompt.size(), answer.size()); n > 0 && shared == 0; --n)
      if (std::equal(prompt.end() - static_cast<ptrdiff_t>(n), prompt.end(), answer.begin(),
                     same_message))
        shared = n;
    if (shared == 0) {
      // A plain prompt is a message of the conversation, mostly the last one of the user's.
      const bool inside = std::any_of(answer.begin(), answer.end(), [&](const Message& m) {
        return same_message(m, prompt.back());
      });
      if (inside && prompt.size() == 1) return answer;
      throw BadRecord{
          "prompt and conversation differ",
          "expected chosen and rejected to repeat the prompt, or to begin with the answer"};
    }
  }
  whole.insert(whole.end(), answer.begin() + static_cast<ptrdiff_t>(shared), answer.end());
  return whole;
}

bool ends_with_answer(const Row& row, const char* key) {
  const Json& list = row.value().at(key);
  if (!list.is_array() || list.empty() || !is_message(list.back())) return false;
  RowReading apart{row.reading().mapping};
  return parse_message(Row(list.back(), apart)).role == Role::kAssistant;
}

// {"prompt": ..., "chosen": ..., "rejected": ...} and its spellings. Plain strings lose the white
// space at both ends: the template adds its own.
PreferencePair pair_of(const Row& row, const Messages& prompt, bool plain_prompt, Answer chosen,
                       Answer rejected) {
  const auto is_plain = [](const Answer& answer) {
    return answer.messages.size() == 1 && answer.messages[0].role == Role::kAssistant;
  };
  if (!is_plain(chosen) || !is_plain(rejected)) {
    for (const auto& [answer, name] :
         {std::pair(&chosen, "chosen"), std::pair(&rejected, "rejected")})
      if (answer->messages.size() == 1 && !is_plain(*answer))
        throw BadRecord{
            "answer is not by the assistant",
            fmt::format("'{}' has the role {}", name, role_name(answer->messages[0].role))};
    return make_implicit_pair(row, continued(prompt, chosen.messages),
                              continued(prompt, rejected.messages));
  }
  for (const Answer* answer : {&chosen, &rejected}) {
    expect_learned(answer->messages[0]);
    expect_text(answer->messages[0]);
  }
  std::string a = chosen.messages[0].content, b = rejected.messages[0].content;
  if (plain_prompt) {
    a = std::string(trim(a));
    b = std::string(trim(b));
  }
  return make_pair(row, prompt, std::move(a), std::move(b));
}

// A list of texts is several answers, and as many pairs.
std::vector<Answer> answers_of(const Row& row, const char* key) {
  const Json* value = row.use(key);
  if (value == nullptr) throw BadRecord{fmt::format("missing '{}'", key), ""};
  const bool several =
      value->is_array() && value->size() > 1 &&
      std::all_of(value->begin(), value->end(), [](const Json& v) { return v.is_string(); });
  if (!several) return {parse_answer(row, key)};
  std::vector<Answer> answers;
  for (const Json& text : *value) answers.push_back(parse_answer(row, key, text));
  return answers;
}

std::vector<PreferencePair> parse_prompt_and_answers(const Row& row) {
  const AnswerKeys keys = *answer_keys(row);
  bool plain = false;
  const Messages prompt = pair_prompt(row, &plain);
  std::vector<PreferencePair> pairs;
  for (const Answer& chosen : answers_of(row, keys.chosen))
    for (const Answer& rejected : answers_of(row, keys.rejected))
      pairs.push_back(pair_of(row, prompt, plain, chosen, rejected));
  return pairs;
}

// {"messages": [..., {"role": "assistant", "content": chosen}], "rejected_response" |
// "rejected_messages": ...}
std::vector<PreferencePair> parse_whole_and_rejected(const Row& row) {
  const Messages chosen = with_preamble(row, parse_messages(row, *row.use("messages")));
  const char* key = row.first_of({"rejected_response", "rejected_messages", "rejected"});
  if (chosen.empty() || chosen.back().role != Role::kAssistant) {
    throw BadRecord{"answer does not end with an assistant message", ""};
  }
  const Messages prompt(chosen.begin(), chosen.end() - 1);
  std::vector<PreferencePair> pairs;
  for (const Answer& rejected : answers_of(row, key))
    pairs.push_back(make_implicit_pair(row, chosen, continued(prompt, rejected.messages)));
  return pairs;
}

bool is_message_list(const Row& row, const char* key) {
  return row.has(key) && row.value().at(key).is_array() && row.value().at(key).size() > 1 &&
         is_message(row.value().at(key)[0]);
}
bool has_answers(const Row& row) { return answer_keys(row).has_value(); }
bool has_prompt(const Row& row) {
  return question_key(row) != nullptr ||
         row.first_of({"conversations", "messages", "conversation", "context", "post", "task"});
}

constexpr std::array<PreferenceFormat, 13> kFormats = {{
    {"chosen_messages and rejected_messages",
     [](const Row& row) { return row.has("chosen_messages"); }, parse_prompt_and_answers},
    {"openai preferred_output",
     [](const Row& row) { return row.has("preferred_output") || row.has("non_preferred_output"); },
     parse_prompt_and_answers},
    {"messages and rejected_response",
     [](const Row& row) {
       return row.has("messages") && !row.has("chosen") && !row.has("chosen_response") &&
              row.first_of({"rejected_response", "rejected_messages", "rejected"});
     },
     parse_whole_and_rejected},
    {"question, response_j and response_k",
     [](const Row& row) { return row.has("response_j") || row.has("response_k"); },
     parse_prompt_and_answers},
    {"two answers and a choice", has_compared_answers, parse_compared_answers},
    {"chosen and rejected conversations",
     [](const Row& row) {
       return has_answers(row) && (is_message_list(row, answer_keys(row)->chosen) ||
                                   is_message_list(row, answer_keys(row)->rejected));
     },
     parse_prompt_and_answers},
    {"hh-rlhf dialogues",
     [](const Row& row) {
       return has_answers(row) && (is_dialogue(row, answer_keys(row)->chosen) ||
                                   (is_dialogue(row, "prompt") && row.has("chosen") &&
                                    row.value().at("chosen").is_string()));
     },
     [](const Row& row) { return std::vector{parse_dialogues(row)}; }},
    {"sharegpt preference",
     [](const Row& row) { return has_answers(row) && row.has("conversations"); },
     parse_prompt_and_answers},
    {"alpaca preference", [](const Row& row) { return has_answers(row) && row.has("instruction"); },
     parse_prompt_and_answers},
    {"prompt, chosen and rejected",
     [](const Row& row) { return has_answers(row) && has_prompt(row); }, parse_prompt_and_answers},
    {"chosen and rejected with a common beginning", has_answers,
     [](const Row& row) { return std::vector{parse_common_beginning(row)}; }},
    {"ranked answers", has_ranked_answers, parse_ranked_answers},
    {"an answer and a verdict", is_judged_answer, parse_judged_answer},
}};

}  // namespace

void expect_learned(const Message& answer) {
  if (!answer.supervised) throw BadRecord{"answer is marked not to be learned", "", true};
}

void expect_text(const Message& answer) {
  if (!answer.calls.empty()) throw BadRecord{"answer of a pair calls a tool", "expected a text"};
}

Messages pair_prompt(const Row& row, bool* plain) {
  const char* key = row.first_of({"conversations", "messages", "conversation"});
  // Some rows repeat the chosen conversation there: what ends with an answer is no prompt.
  if (key != nullptr && question_key(row) != nullptr && ends_with_answer(row, key)) {
    row.use(key);
    key = nullptr;
  }
  if (key == nullptr) key = question_key(row);
  if (key == nullptr) key = row.first_of({"context", "post", "task"});
  if (key == nullptr) return parse_preamble(row);
  const Json& own = row.value().at(key);
  Messages messages;
  if (own.is_object() && own.contains("messages")) {  // OpenAI's "input"
    const Row input = row.child(*row.use(key));
    messages = parse_messages(row, *input.use("messages"));
    declare_tools(input, messages);
  } else if (own.is_object() && !is_message(own) && !own.contains("full_text")) {
    throw BadRecord{fmt::format("missing '{}.messages'", key), ""};
  } else {
    messages = parse_question(row, key);
  }
  *plain = own.is_string() && std::string_view(key) != "instruction";
  return with_preamble(row, std::move(messages));
}

PreferencePair make_pair(const Row& row, std::vector<Message> prompt, std::string chosen,
                         std::string rejected) {
  erase_empty_system(prompt);
  settle_tools(prompt);
  expect_prompt(prompt);
  if (is_blank(chosen)) throw BadRecord{"chosen answer is empty", ""};
  if (is_blank(rejected)) throw BadRecord{"rejected answer is empty", ""};
  if (chosen == rejected) throw BadRecord{kIdenticalAnswers, "", /*harmless=*/true};
  expect_learned(row);
  note_contradictions(row);
  const std::string_view asked = trim(prompt.back().content);
  if (trim(chosen).starts_with(asked) && trim(rejected).starts_with(asked))
    row.note("both answers repeat the prompt, which would be learned with them");
  return {std::move(prompt), std::move(chosen), std::move(rejected), margin_of(row)};
}

const PreferenceFormat* find_preference_format(const Row& row) {
  if (is_message_tree(row)) {
    static constexpr PreferenceFormat kTrees = {"message trees", is_message_tree, parse_tree_pairs};
    return &kTrees;
  }
  const auto found =
      std::find_if(kFormats.begin(), kFormats.end(),
                   [&](const PreferenceFormat& format) { return format.matches(row); });
  return found == kFormats.end() ? nullptr : &*found;
}

}  // namespace minillm
