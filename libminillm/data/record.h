// What a record of a data set means, whatever its format: text, conversation, or preference pair.

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
  bool supervised = true;  // an assistant message is learned, or only context (loss_weight 0)
};

// At least one assistant message, which is last; only supervised assistant messages carry loss.
struct Conversation {
  std::vector<Message> messages;
};

// Two answers to the same prompt, which ends with a user message. Where answers are judged one by
// one, a pair has only one of them, chosen if it is a good one, and the other is empty.
struct PreferencePair {
  std::vector<Message> prompt;
  std::string chosen;
  std::string rejected;
  double margin = 0;  // how much better the chosen one is, where the row says so
};

}  // namespace minillm

#endif  // LIBMINILLM_DATA_RECORD_H_
