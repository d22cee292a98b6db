// A conversation in which tools are declared, called and answered, for tests.

#ifndef TESTS_DATA_TOOL_CONVERSATION_H_
#define TESTS_DATA_TOOL_CONVERSATION_H_

#include <string>
#include <vector>

#include "libminillm/data/tokenizer.h"
#include "libminillm/data/tool_format.h"

namespace minillm_testing {

inline minillm::Tool add_tool() {
  return {"add", R"({"type": "function", "function": {"name": "add", "description": "Adds.", )"
                 R"("parameters": {"type": "object", "properties": {"a": {"type": "integer"}, )"
                 R"("b": {"type": "integer"}}, "required": ["a", "b"]}}})"};
}

// With two calls in one answer, beside a text; or with what `format` can write of that.
inline std::vector<minillm::Message> tool_conversation(
    const minillm::ToolFormat* format = nullptr) {
  using minillm::Role;
  std::vector<minillm::Message> messages = {
      {Role::kSystem, "be kind"}, {Role::kUser, "2 and 3?"}, {Role::kAssistant, "See:"},
      {Role::kTool, "5"},         {Role::kTool, "noon"},     {Role::kAssistant, "5 at noon"}};
  messages[0].tools = {add_tool(),
                       {"clock", R"({"type": "function", "function": {"name": "clock"}})"}};
  messages[2].calls = {{"add", R"({"b": 3.0, "a": 2})"}, {"clock", "{}"}};
  if (format != nullptr && !format->takes_text) messages[2].content = "";
  if (format != nullptr && !format->takes_many) {
    messages[2].calls.pop_back();
    messages.erase(messages.begin() + 4);
  }
  return messages;
}

// The text of ids, control pieces shown.
inline std::string show_ids(const minillm::Tokenizer& tokenizer,
                            const std::vector<minillm::Token>& tokens) {
  std::string text;
  for (const minillm::Token token : tokens)
    text += tokenizer.is_control(token) ? tokenizer.piece(token) : tokenizer.token_bytes(token);
  return text;
}

}  // namespace minillm_testing

#endif  // TESTS_DATA_TOOL_CONVERSATION_H_
