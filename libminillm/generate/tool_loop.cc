#include "libminillm/generate/tool_loop.h"

#include <algorithm>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/data/tool_calls.h"

namespace minillm {

std::string run_tool_call(std::span<const CallableTool> tools, const ToolCall& call) {
  for (const CallableTool& tool : tools) {
    if (tool.declared.name != call.name) continue;
    try {
      return tool.run(call.arguments);
    } catch (const ToolError& error) {
      return "error: " + error.what;
    }
  }
  return fmt::format("error: there is no tool '{}'", call.name);
}

std::vector<Message> with_tools(std::vector<Message> messages,
                                std::span<const CallableTool> tools) {
  if (tools.empty()) return messages;
  if (messages.empty() || messages.front().role != Role::kSystem)
    messages.insert(messages.begin(), {Role::kSystem, ""});
  for (const CallableTool& tool : tools) messages.front().tools.push_back(tool.declared);
  return messages;
}

ToolLoop::ToolLoop(const Tokenizer& tokenizer, std::vector<CallableTool> tools,
                   std::vector<Message> messages, int max_rounds)
    : tokenizer_(&tokenizer),
      tools_(std::move(tools)),
      messages_(with_tools(std::move(messages), tools_)),
      rounds_left_(max_rounds) {
  MINILLM_CHECK(tokenizer.chat_template() != nullptr, "tools: {}",
                tokenizer.chat_template_problem());
  expect_writable(tokenizer.chat_template()->tools, tokenizer.chat_template()->id, messages_);
}

std::vector<Token> ToolLoop::prompt() const { return render_prompt(*tokenizer_, messages_); }

bool ToolLoop::take(const Generation& answer) {
  messages_.push_back(answer_message(*tokenizer_, answer));
  if (rounds_left_ == 0 || !run_tool_calls(tools_, messages_)) return false;
  --rounds_left_;
  return true;
}

Message answer_message(const Tokenizer& tokenizer, const Generation& answer) {
  if (answer.reason != StopReason::kStopString) return read_answer(tokenizer, answer.tokens);
  ToolCallReader reader(tokenizer);
  reader.push(answer.text);
  reader.finish();
  if (reader.broken()) return {Role::kAssistant, answer.text};
  Message message{Role::kAssistant, reader.text()};
  message.calls = reader.calls();
  return message;
}

bool run_tool_calls(std::span<const CallableTool> tools, std::vector<Message>& messages) {
  if (tools.empty() || messages.back().calls.empty()) return false;
  // A copy, since results are added beside the calls.
  for (const ToolCall& call : std::vector<ToolCall>(messages.back().calls))
    messages.push_back({Role::kTool, run_tool_call(tools, call)});
  return true;
}

}  // namespace minillm
