// Evaluation of tools: what is asked with and without them, and what a model's calls and answers
// are worth.

#ifndef LIBMINILLM_WORLD_TOOL_EVAL_H_
#define LIBMINILLM_WORLD_TOOL_EVAL_H_

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libminillm/world/scoring.h"
#include "libminillm/world/tool_chats.h"

namespace minillm::world {

// The questions of a split: 160 sums with a tool, the digits of their results as even as the pairs
// that are held out allow; 90 that need none; 40 sums that none fits, 40 without any. None twice.
// REQUIRES validation or test.
std::vector<ToolChat> make_tool_eval(const World& world, Split split);

// One JSON object a line: {"type": "tools", "split", "kind", "messages", "offered", "a", "b",
// "answer", "value"}.
std::string tool_eval_to_jsonl(const std::vector<ToolChat>& items, Split split);
// The items of that split of a file written so. Throws Error naming file and line.
std::vector<ToolChat> load_tool_eval(const std::string& path, Split split);

// What a model did: its calls, as name and arguments, and its last answer.
struct ToolOutcome {
  std::vector<std::pair<std::string, std::string>> calls;
  std::string text;
};

// Collects outcomes and yields the metrics (data/README.md defines each).
class ToolScore {
 public:
  void add(const ToolChat& item, const ToolOutcome& outcome);
  // In a fixed order; those without items have `of` 0.
  std::vector<WorldMetric> metrics() const;

 private:
  void count(const std::string& name, bool hit);

  std::map<std::string, WorldMetric, std::less<>> tallies_;
};

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_TOOL_EVAL_H_
