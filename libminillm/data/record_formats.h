// The row formats of people's data sets, one table entry each: to read another format, add an
// entry. Internal: not included by public headers.

#ifndef LIBMINILLM_DATA_RECORD_FORMATS_H_
#define LIBMINILLM_DATA_RECORD_FORMATS_H_

#include <optional>
#include <string>
#include <vector>

#include "libminillm/data/dataset_reader.h"
#include "libminillm/data/record.h"
#include "libminillm/data/row.h"

namespace minillm {

// What a row is, judged by its keys alone; whether its values are right shows when it is parsed.
enum class RowKind { kText, kConversation, kPreference, kUnpaired, kUnknown };
RowKind row_kind(const Row& row);
// Throws BadRecord unless the row is of the expected kind; but Error, naming both kinds, if it is
// the first of its file (`report.format` is empty): then it is probably the wrong file. Unpaired
// rows may count as preferences.
void check_row_kind(const DatasetReport& report, const Row& row, RowKind expected,
                    bool takes_unpaired = false);

// `matches` looks at keys; `parse` throws BadRecord. The first entry that matches is taken.
template <typename Record>
struct RowFormat {
  const char* name;
  bool (*matches)(const Row& row);
  std::vector<Record> (*parse)(const Row& row);
};
using ConversationFormat = RowFormat<Conversation>;
using PreferenceFormat = RowFormat<PreferencePair>;
const ConversationFormat* find_conversation_format(const Row& row);  // or nullptr
// Of pairs, and of unpaired rows; or nullptr.
const PreferenceFormat* find_preference_format(const Row& row);

// One answer and a verdict on it (judged_answers.cc).
bool is_judged_answer(const Row& row);
std::vector<PreferencePair> parse_judged_answer(const Row& row);

// Messages in any spelling: {role | from, content | value}, the content a string or a list of text
// parts; or {from: function_call, value: a call}. Throws BadRecord on unknown roles.
Message parse_message(const Row& message);
// The messages of a list: objects with roles, turns {human, assistant}, or texts that alternate.
std::vector<Message> parse_messages(const Row& row, const Json& messages);
bool is_message(const Json& value);  // an object with a role
// The messages in a row's system prompt and "history" ([[question, answer], ...]).
std::vector<Message> parse_preamble(const Row& row);
// Anthropic's strings, "\n\nHuman: ...\n\nAssistant: ...".
bool is_dialogue(const Row& row, const char* key);
std::vector<Message> parse_dialogue(std::string_view text);
std::vector<Message> parse_dialogue_prompt(
    std::string_view text);  // without "Assistant:" at its end
bool same_message(const Message& a, const Message& b);
// Messages after the preamble; a system prompt that both say is said once.
std::vector<Message> with_preamble(const Row& row, std::vector<Message> messages);
// The reasoning beside a row's answer, in front of it if data.reasoning says so.
void add_row_reasoning(const Row& row, std::vector<Message>& messages);

// --- Tools (tool_rows.cc) ---
// The calls of {tool_calls: [...]} or {function_call: {...}}; none if there are none.
std::vector<ToolCall> parse_calls(const Row& message);
// ShareGPT's: {"name": ..., "arguments": {...}}, or a list of them, in JSON or as Python writes it.
std::vector<ToolCall> parse_calls_text(const std::string& text, const RowMapping& mapping);
// What {tools | functions: [...]} declares, which may also be a text; nothing if it is something
// else.
std::vector<Tool> parse_tools(const Row& row);
// The tools of a list, or of objects one after another. Throws BadRecord.
std::vector<Tool> parse_tools_text(const std::string& text);
// The row's tools become those of the system message, which is added where there is none.
void declare_tools(const Row& row, std::vector<Message>& messages);
// Merges neighbouring messages that are nothing but calls, and puts results in the order of the
// calls. Throws BadRecord on calls of what is not declared, and on results and calls that do not
// belong together.
void settle_tools(std::vector<Message>& messages);

// What texts say of tools between marks (marked_tools.cc), <tool_call> and the like: calls and
// results become those of messages, declarations those of the system message.
void read_tool_marks(const Row& row, std::vector<Message>& messages);
// Glaive's chats in one text (glaive_rows.cc), and xLAM's questions with calls (xlam_rows.cc).
bool is_glaive_row(const Row& row);
std::vector<Message> parse_glaive_row(const Row& row);
bool is_xlam_row(const Row& row);
std::vector<Message> parse_xlam_row(const Row& row);

// --- What is learned (learning_marks.cc) ---
// Whether a message says that it is to be learned, or not; nothing where it does not say.
std::optional<bool> message_mark(const Row& message);
// Throws BadRecord (harmless) if the whole row is marked not to be learned.
void expect_learned(const Row& row);
// The same, and takes from `messages` those that a list of the row says not to learn.
void apply_row_mask(const Row& row, std::vector<Message>& messages);

// The key that holds a row's question or prompt, or nullptr.
const char* question_key(const Row& row);
// The question: a string, with what belongs to it (input, context, ...) on lines of its own, or a
// list of messages. Plain strings are trimmed, as the template adds the space; but an Alpaca
// instruction is as it is.
std::vector<Message> parse_question(const Row& row, const char* key);

// The pairs that a row with several answers, which are scored or ranked, gives: best against worst.
bool has_ranked_answers(const Row& row);
std::vector<PreferencePair> parse_ranked_answers(const Row& row);
// OASST's trees of messages.
bool is_message_tree(const Row& row);
std::vector<Conversation> parse_tree_conversations(const Row& row);
std::vector<PreferencePair> parse_tree_pairs(const Row& row);

// System messages that say nothing are left out.
void erase_empty_system(std::vector<Message>& messages);
// Throws BadRecord if the message says nothing; what a tool returns may be empty.
void expect_content(const Message& message);
// Throws BadRecord if there is nothing to answer.
void expect_prompt(const std::vector<Message>& prompt);

// Checks a conversation, and cuts off what follows the last message to learn from.
Conversation make_conversation(std::vector<Message> messages);
// Checks a pair.
PreferencePair make_pair(const Row& row, std::vector<Message> prompt, std::string chosen,
                         std::string rejected);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_RECORD_FORMATS_H_
