// The world's messages as those of a conversation. Internal.

#ifndef LIBMINILLM_EVAL_WORLD_MESSAGES_H_
#define LIBMINILLM_EVAL_WORLD_MESSAGES_H_

#include <vector>

#include "libminillm/data/record.h"
#include "libminillm/generate/prompts.h"  // parse_role
#include "libminillm/world/eval_set.h"

namespace minillm {

inline std::vector<Message> to_messages(const world::WorldMessages& world_messages) {
  std::vector<Message> messages;
  for (const world::WorldMessage& message : world_messages)
    messages.push_back({parse_role(message.role), message.content});
  return messages;
}

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_WORLD_MESSAGES_H_
