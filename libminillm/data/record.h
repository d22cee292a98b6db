// What a record of a data set means, whatever its format: text, conversation, or preference pair.

#ifndef LIBMINILLM_DATA_RECORD_H_
#define LIBMINILLM_DATA_RECORD_H_

#include <array>
#include <string>
#include <vector>

#include "libminillm/core/real.h"

namespace minillm {

enum class Role { kSystem, kUser, kAssistant, kTool };
inline constexpr std::array<Role, 4> kRoles = {Role::kSystem, Role::kUser, Role::kAssistant,
                                               Role::kTool};
const char* role_name(Role role);  // "system", "user", "assistant", "tool"

// What may be called: {"type": "function", "function": {"name", "description", "parameters"}},
// where the parameters are a JSON schema.
struct Tool {
  std::string name;
  std::string declaration;  // all of it, as JSON
};

// A call of a tool.
struct ToolCall {
  std::string name;
  std::string
      arguments;        // a JSON object: members in the order of the row, numbers as spelled there
  std::string id = {};  // by which a result may refer to it
};

struct Message {
  Role role = Role::kUser;
  std::string content;     // of kTool: the result of a call
  bool supervised = true;  // an assistant message is learned, or only context (loss_weight 0)
  std::vector<ToolCall> calls = {};  // the assistant's, after its content, which may then be empty
  std::string call_id = {};      // of kTool: whose result it is; empty: in the order of the calls
  std::vector<Tool> tools = {};  // of kSystem: what may be called from here on
};

// At least one assistant message, which is last; only supervised assistant messages carry loss.
struct Conversation {
  std::vector<Message> messages;
};

// Two answers to the same prompt, which ends with a user message or with what a tool returned.
// Where answers are judged one by one, a pair has only one of them, chosen if it is a good one, and
// the other is empty.
struct PreferencePair {
  std::vector<Message> prompt;
  std::string chosen;
  std::string rejected;
  double margin = 0;  // how much better the chosen one is, where the row says so
};

}  // namespace minillm

#endif  // LIBMINILLM_DATA_RECORD_H_
