// JSON forms that several of the world's files share. Internal: only .cc files include it.

#ifndef LIBMINILLM_WORLD_JSON_H_
#define LIBMINILLM_WORLD_JSON_H_

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "libminillm/core/strict_json.h"
#include "libminillm/world/chat.h"

namespace minillm::world {

// Keys stay in the order they were written in.
using Json = nlohmann::ordered_json;

inline Json messages_to_json(const WorldMessages& messages) {
  Json out = Json::array();
  for (const WorldMessage& message : messages) {
    out.push_back({{"role", message.role}, {"content", message.content}});
  }
  return out;
}

// Visits the lines of that split of a file of the world's evaluation. Throws Error naming file and
// line, also if there is none.
void for_each_eval_line(const std::string& path, Split split,
                        const std::function<void(const JsonObject&)>& visit);
// The messages of a line's member: a list of {"role", "content"}, not empty. Throws Error.
WorldMessages messages_of(const JsonObject& line, const char* key);

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_JSON_H_
