// Parts of preference rows that several formats share. Internal: not included by public headers.

#ifndef LIBMINILLM_DATA_PREFERENCE_PARTS_H_
#define LIBMINILLM_DATA_PREFERENCE_PARTS_H_

#include <optional>
#include <string_view>
#include <vector>

#include "libminillm/data/record_formats.h"

namespace minillm {

using Messages = std::vector<Message>;

// What data sets call the two answers.
struct AnswerKeys {
  const char* chosen;
  const char* rejected;
};
// The names of which the row has either; nothing if it is no pair.
std::optional<AnswerKeys> answer_keys(const Row& row);

bool same_message(const Message& a, const Message& b);

// Two whole conversations that differ only in the last message: what precedes it is the prompt.
PreferencePair make_implicit_pair(const Row& row, Messages chosen, const Messages& rejected,
                                  Messages preamble = {});

// HH-RLHF's strings, "\n\nHuman: ...\n\nAssistant: ...".
bool is_dialogue(const Row& row, const char* key);
Messages parse_dialogue(std::string_view text);
PreferencePair parse_dialogues(const Row& row);

// {"chosen": "The sky is blue.", "rejected": "The sky is green."}: the prompt is what both begin
// with, up to the end of a word. Throws BadRecord if another key may hold it.
PreferencePair parse_common_beginning(const Row& row);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_PREFERENCE_PARTS_H_
