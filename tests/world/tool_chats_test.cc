#include "libminillm/world/tool_chats.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "libminillm/data/dataset_reader.h"
#include "libminillm/world/questions.h"
#include "tests/testing/temp_dir.h"
#include "tests/world/default_world.h"

namespace minillm::world {
namespace {

using minillm_testing::default_file;
using minillm_testing::default_world;

constexpr int kRows = 20000;

const std::vector<ToolChat>& rows() {
  static const std::vector<ToolChat> all = [] {
    Rng rng(9);
    std::vector<ToolChat> drawn;
    for (int i = 0; i < kRows; ++i)
      drawn.push_back(draw_tool_chat(rng, default_world(), Split::kTrain));
    return drawn;
  }();
  return all;
}

bool offers(const ToolChat& chat, const std::string& name) {
  return std::ranges::find(chat.offered, name) != chat.offered.end();
}

TEST(ToolChats, EverySituationHasItsShare) {
  constexpr std::array<double, 4> kPercent = {55, 30, 5, 10};
  std::array<double, 4> counts = {};
  for (const ToolChat& chat : rows()) counts.at(static_cast<size_t>(chat.kind)) += 1;
  for (size_t kind = 0; kind < counts.size(); ++kind)
    EXPECT_NEAR(counts.at(kind) * 100 / kRows, kPercent.at(kind), 1) << kind;
}

TEST(ToolChats, AddingIsCalledWhereItIsOfferedForASum) {
  for (const ToolChat& chat : rows()) {
    const bool called = !chat.arguments().empty();
    EXPECT_EQ(called, chat.kind == ToolChatKind::kSumWithTool);
    EXPECT_TRUE(!called || offers(chat, "add"));
    EXPECT_EQ(chat.offered.empty(), chat.kind == ToolChatKind::kSum);
    EXPECT_FALSE(chat.kind == ToolChatKind::kNoneFits && offers(chat, "add"));
    EXPECT_EQ(chat.question.back().role, "user");
    const std::string& asked = chat.question.back().content;
    EXPECT_EQ(asked.starts_with("What is ") && asked.find(" plus ") != std::string::npos,
              chat.kind != ToolChatKind::kNotNeeded)
        << asked;
    EXPECT_EQ(chat.answer == sum_statement(chat.a, chat.b), chat.kind != ToolChatKind::kNotNeeded);
    EXPECT_EQ(std::set<std::string>(chat.offered.begin(), chat.offered.end()).size(),
              chat.offered.size());
  }
}

// Trap: a line of tools that says what to do, whatever the question is.
TEST(ToolChats, WhatIsOfferedDoesNotTellWhetherItIsCalled) {
  double called = 0, not_needed = 0;
  std::map<std::string, int> first;
  for (const ToolChat& chat : rows()) {
    if (!offers(chat, "add")) continue;
    (chat.arguments().empty() ? not_needed : called) += 1;
    if (!chat.arguments().empty()) ++first[chat.offered.front()];
  }
  EXPECT_GT(not_needed / (called + not_needed), 0.15);
  EXPECT_EQ(first.size(), 4u) << "adding may stand anywhere";
}

TEST(ToolChats, ResultsAreEvenByTheNumberOfTheirDigits) {
  std::array<double, 5> digits = {};
  double sums = 0;
  for (const ToolChat& chat : rows()) {
    if (chat.kind != ToolChatKind::kSumWithTool) continue;
    EXPECT_TRUE(1 <= chat.a && chat.a <= 999 && 1 <= chat.b && chat.b <= 999);
    digits.at(std::to_string(chat.a + chat.b).size()) += 1;
    sums += 1;
  }
  for (size_t count = 1; count <= 4; ++count)
    EXPECT_NEAR(digits.at(count) / sums, 0.25, 0.02) << count;
}

TEST(ToolChats, ATenthOfThePairsIsHeldOut) {
  std::array<int, 3> counts = {};
  int all = 0;
  for (int a = 1; a <= 999; a += 3) {
    for (int b = 1; b <= 999; b += 3) {
      ++counts.at(static_cast<size_t>(split_of_sum(a, b)));
      EXPECT_EQ(split_of_sum(a, b), split_of_sum(b, a));
      ++all;
    }
  }
  EXPECT_NEAR(static_cast<double>(counts.at(static_cast<size_t>(Split::kTest))) / all, 0.05, 0.005);
  EXPECT_NEAR(static_cast<double>(counts.at(static_cast<size_t>(Split::kValidation))) / all, 0.05,
              0.005);
  for (const ToolChat& chat : rows())
    EXPECT_TRUE(chat.arguments().empty() || split_of_sum(chat.a, chat.b) == Split::kTrain);
}

// The rows are what training reads, calls and all.
TEST(ToolChats, TrainingReadsEveryRow) {
  const minillm_testing::TempDir directory;
  for (const char* name : {"tools.jsonl", "tools_eval.jsonl"}) {
    const auto data =
        read_conversations({directory.write(name, default_file(name))}, BadRecordPolicy::kError);
    EXPECT_EQ(data.records.size(), minillm_testing::lines_of(default_file(name)).size());
    size_t calls = 0, offered = 0;
    for (const Conversation& conversation : data.records) {
      offered += !conversation.messages.front().tools.empty();
      for (const Message& message : conversation.messages) calls += message.calls.size();
    }
    const auto all = static_cast<double>(data.records.size());
    EXPECT_NEAR(static_cast<double>(calls) / all, 0.55, 0.07) << name;
    EXPECT_NEAR(static_cast<double>(offered) / all, 0.90, 0.05) << name;
  }
}

}  // namespace
}  // namespace minillm::world
