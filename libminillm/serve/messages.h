// Messages and tools of a chat, from the API's JSON. Internal: public headers know no JSON library.

#ifndef LIBMINILLM_SERVE_MESSAGES_H_
#define LIBMINILLM_SERVE_MESSAGES_H_

#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "libminillm/data/record.h"

namespace minillm {

// [{"role": system | developer | user | assistant | tool,
//   "content": TEXT | [{"type": "text", "text"}],
//   "tool_calls": [{"id", "type": "function", "function": {"name", "arguments": JSON AS TEXT}}],
//   "tool_call_id"}]; an assistant with calls needs no content.
// The last one is the user's, or what a tool returned. Throws ApiError 400 naming the message.
std::vector<Message> parse_messages(const nlohmann::json& messages);

// [{"type": "function", "function": {"name", "description", "parameters": SCHEMA}}] of a body whose
// "tools" these are: declared as the body spells them. Throws ApiError 400.
std::vector<Tool> parse_tools(const nlohmann::json& tools, std::string_view body);

}  // namespace minillm

#endif  // LIBMINILLM_SERVE_MESSAGES_H_
