#include "libminillm/world/tool_eval.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>

#include "libminillm/core/error.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"
#include "tests/world/default_world.h"

namespace minillm::world {
namespace {

using minillm_testing::default_file;
using minillm_testing::default_world;

constexpr Split kHeldOutSplits[] = {Split::kValidation, Split::kTest};

TEST(ToolEval, AsksOnceAndAboutHeldOutPairs) {
  for (const Split split : kHeldOutSplits) {
    std::array<int, 4> kinds = {};
    std::array<int, 5> digits = {};
    std::set<std::string> asked;
    for (const ToolChat& item : make_tool_eval(default_world(), split)) {
      ++kinds.at(static_cast<size_t>(item.kind));
      EXPECT_TRUE(asked
                      .insert(std::to_string(static_cast<int>(item.kind)) +
                              item.question.front().content + item.question.back().content)
                      .second);
      if (item.kind != ToolChatKind::kSumWithTool) continue;
      EXPECT_EQ(split_of_sum(item.a, item.b), split);
      ++digits.at(std::to_string(item.a + item.b).size());
      EXPECT_EQ(default_file("tools.jsonl").find(nlohmann::json(item.arguments()).dump()),
                std::string::npos)
          << "no row calls with it";
    }
    EXPECT_EQ(kinds[1], 90);
    EXPECT_EQ(kinds[2], 40);
    EXPECT_EQ(kinds[3], 40);
    EXPECT_GE(digits[1], 2) << "few pairs have so small a sum";
    for (size_t count = 2; count <= 4; ++count) EXPECT_EQ(digits.at(count), 40) << count;
  }
}

TEST(ToolEval, FilesReadAsTheyWereWritten) {
  const minillm_testing::TempDir directory;
  const std::string path = directory.write("x.jsonl", default_file("tools_questions.jsonl"));
  std::string again;
  for (const Split split : kHeldOutSplits)
    again += tool_eval_to_jsonl(load_tool_eval(path, split), split);
  EXPECT_EQ(again, default_file("tools_questions.jsonl"));

  const std::string line =
      R"({"type":"tools","split":"test","kind":"sum","messages":[{"role":"user","content":"q"}],)"
      R"("offered":[],"a":1,"b":2,"answer":"x","value":""})";
  const auto load = [&](const std::string& from, const std::string& to) {
    std::string changed = line;
    changed.replace(changed.find(from), from.size(), to);
    return load_tool_eval(directory.write("y.jsonl", changed + "\n"), Split::kTest);
  };
  EXPECT_EQ(load("sum", "sum").size(), 1u);
  EXPECT_ERROR(load("tools\"", "chat\""), "unknown type 'chat'");
  EXPECT_ERROR(load("\"sum\"", "\"product\""), "unknown name 'product'");
  EXPECT_ERROR(load("\"a\":1", "\"a\":1000"), "'a': expected 0 to 999");
  EXPECT_ERROR(load("\"offered\":[]", "\"offered\":[1]"), "'offered': expected");
}

WorldMetric metric(const ToolScore& score, const std::string& name) {
  for (const WorldMetric& m : score.metrics())
    if (m.name == name) return m;
  return {"missing", 0, -1, -1};
}

TEST(ToolScore, ASumNeedsTheRightCallAndTheRightWords) {
  const ToolChat item = {ToolChatKind::kSumWithTool, {}, {"add"}, 992, 553, "", ""};
  const std::pair<std::string, std::string> kRight = {"add", R"({"a": 992, "b": 553})"};
  struct Case {
    ToolOutcome outcome;
    bool called, told;
  };
  for (const Case& c : std::vector<Case>{
           {{{kRight}, " 992 plus 553 makes 1545."}, true, true},
           {{{kRight}, "992 plus 553 makes 1445."}, true, false},
           {{{}, "992 plus 553 makes 1545."}, false, false},
           {{{kRight, kRight}, "992 plus 553 makes 1545."}, false, false},
           {{{{"add", R"({"a": 553, "b": 992})"}}, "992 plus 553 makes 1545."}, false, false},
           {{{{"subtract", kRight.second}}, "992 plus 553 makes 1545."}, false, false}}) {
    ToolScore score;
    score.add(item, c.outcome);
    EXPECT_EQ(metric(score, "sum_call_accuracy").count, c.called);
    EXPECT_EQ(metric(score, "sum_with_tool_accuracy").count, c.told);
    EXPECT_EQ(metric(score, "sum_with_tool_accuracy_4").of, 1);
    EXPECT_EQ(metric(score, "sum_with_tool_accuracy_3").of, 0);
    EXPECT_EQ(metric(score, "tool_not_needed_rate").of, 0);
  }
}

TEST(ToolScore, CallsAreCountedWhereNoneIsNeeded) {
  ToolScore score;
  const ToolChat known = {ToolChatKind::kNotNeeded, {}, {"add"}, 0, 0, "", "cooper"};
  score.add(known, {{}, "Ada Fenn is a cooper."});
  score.add(known, {{{"add", "{}"}}, "Ada Fenn is a baker."});
  score.add({ToolChatKind::kNotNeeded, {}, {"add"}, 0, 0, "", ""}, {{}, "I cannot help."});
  score.add({ToolChatKind::kNoneFits, {}, {"clock"}, 3, 4, "", ""}, {{}, "3 plus 4 makes 7."});
  score.add({ToolChatKind::kNoneFits, {}, {"clock"}, 3, 4, "", ""}, {{{"clock", "{}"}}, "7"});
  score.add({ToolChatKind::kSum, {}, {}, 3, 4, "", ""}, {{}, "3 plus 4 makes 7."});
  EXPECT_EQ(metric(score, "tool_not_needed_rate").count, 2);
  EXPECT_EQ(metric(score, "tool_not_needed_rate").of, 3);
  EXPECT_EQ(metric(score, "answer_accuracy_with_tools").value, 0.5);
  EXPECT_EQ(metric(score, "tool_called_when_none_fits").value, 0.5);
  EXPECT_EQ(metric(score, "sum_without_tool_accuracy").value, 1);
}

}  // namespace
}  // namespace minillm::world
