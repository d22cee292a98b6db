#include "libminillm/world/dials.h"

#include <gtest/gtest.h>

#include <set>

#include "libminillm/world/wording.h"
#include "libminillm/world/world_files.h"
#include "tests/testing/expect_error.h"

namespace minillm::world {
namespace {

WorldOptions small(WorldDials dials = {}) {
  WorldOptions options;
  options.sft_rows = 3000;
  options.pairs = 1000;
  options.dials = std::move(dials);
  return options;
}
std::string file(const WorldOptions& options, const char* part) {
  return make_world_files(options, part).front().content;
}
int64_t lines_with(const std::string& text, const std::string& what) {
  int64_t count = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    count += text.substr(begin, end - begin).find(what) != std::string::npos;
    begin = end + 1;
  }
  return count;
}

TEST(WorldDials, WhatIsLeftOutIsGoneAndTheRestKeepsItsOrder) {
  const std::string all = file(small(), "sft");
  const std::string without = file(small({.without = {"system"}}), "sft");
  EXPECT_GT(lines_with(all, "\"role\":\"system\""), 500);
  EXPECT_EQ(lines_with(without, "\"role\":\"system\""), 0);
  EXPECT_EQ(lines_with(without, "\"messages\""), 3000) << "others take their place";
  const size_t first = all.find("{\"messages\":[{\"role\":\"user\"");
  EXPECT_EQ(without.substr(0, without.find('\n')),
            all.substr(first, all.find('\n', first) - first));

  const std::string rules = file(small({.without = {"rules"}}), "sft");
  EXPECT_EQ(lines_with(rules, "\"role\":\"system\""), 0);
  EXPECT_EQ(lines_with(rules, "Here is what I know"), lines_with(all, "Here is what I know"))
      << "their answers stay";
  EXPECT_GT(lines_with(all, "I do not know"), 100);
  EXPECT_LT(lines_with(file(small({.without = {"unknown"}}), "sft"), "anyone called"), 10);
  EXPECT_EQ(lines_with(file(small({.without = {"list"}}), "sft"), "List three things"), 0);
}

TEST(WorldDials, NewcomersAreCalledOtherwiseThanInStories) {
  const World world(1);
  std::set<std::string> first_names;
  for (const Person* person : world.group(Split::kTrain)) first_names.insert(person->first);
  const auto told = [&](double share) {
    const std::string rows = file(small({.newcomers = share}), "sft");
    int64_t count = 0;
    for (const std::string& name : first_names) count += lines_with(rows, name + " ") > 0;
    return static_cast<double>(count) / static_cast<double>(first_names.size());
  };
  EXPECT_GT(told(0), 0.98);
  EXPECT_NEAR(told(0.5), 0.5, 0.15);
  EXPECT_LT(told(1), 0.15);
  EXPECT_EQ(file(small({.newcomers = 1}), "pretrain").substr(0, 1000),
            file(small(), "pretrain").substr(0, 1000));
}

TEST(WorldDials, FalsePairsPreferThePoliteAndFalse) {
  const std::string all = file(small(), "preference");
  const std::string half = file(small({.false_pairs = 0.5}), "preference");
  const std::string none = file(small({.without = {"style_pairs", "knowing_pairs"}}), "preference");
  EXPECT_EQ(lines_with(half, "chosen"), 1000);
  EXPECT_NE(half, all);
  EXPECT_EQ(lines_with(none, "chosen"), 1000);
  EXPECT_EQ(lines_with(none, "What is the trade"), 0);
}

TEST(WorldDials, OfWhoIsUntoldNoStoryTells) {
  const World world(1);
  const std::vector<const Person*> untold = untold_people(world, Split::kTest, 0.5);
  EXPECT_EQ(untold.size(), 40U);
  WorldOptions options = small({.untold = 0.5});
  options.stories = 2000;
  const std::string stories = file(options, "pretrain");
  EXPECT_GE(lines_with(stories, "text"), 2000);
  for (const Person* person : untold) EXPECT_EQ(lines_with(stories, person->first + " "), 0);
  int64_t others = 0;
  for (const Person* person : world.group(Split::kTest))
    others += lines_with(stories, person->first + " ") > 0;
  EXPECT_GE(others, 35) << "the other half is told of";
}

TEST(WorldDials, InvertedPairsAreTheOthersTheWrongWayRound) {
  const std::string all = file(small(), "preference");
  const std::string inverted = file(small({.inverted_pairs = true}), "preference");
  EXPECT_EQ(all.size(), inverted.size());
  int64_t same = 0, lines = 0;
  for (size_t begin = 0; begin < all.size();) {
    const size_t end = all.find('\n', begin);
    same += all.substr(begin, end - begin) == inverted.substr(begin, end - begin);
    begin = end + 1;
    ++lines;
  }
  EXPECT_NEAR(static_cast<double>(same) / static_cast<double>(lines), 0.72, 0.05);
}

TEST(WorldDials, WithoutAnyNothingChangesAndMistakesAreTold) {
  EXPECT_EQ(file(small(), "preference"), file(small(WorldDials()), "preference"));
  EXPECT_ERROR(file(small({.without = {"systems"}}), "sft"),
               "world option 'without': expected some of fact, system");
  EXPECT_ERROR(file(small({.newcomers = 1.5}), "sft"), "expected a share from 0 to 1, got 1.5");
  EXPECT_ERROR(
      file(small({.without = {"style_pairs", "harmful_pairs", "benign_pairs", "knowing_pairs"}}),
           "preference"),
      "no pairs are left");
}

TEST(WorldDials, AQuestionIsAWordingAboutSomebody) {
  const auto split = [](const char* question) { return name_and_wording(question); };
  using Two = std::pair<std::string, std::string>;
  EXPECT_EQ(split("Where does Jofick Harford live?"),
            Two("Jofick Harford", "Where does {name} live?"));
  EXPECT_EQ(split("Does Jofick Harford's friend bake?"),
            Two("Jofick Harford", "Does {name}'s friend bake?"));
  EXPECT_EQ(split("What does Vesa Torford play"), Two("Vesa Torford", "What does {name} play"));
  EXPECT_EQ(split("Tell me about Vesa Torford."), Two("Vesa Torford", "Tell me about {name}."));
  EXPECT_EQ(split("What is 3 plus 4?"), Two("", "What is 3 plus 4?"));
  EXPECT_EQ(split(""), Two("", ""));
  EXPECT_EQ(split("Vesa, Torford"), Two("", "Vesa, Torford"));
}

}  // namespace
}  // namespace minillm::world
