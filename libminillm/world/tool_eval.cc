#include "libminillm/world/tool_eval.h"

#include <algorithm>
#include <array>
#include <set>

#include "libminillm/core/check.h"
#include "libminillm/world/json.h"
#include "libminillm/world/questions.h"
#include "libminillm/world/wording.h"

namespace minillm::world {
namespace {

constexpr std::array<std::string_view, 4> kKinds = {"sum_with_tool", "not_needed", "none_fits",
                                                    "sum"};
constexpr std::array<int, 4> kCounts = {160, 90, 40, 40};  // in the order of ToolChatKind
constexpr std::array<std::string_view, 10> kMetricNames = {
    "sum_with_tool_accuracy",   "sum_call_accuracy",          "sum_with_tool_accuracy_1",
    "sum_with_tool_accuracy_2", "sum_with_tool_accuracy_3",   "sum_with_tool_accuracy_4",
    "tool_not_needed_rate",     "answer_accuracy_with_tools", "tool_called_when_none_fits",
    "sum_without_tool_accuracy"};

size_t digits_of_sum(const ToolChat& item) { return std::to_string(item.a + item.b).size(); }

ToolChat parse_item(const JsonObject& line) {
  const std::string kind = line.string("kind");
  const auto found = std::ranges::find(kKinds, kind);
  MINILLM_CHECK(found != kKinds.end(), "{}: unknown name '{}'", line.subject(), kind);
  constexpr int64_t kMost = 999;
  return {static_cast<ToolChatKind>(found - kKinds.begin()),
          messages_of(line, "messages"),
          line.strings("offered"),
          static_cast<int>(line.integer_in("a", 0, kMost)),
          static_cast<int>(line.integer_in("b", 0, kMost)),
          line.string("answer"),
          line.string("value")};
}

}  // namespace

std::vector<ToolChat> make_tool_eval(const World& world, Split split) {
  MINILLM_DCHECK(split != Split::kTrain);
  constexpr int kDraws = 20000;  // few pairs of small numbers are held out
  Rng rng = world_rng(world.seed(), split == Split::kTest ? WorldStream::kToolsTest
                                                          : WorldStream::kToolsValidation);
  std::vector<ToolChat> items;
  std::set<std::string> asked;
  for (size_t kind = 0; kind < kKinds.size(); ++kind) {
    std::array<int, 5> of_digits = {};
    for (int draw = 0, count = 0; draw < kDraws && count < kCounts[kind]; ++draw) {
      ToolChat item = draw_tool_chat(rng, world, split, static_cast<ToolChatKind>(kind));
      const bool with_tool = item.kind == ToolChatKind::kSumWithTool;
      if (with_tool && of_digits.at(digits_of_sum(item)) == kCounts[kind] / 4) continue;
      if (!asked.insert(messages_to_json(item.question).dump() + std::string(kKinds[kind])).second)
        continue;
      if (with_tool) ++of_digits.at(digits_of_sum(item));
      ++count;
      items.push_back(std::move(item));
    }
  }
  return items;
}

std::string tool_eval_to_jsonl(const std::vector<ToolChat>& items, Split split) {
  std::string out;
  for (const ToolChat& item : items) {
    const Json line = {{"type", "tools"},
                       {"split", split_name(split)},
                       {"kind", kKinds[static_cast<size_t>(item.kind)]},
                       {"messages", messages_to_json(item.question)},
                       {"offered", item.offered},
                       {"a", item.a},
                       {"b", item.b},
                       {"answer", item.answer},
                       {"value", item.value}};
    out += line.dump() + "\n";
  }
  return out;
}

std::vector<ToolChat> load_tool_eval(const std::string& path, Split split) {
  std::vector<ToolChat> items;
  for_each_eval_line(path, split, [&](const JsonObject& line) {
    MINILLM_CHECK(line.string("type") == "tools", "{}: unknown type '{}'", line.subject(),
                  line.string("type"));
    items.push_back(parse_item(line));
  });
  return items;
}

void ToolScore::count(const std::string& name, bool hit) {
  WorldMetric& tally = tallies_[name];
  tally.count += hit;
  tally.of += 1;
}

void ToolScore::add(const ToolChat& item, const ToolOutcome& outcome) {
  const std::string said = trimmed(outcome.text);
  const bool told = said.ends_with(sum_value(item.a, item.b));
  switch (item.kind) {
    case ToolChatKind::kSumWithTool: {
      const bool called = outcome.calls.size() == 1 && outcome.calls[0].first == "add" &&
                          outcome.calls[0].second == item.arguments();
      count("sum_call_accuracy", called);
      count("sum_with_tool_accuracy", called && told);
      count(fmt::format("sum_with_tool_accuracy_{}", digits_of_sum(item)), called && told);
      break;
    }
    case ToolChatKind::kNotNeeded:
      count("tool_not_needed_rate", outcome.calls.empty());
      if (!item.value.empty())
        count("answer_accuracy_with_tools",
              contains_words(said, item.value) && !admits_not_knowing(said));
      break;
    case ToolChatKind::kNoneFits:
      count("tool_called_when_none_fits", !outcome.calls.empty());
      break;
    case ToolChatKind::kSum:
      count("sum_without_tool_accuracy", told);
      break;
  }
}

std::vector<WorldMetric> ToolScore::metrics() const {
  std::vector<WorldMetric> all;
  for (const std::string_view name : kMetricNames) {
    const auto found = tallies_.find(name);
    WorldMetric metric = found == tallies_.end() ? WorldMetric() : found->second;
    metric.name = name;
    metric.value =
        metric.of == 0 ? 0 : static_cast<double>(metric.count) / static_cast<double>(metric.of);
    all.push_back(metric);
  }
  return all;
}

}  // namespace minillm::world
