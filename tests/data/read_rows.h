// Rows as a reader of data sets sees them, on one line each.

#ifndef TESTS_DATA_READ_ROWS_H_
#define TESTS_DATA_READ_ROWS_H_

#include <string>
#include <vector>

#include "libminillm/data/dataset_reader.h"
#include "tests/testing/temp_dir.h"

namespace minillm_testing {

using minillm::BadRecordPolicy;
using minillm::Conversation;
using minillm::Dataset;
using minillm::Message;
using minillm::PreferencePair;

// "user: hi | assistant: hello"; declared tools as "[name]", calls as "name({...})"
inline std::string show(const std::vector<Message>& messages) {
  std::string text;
  for (const Message& m : messages) {
    if (!text.empty()) text += " | ";
    text += std::string(role_name(m.role)) + (m.supervised ? ": " : " (context): ") + m.content;
    const char* separator = m.content.empty() && m.calls.empty() ? "" : " ";
    for (const minillm::Tool& tool : m.tools) text += separator + ("[" + tool.name + "]");
    for (const minillm::ToolCall& call : m.calls)
      text += separator + call.name + "(" + call.arguments + ")";
  }
  return text;
}

inline Dataset<Conversation> conversations(const std::string& rows,
                                           BadRecordPolicy policy = BadRecordPolicy::kError) {
  const TempDir directory;
  return read_conversations({directory.write("x.jsonl", rows)}, policy);
}
inline std::vector<std::string> shown(const std::string& rows) {
  std::vector<std::string> all;
  for (const Conversation& c : conversations(rows).records) all.push_back(show(c.messages));
  return all;
}
inline Dataset<PreferencePair> pairs(const std::string& rows,
                                     BadRecordPolicy policy = BadRecordPolicy::kError) {
  const TempDir directory;
  return read_preferences({directory.write("x.jsonl", rows)}, policy);
}
inline std::string shown_pair(const std::string& row) {
  const PreferencePair pair = pairs(row).records.at(0);
  return show(pair.prompt) + " -> " + pair.chosen + " / " + pair.rejected;
}

}  // namespace minillm_testing

#endif  // TESTS_DATA_READ_ROWS_H_
