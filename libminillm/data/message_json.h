// Messages as the JSON that training and every chat API read: [{"role", "content"}, ...], with
// "tool_calls", and with "tools" in system messages, where there are some.

#ifndef LIBMINILLM_DATA_MESSAGE_JSON_H_
#define LIBMINILLM_DATA_MESSAGE_JSON_H_

#include <nlohmann/json.hpp>
#include <span>

#include "libminillm/data/record.h"

namespace minillm {

inline nlohmann::ordered_json messages_json(std::span<const Message> messages) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const Message& message : messages) {
    auto& object = json.emplace_back(
        nlohmann::ordered_json{{"role", role_name(message.role)}, {"content", message.content}});
    for (const ToolCall& call : message.calls)
      object["tool_calls"].push_back(
          {{"id", call.id},
           {"type", "function"},
           {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
    if (!message.call_id.empty()) object["tool_call_id"] = message.call_id;
    for (const Tool& tool : message.tools)
      object["tools"].push_back(nlohmann::ordered_json::parse(tool.declaration));
  }
  return json;
}

}  // namespace minillm

#endif  // LIBMINILLM_DATA_MESSAGE_JSON_H_
