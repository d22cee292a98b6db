// The row formats of people's data sets, one table entry each: to read another format, add an
// entry. Internal: not included by public headers.

#ifndef LIBMINILLM_DATA_RECORD_FORMATS_H_
#define LIBMINILLM_DATA_RECORD_FORMATS_H_

#include <string>
#include <vector>

#include "libminillm/data/dataset_reader.h"
#include "libminillm/data/json_records.h"
#include "libminillm/data/record.h"

namespace minillm {

// What a row is, judged by its keys alone; whether its values are right shows when it is parsed.
enum class RowKind { kText, kConversation, kPreference, kUnpaired, kUnknown };
RowKind row_kind(const Json& row);
// Throws BadRecord unless the row is of the expected kind; but Error, naming both kinds, if it is
// the first of its file (`report.format` is empty): then it is probably the wrong file.
void check_row_kind(const DatasetReport& report, const Json& row, RowKind expected);

// `matches` looks at keys; `parse` throws BadRecord. The first entry that matches is taken.
struct ConversationFormat {
  const char* name;
  bool (*matches)(const Json& row);
  std::vector<Conversation> (*parse)(const Json& row);
};
const ConversationFormat* find_conversation_format(const Json& row);  // or nullptr
struct PreferenceFormat {
  const char* name;
  bool (*matches)(const Json& row);
  PreferencePair (*parse)(const Json& row);
};
const PreferenceFormat* find_preference_format(const Json& row);  // or nullptr

// Fields. A null counts as absent everywhere.
const Json* find_field(const Json& row, const char* key);  // or nullptr
inline bool has_field(const Json& row, const char* key) { return find_field(row, key) != nullptr; }
// The first key of the list that the row has, or nullptr.
const char* find_key(const Json& row, std::initializer_list<const char*> keys);
// The field's text. Throws BadRecord if it is missing or not a string.
std::string string_field(const Json& row, const char* key);
std::string optional_string_field(const Json& row, const char* key);  // "" if missing

// Messages in any spelling: {role | from, content | value}, the content a string or a list of text
// parts. Throws BadRecord on unknown roles, and on tool calls, which are not supported.
Message parse_message(const Json& message);
std::vector<Message> parse_messages(const Json& messages);
// The messages in a row's "system" and "history" ([[question, answer], ...]) fields.
std::vector<Message> parse_preamble(const Json& row);
// A prompt: a string or a list of messages. Plain strings are trimmed: the template adds the space.
std::vector<Message> parse_prompt(const Json& prompt);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_RECORD_FORMATS_H_
