// Messages of a chat, from the API's JSON. Internal: public headers know no JSON library.

#ifndef LIBMINILLM_SERVE_MESSAGES_H_
#define LIBMINILLM_SERVE_MESSAGES_H_

#include <nlohmann/json.hpp>
#include <vector>

#include "libminillm/data/record.h"

namespace minillm {

// [{"role": system | developer | user | assistant, "content": TEXT | [{"type": "text", "text"}]}].
// Throws ApiError 400 naming the message.
std::vector<Message> parse_messages(const nlohmann::json& messages);

}  // namespace minillm

#endif  // LIBMINILLM_SERVE_MESSAGES_H_
