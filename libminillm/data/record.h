// What a line of a data set means, whatever its format: a text, a conversation, or a preference
// pair.

#ifndef LIBMINILLM_DATA_RECORD_H_
#define LIBMINILLM_DATA_RECORD_H_

#include <string>
#include <vector>

#include "libminillm/core/real.h"

namespace minillm {

enum class Role { kSystem, kUser, kAssistant };
const char* role_name(Role role);  // "system", "user", "assistant"

struct Message {
  Role role = Role::kUser;
  std::string content;
  bool supervised =
      true;  // whether an assistant message is learnt, or only context (loss_weight 0)
};

// At least one assistant message, the last one; loss is on supervised assistant messages only.
struct Conversation {
  std::vector<Message> messages;
};

// Two answers to the same prompt. The prompt ends with a user message.
struct PreferencePair {
  std::vector<Message> prompt;
  std::string chosen;
  std::string rejected;
};

}  // namespace minillm

#endif  // LIBMINILLM_DATA_RECORD_H_
