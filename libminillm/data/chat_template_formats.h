// Parts of which the chat templates are made. Internal: not included by public headers.

#ifndef LIBMINILLM_DATA_CHAT_TEMPLATE_FORMATS_H_
#define LIBMINILLM_DATA_CHAT_TEMPLATE_FORMATS_H_

#include <string>
#include <utility>

#include "libminillm/data/chat_template.h"

namespace minillm {

inline TurnPart control_part(std::string piece) { return {std::move(piece), true}; }
inline TurnPart text_part(std::string words) { return {std::move(words), false}; }
inline TurnFormat& turn_of(ChatTemplate& t, Role role) {
  return t.turns[static_cast<size_t>(role)];
}

// As a string in jinja.
std::string jinja_quoted(std::string words);

// Templates that write tools: chat_template_chatml.cc,
ChatTemplate chatml_space();  // this library's own
ChatTemplate qwen25();
ChatTemplate qwen3();
ChatTemplate qwen3_no_think();
// chat_template_smollm3.cc,
ChatTemplate smollm3();
ChatTemplate smollm3_no_think();
// chat_template_tools.cc.
ChatTemplate llama31();
ChatTemplate mistral_v3();
ChatTemplate mistral_nemo();

}  // namespace minillm

#endif  // LIBMINILLM_DATA_CHAT_TEMPLATE_FORMATS_H_
