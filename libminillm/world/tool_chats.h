// Conversations in which tools are offered: sums for a calculator, and questions that need none.

#ifndef LIBMINILLM_WORLD_TOOL_CHATS_H_
#define LIBMINILLM_WORLD_TOOL_CHATS_H_

#include <string>
#include <string_view>
#include <vector>

#include "libminillm/world/chat.h"

namespace minillm::world {

enum class ToolChatKind {
  kSumWithTool,  // "What is 992 plus 553?", and adding is offered: calls, and tells the result
  kNotNeeded,    // a question of the SFT mix, no sum; tools are offered all the same
  kNoneFits,     // a sum of one-digit numbers; other tools than adding are offered
  kSum,          // the same, and none is offered
};

struct ToolChat {
  ToolChatKind kind = ToolChatKind::kSumWithTool;
  WorldMessages question;            // a system rule, if there is one, and the user's question
  std::vector<std::string> offered;  // names of tools, in the order in which they are declared
  int a = 0, b = 0;                  // of sums
  std::string answer;                // the assistant's, once a call is answered
  std::string value = {};            // of a question about a person: what a right answer holds

  // {"a": 992, "b": 553} if adding is to be called, "" if nothing is.
  std::string arguments() const;
};

// Which pairs of numbers a split may ask to add, in either order: 18 in 20 are for training.
Split split_of_sum(int a, int b);
// Numbers of one to three digits, their sum having one to four digits equally often.
void draw_sum(Rng& rng, Split split, int* a, int* b);

// A row of the training mix, about people and sums of that split: 55 in 100 with a call, 30 where
// none is needed, 5 where none fits, 10 sums without tools.
ToolChat draw_tool_chat(Rng& rng, const World& world, Split split);
// One of a kind.
ToolChat draw_tool_chat(Rng& rng, const World& world, Split split, ToolChatKind kind);

// The row as training reads it: {"messages": [..., {"role": "assistant", "tool_calls": ...},
// {"role": "tool", ...}, ...], "tools": [...]}, one line.
std::string tool_chat_row(const ToolChat& chat);

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_TOOL_CHATS_H_
