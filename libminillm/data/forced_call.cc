#include "libminillm/data/forced_call.h"

#include <nlohmann/json.hpp>

#include "libminillm/core/check.h"
#include "libminillm/core/strict_json.h"
#include "libminillm/data/chat_template.h"

namespace minillm {
namespace {

using Json = nlohmann::ordered_json;

const ToolFormat& format_of(const Tokenizer& tokenizer) {
  const ChatTemplate* format = tokenizer.chat_template();
  MINILLM_CHECK(format != nullptr, "tokenizer: {}", tokenizer.chat_template_problem());
  MINILLM_CHECK(format->tools != nullptr, "chat template '{}': cannot write tools", format->id);
  return *format->tools;
}

}  // namespace

ForcedCall::ForcedCall(const Tokenizer& tokenizer)
    : tokenizer_(tokenizer), format_(format_of(tokenizer)) {}

std::vector<Token> ForcedCall::beginning() const {
  return render_answer_beginning(tokenizer_, format_.calls_begin + format_.call_begin);
}

// {"name": ..., "arguments": ...} in this order, of each tool.
std::string ForcedCall::schema(const std::vector<Tool>& tools) const {
  Json calls = Json::array();
  for (const Tool& tool : tools) {
    const Json declared = parse_ordered_json(tool.declaration, "tool '" + tool.name + "'");
    Json parameters = {
        {"type", "object"}, {"properties", Json::object()}, {"additionalProperties", false}};
    if (const auto function = declared.find("function"); function != declared.end())
      if (const auto found = function->find("parameters");
          found != function->end() && found->is_object() && !found->empty())
        parameters = *found;
    calls.push_back(
        {{"type", "object"},
         {"properties", {{"name", {{"const", tool.name}}}, {format_.arguments_key, parameters}}},
         {"required", {"name", format_.arguments_key}},
         {"additionalProperties", false}});
  }
  return (calls.size() == 1 ? calls.front() : Json{{"anyOf", calls}}).dump();
}

void ForcedCall::begin(ToolCallReader& reader) const {
  tell(reader, format_.calls_begin + format_.call_begin);
}
void ForcedCall::end(ToolCallReader& reader) const {
  tell(reader, format_.call_end + format_.calls_end);
}

void ForcedCall::tell(ToolCallReader& reader, const std::string& written) const {
  TurnBody body(&format_);
  body.written(written);
  for (const TurnPart& part : body.parts()) {
    if (part.control && tokenizer_.control(part.text) >= 0)
      reader.push_mark(part.text);
    else
      reader.push(part.text);
  }
}

}  // namespace minillm
