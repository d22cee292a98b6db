#include "libminillm/eval/choice_forms.h"

#include <algorithm>

#include "libminillm/core/check.h"
#include "libminillm/data/bad_record.h"

namespace minillm {

void fail_field(const char* key, const char* expected, const Json* got) {
  throw BadRecord{"wrong or missing field",
                  fmt::format("'{}': expected {}, got {}", key, expected,
                              got == nullptr ? "nothing" : got->type_name())};
}

const Json* find_field(const Json& record, const char* key) {
  if (!record.is_object()) return nullptr;
  const auto found = record.find(key);
  return found == record.end() || found->is_null() ? nullptr : &*found;
}

std::string text_of(const Json& record, const char* key) {
  const Json* value = find_field(record, key);
  if (value == nullptr || !value->is_string()) fail_field(key, "a string", value);
  return value->get<std::string>();
}

std::string id_of(const Json& record, const char* key) {
  const Json* value = find_field(record, key);
  if (value == nullptr) return "";
  if (value->is_string()) return value->get<std::string>();
  if (!value->is_number_integer()) fail_field(key, "a string or an integer", value);
  return value->dump();
}

size_t index_of(const Json& record, const char* key, size_t size) {
  const Json* value = find_field(record, key);
  if (value == nullptr || !value->is_number_integer()) fail_field(key, "an integer", value);
  const bool within = value->is_number_unsigned() && value->get<uint64_t>() < size;
  if (!within)
    throw BadRecord{"wrong index",
                    fmt::format("'{}': expected 0 to {}, got {}", key, size - 1, value->dump())};
  return value->get<size_t>();
}

void check_choice(const Choice& choice) {
  if (is_blank(answer_text(choice)))
    throw BadRecord{"empty choice", "expected some text, got nothing but spaces"};
}

void check_item(const ChoiceItem& item) {
  if (item.choices.size() < 2)
    throw BadRecord{"nothing to choose",
                    fmt::format("expected at least 2 choices, got {} (a text to be continued is "
                                "another kind of file)",
                                item.choices.size())};
  for (const Choice& choice : item.choices) check_choice(choice);
}

ChoiceItem last_word(std::string_view passage, std::string id) {
  passage = trim(passage);
  const size_t space = std::min(passage.rfind(' '), passage.size());
  const bool one_word = space == passage.size();
  return {std::move(id),
          {{std::string(one_word ? "" : passage.substr(0, space)),
            std::string(one_word ? passage : passage.substr(space))}},
          0};
}

namespace {

const char* first_of(const Json& record, std::initializer_list<const char*> keys) {
  for (const char* key : keys)
    if (find_field(record, key) != nullptr) return key;
  return nullptr;
}

std::vector<std::string> texts_of(const Json& record, const char* key) {
  const Json* value = find_field(record, key);
  if (value == nullptr || !value->is_array()) fail_field(key, "a list of strings", value);
  std::vector<std::string> texts;
  for (const Json& text : *value) {
    if (!text.is_string()) fail_field(key, "a list of strings", &text);
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

// --- The forms of one record each --------------------------------------------------------------

ChoiceItem parse_blimp(const Json& record) {
  return {id_of(record, "pairID"),
          {{"", text_of(record, "sentence_good")}, {"", text_of(record, "sentence_bad")}},
          0};
}

ChoiceItem parse_truthful(const Json& record) {
  const std::string context = "Q: " + text_of(record, "Question") + "\nA:";
  ChoiceItem item{"", {{context, " " + std::string(trim(text_of(record, "Best Answer")))}}, 0};
  const std::string incorrect = text_of(record, "Incorrect Answers");
  for (size_t begin = 0; begin <= incorrect.size();) {
    const size_t end = std::min(incorrect.find(';', begin), incorrect.size());
    const std::string_view answer = trim(std::string_view(incorrect).substr(begin, end - begin));
    if (!answer.empty()) item.choices.push_back({context, " " + std::string(answer)});
    begin = end + 1;
  }
  return item;
}

// The right one of `choices`, by number, label or text.
size_t find_answer(const Json& record, const char* key, const std::vector<std::string>& choices,
                   std::vector<std::string> labels) {
  const Json& answer = *find_field(record, key);
  if (!answer.is_string()) return index_of(record, key, choices.size());
  const auto text = answer.get<std::string>();
  if (labels.empty())
    for (size_t i = 0; i < std::min<size_t>(choices.size(), 26); ++i)
      labels.emplace_back(1, static_cast<char>('A' + i));
  for (const auto& names : {labels, choices}) {
    const auto found = std::ranges::find(names, text);
    if (found == names.end()) continue;
    if (std::find(found + 1, names.end(), text) != names.end())
      throw BadRecord{"ambiguous answer", fmt::format("two choices are called '{}'", text)};
    return static_cast<size_t>(found - names.begin());
  }
  throw BadRecord{
      "unknown answer",
      fmt::format("'{}': expected a number from 0, one of the labels or of the choices, "
                  "got '{}'",
                  key, text)};
}

const char* question_key(const Json& record) {
  return first_of(record, {"question", "query", "context"});
}
const char* answer_key(const Json& record) {
  return first_of(record, {"answer", "answerKey", "label", "gold"});
}

ChoiceItem parse_question(const Json& record) {
  const char* question = question_key(record);
  if (question == nullptr) fail_field("question", "a string", nullptr);
  std::string context = text_of(record, question);
  if (std::string_view(question) == "question") context = "Question: " + context + "\nAnswer:";
  const Json* listed = find_field(record, "choices");
  const bool labelled = listed != nullptr && listed->is_object();
  const std::vector<std::string> texts =
      labelled ? texts_of(*listed, "text") : texts_of(record, "choices");
  const std::vector<std::string> labels =
      labelled ? texts_of(*listed, "label") : std::vector<std::string>();
  if (labelled && labels.size() != texts.size())
    throw BadRecord{"choices without labels",
                    fmt::format("expected a label for each of {} choices, "
                                "got {}",
                                texts.size(), labels.size())};
  ChoiceItem item{id_of(record, "id"), {}, 0};
  for (const std::string& text : texts) item.choices.push_back({context, " " + text});
  check_item(item);
  const char* answer = answer_key(record);
  if (answer == nullptr) fail_field("answer", "a number, a label or a choice", nullptr);
  item.right = find_answer(record, answer, texts, labels);
  return item;
}

ChoiceItem parse_continuation(const Json& record) {
  return {id_of(record, "id"), {{text_of(record, "context"), text_of(record, "continuation")}}, 0};
}

ChoiceItem parse_last_word(const Json& record) {
  return last_word(text_of(record, "text"), id_of(record, "id"));
}

bool is_request(const Json& record) { return find_field(record, "request") != nullptr; }

constexpr ItemForm kChoiceForms[] = {
    {"BLiMP", [](const Json& r) { return find_field(r, "sentence_good") != nullptr; }, parse_blimp},
    {"OLMo requests", is_request, nullptr},
    {"TruthfulQA", [](const Json& r) { return find_field(r, "Best Answer") != nullptr; },
     parse_truthful},
    {"questions", [](const Json& r) { return find_field(r, "choices") != nullptr; },
     parse_question}};
constexpr ItemForm kContinuationForms[] = {
    {"OLMo requests", is_request, nullptr},
    {"continuations", [](const Json& r) { return find_field(r, "continuation") != nullptr; },
     parse_continuation},
    {"last words", [](const Json& r) { return find_field(r, "text") != nullptr; },
     parse_last_word}};
}  // namespace

std::span<const ItemForm> choice_forms() { return kChoiceForms; }
std::span<const ItemForm> continuation_forms() { return kContinuationForms; }

}  // namespace minillm
