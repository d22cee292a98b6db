// Messages as the JSON that training and every chat API read: [{"role", "content"}, ...].

#ifndef LIBMINILLM_DATA_MESSAGE_JSON_H_
#define LIBMINILLM_DATA_MESSAGE_JSON_H_

#include <nlohmann/json.hpp>
#include <span>

#include "libminillm/data/record.h"

namespace minillm {

inline nlohmann::ordered_json messages_json(std::span<const Message> messages) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const Message& message : messages)
    json.push_back({{"role", role_name(message.role)}, {"content", message.content}});
  return json;
}

}  // namespace minillm

#endif  // LIBMINILLM_DATA_MESSAGE_JSON_H_
