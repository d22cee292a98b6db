// The forms of benchmark files whose records are items, one table entry each: to read another form,
// add an entry. Internal: not included by public headers.

#ifndef LIBMINILLM_EVAL_CHOICE_FORMS_H_
#define LIBMINILLM_EVAL_CHOICE_FORMS_H_

#include <span>
#include <string>
#include <string_view>

#include "libminillm/data/json_records.h"
#include "libminillm/eval/choice_items.h"

namespace minillm {

struct ItemForm {
  const char* name;
  bool (*matches)(const Json& record);
  ChoiceItem (*parse)(const Json& record);  // null: several records make an item
};

// The first entry that matches a file's first record is the file's form.
std::span<const ItemForm> choice_forms();
std::span<const ItemForm> continuation_forms();
// What they are, for messages.
inline constexpr const char* kChoiceKeys =
    "{sentence_good, sentence_bad}, {request, doc_id, idx, label}, a table of Question, Best "
    "Answer, Incorrect Answers, or {question, choices, answer}";
inline constexpr const char* kContinuationKeys =
    "plain text with a passage per line, {text}, {context, continuation}, or "
    "{request, doc_id, idx, label}";

// A field of a record, or nullptr; null counts as absent.
const Json* find_field(const Json& record, const char* key);
// Each throws BadRecord if the field is absent or of another type.
std::string text_of(const Json& record, const char* key);
std::string id_of(const Json& record, const char* key);             // "" if absent
size_t index_of(const Json& record, const char* key, size_t size);  // less than `size`
[[noreturn]] void fail_field(const char* key, const char* expected, const Json* got);

// Throws BadRecord if there is nothing to choose among, or an answer is empty.
void check_item(const ChoiceItem& item);
void check_choice(const Choice& choice);

// The passage without its last word, which is to be said.
ChoiceItem last_word(std::string_view passage, std::string id);

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_CHOICE_FORMS_H_
