#include "libminillm/data/tool_format.h"

#include <nlohmann/json.hpp>

#include "libminillm/core/check.h"
#include "libminillm/core/strict_json.h"
#include "libminillm/core/utf8.h"
#include "libminillm/data/python_literal.h"

namespace minillm {
namespace {

std::string quoted(const std::string& text) {
  size_t bad_byte = 0;
  MINILLM_CHECK(is_valid_utf8(text, &bad_byte), "tool: text is not UTF-8: byte {} is 0x{:02X}",
                bad_byte, static_cast<uint8_t>(text[bad_byte]));
  return nlohmann::json(text).dump();
}

std::string spelled(ToolFormat::Spelling spelling, const Tool& tool) {
  switch (spelling) {
    case ToolFormat::Spelling::kSignature:
      return tool_signature(tool);
    case ToolFormat::Spelling::kJson:
      return tool.declaration;
    case ToolFormat::Spelling::kPython:
      return python_of_json(tool.declaration);
    case ToolFormat::Spelling::kIndentedJson:
      break;
  }
  return parse_ordered_json(tool.declaration, fmt::format("tool '{}'", tool.name)).dump(4);
}

}  // namespace

void expect_writable(const ToolFormat* format, const std::string& name,
                     const std::vector<Message>& messages) {
  for (const Message& message : messages) {
    const bool calls = !message.calls.empty();
    if (message.role != Role::kTool && !calls && message.tools.empty()) continue;
    MINILLM_CHECK(format != nullptr,
                  "chat template '{}': cannot write tools (options.chat_template chooses one that "
                  "can)",
                  name);
    MINILLM_CHECK(!calls || format->takes_text || message.content.empty(),
                  "chat template '{}': cannot write a text beside a call", name);
    MINILLM_CHECK(!calls || format->takes_many || message.calls.size() == 1,
                  "chat template '{}': cannot write {} calls in one answer: expected one", name,
                  message.calls.size());
  }
}

std::string tool_signature(const Tool& tool) {
  const nlohmann::ordered_json declaration =
      parse_ordered_json(tool.declaration, fmt::format("tool '{}'", tool.name));
  std::string text;
  const auto& function = declaration.value("function", nlohmann::ordered_json::object());
  const auto parameters = function.find("parameters");
  if (parameters != function.end() && parameters->is_object() &&
      parameters->contains("properties") && (*parameters)["properties"].is_object()) {
    for (const auto& [name, schema] : (*parameters)["properties"].items()) {
      text += (text.empty() ? "" : ", ") + name;
      if (schema.is_object() && schema.contains("type") && schema["type"].is_string())
        text += ": " + schema["type"].get<std::string>();
    }
  }
  return tool.name + "(" + text + ")";
}

// Text that follows text is one with it.
void TurnBody::add(std::string_view text, bool control) {
  if (text.empty()) return;
  if (control || parts_.empty() || parts_.back().control)
    parts_.push_back({std::string(text), control});
  else
    parts_.back().text += text;
}

void TurnBody::put_before(const std::string& text) {
  if (text.empty()) return;
  if (parts_.empty() || parts_.front().control) parts_.insert(parts_.begin(), TurnPart());
  parts_.front().text.insert(0, text);
}

void TurnBody::written(std::string_view text) {
  while (!text.empty()) {
    size_t begin = text.npos, length = 0;
    for (const std::string& mark : format_->marks)
      if (const size_t found = text.find(mark); found < begin) {
        begin = found;
        length = mark.size();
      }
    add(text.substr(0, begin), false);
    if (begin == text.npos) return;
    add(text.substr(begin, length), true);
    text.remove_prefix(begin + length);
  }
}

void TurnBody::declare(const std::vector<Tool>& tools) {
  for (const Tool& tool : tools) {
    written(&tool == &tools.front() ? format_->tools_begin : format_->tools_between);
    content(spelled(format_->spelling, tool));
  }
  if (!tools.empty()) written(format_->tools_end);
}

void TurnBody::call(const std::vector<ToolCall>& calls) {
  for (const ToolCall& call : calls) {
    written(&call == &calls.front() ? format_->calls_begin : format_->calls_between);
    written(format_->call_begin);
    content(fmt::format("{{\"name\": {}, \"{}\": {}", quoted(call.name), format_->arguments_key,
                        call.arguments));
    if (format_->writes_ids) content(fmt::format(", \"id\": {}", quoted(call.id)));
    content("}");
    written(format_->call_end);
  }
  if (!calls.empty()) written(format_->calls_end);
}

void TurnBody::result(const Message& result) {
  written(format_->result_begin);
  content(format_->quotes_results ? quoted(result.content) : result.content);
  if (format_->writes_ids) content(fmt::format(", \"call_id\": {}}}", quoted(result.call_id)));
  written(format_->result_end);
}

}  // namespace minillm
