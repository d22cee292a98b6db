#include "libminillm/world/open_book_eval.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "libminillm/world/open_book.h"
#include "libminillm/world/wording.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"
#include "tests/world/default_world.h"

namespace minillm::world {
namespace {

using Kind = OpenBookItemKind;
using minillm_testing::default_file;
using minillm_testing::default_world;

constexpr Split kSplits[] = {Split::kValidation, Split::kTest};

TEST(OpenBookEval, AsksForWhatPlayersOfTheSplitPlay) {
  for (const Split split : kSplits) {
    std::map<Kind, size_t> counts;
    std::vector<std::string> players, others;  // others: people of the other groups
    for (const Person& person : default_world().people()) {
      if (person.split != split) others.push_back(person.name);
      if (person.split == split && !person.instrument.empty()) players.push_back(person.name);
    }
    ASSERT_EQ(players.size(), 20u);
    for (const OpenBookItem& item : make_open_book_eval(default_world(), split)) {
      ++counts[item.kind];
      const auto asked = [&](const std::string& name) {
        return item.question.find(name) != std::string::npos;
      };
      EXPECT_TRUE(std::ranges::none_of(others, asked)) << item.question;
      if (item.kind != Kind::kAgainstMemory) {
        EXPECT_TRUE(std::ranges::any_of(players, asked)) << item.question;
      }
      const bool looked_up = item.kind == Kind::kLate || item.kind == Kind::kLateNewWording;
      EXPECT_EQ(item.notes.has_value(), !looked_up);
    }
    EXPECT_EQ(counts[Kind::kClosed], 40u);
    EXPECT_EQ(counts[Kind::kLate], 40u);
    EXPECT_EQ(counts[Kind::kLateNewWording], 40u);
    EXPECT_EQ(counts[Kind::kAmongOthers], 20u);
    EXPECT_EQ(counts[Kind::kNotTold], 40u);
    EXPECT_EQ(counts[Kind::kAgainstMemory], split == Split::kTest ? 60u : 36u);
  }
}

TEST(OpenBookEval, NotesTellWhatTheItemSays) {
  for (const Split split : kSplits) {
    for (const OpenBookItem& item : make_open_book_eval(default_world(), split)) {
      if (!item.notes) continue;
      const auto tells = [&](const std::string& value) {
        return std::ranges::any_of(
            *item.notes, [&](const std::string& note) { return contains_words(note, value); });
      };
      for (const std::string& wrong : item.wrong) {
        EXPECT_NE(wrong, item.value);
        EXPECT_EQ(tells(wrong), item.kind != Kind::kAgainstMemory) << wrong;
      }
      if (item.kind == Kind::kAmongOthers || item.kind == Kind::kAgainstMemory) {
        EXPECT_TRUE(tells(item.value)) << item.value;
      }
      if (item.kind == Kind::kNotTold) {
        EXPECT_EQ(item.value, "");
        EXPECT_EQ(item.notes->size(), item.wrong.size());
      }
    }
  }
}

TEST(OpenBookEval, NewQuestionsAreNotTaught) {
  std::set<std::string_view> all(taught_instrument_questions().begin(),
                                 taught_instrument_questions().end());
  for (const Split split : kSplits)
    for (const std::string_view question : new_instrument_questions(split)) {
      EXPECT_TRUE(all.insert(question).second) << question;
      const std::string start(question.substr(0, question.find('{')));
      const std::string end(question.substr(question.find('}') + 1));
      for (const std::string& line : minillm_testing::lines_of(default_file("open_book.jsonl")))
        ASSERT_FALSE(line.find(start) != std::string::npos && end.size() > 3 &&
                     line.find(end + "\"") != std::string::npos)
            << line;
    }
}

TEST(OpenBookEval, AFileIsReadBack) {
  const minillm_testing::TempDir directory;
  const std::string path =
      directory.write("open_book_eval.jsonl", default_file("open_book_eval.jsonl"));
  std::string again;
  for (const Split split : kSplits)
    again += open_book_eval_to_jsonl(load_open_book_eval(path, split), split);
  EXPECT_EQ(again, default_file("open_book_eval.jsonl"));

  EXPECT_ERROR(load_open_book_eval(path, Split::kTrain), "no item of split 'train'");
  const std::string line =
      R"({"type":"open_book","split":"test","kind":"late","question":"q","notes":null,"value":"v","wrong":[]})";
  const auto load = [&](const std::string& from, const std::string& to) {
    std::string changed = line;
    changed.replace(changed.find(from), from.size(), to);
    return load_open_book_eval(directory.write("x", changed + "\n"), Split::kTest);
  };
  EXPECT_EQ(load("late", "late").size(), 1u);
  EXPECT_ERROR(load("late", "early"), "x':1: not an item of the world's evaluation: unknown name");
  EXPECT_ERROR(load("open_book\"", "chat\""), "unknown type 'chat'");
  EXPECT_ERROR(load("\"v\"", "1"), "'value': expected");
  EXPECT_ERROR(load("null", "7"), "'notes': expected");
}

class OpenBookScores : public testing::Test {
 protected:
  // What the metric becomes by one answer: "1/1", "0/1", or "-" where it does not count.
  static std::string metric(const std::string& name, const OpenBookItem& item,
                            const std::vector<std::string>& notes, std::string_view text) {
    OpenBookScore score;
    score.add(item, notes, text);
    for (const WorldMetric& found : score.metrics())
      if (found.name == name)
        return found.of == 0 ? "-" : std::to_string(found.count) + "/" + std::to_string(found.of);
    return "no such metric";
  }
};

TEST_F(OpenBookScores, ARightAnswerHoldsTheValueAndDeniesNothing) {
  const OpenBookItem late = {Kind::kLate, "q", {}, "harp", {}};
  const char* name = "late_answer_accuracy";
  EXPECT_EQ(metric(name, late, {}, " Tom's instrument is the harp."), "1/1");
  EXPECT_EQ(metric(name, late, {}, "harpsichord"), "0/1");
  EXPECT_EQ(metric(name, late, {}, "I do not know whether it is the harp."), "0/1");
  EXPECT_EQ(metric("retrieval_hit_at_3", late, {"Tom plays the harp now."}, ""), "1/1");
  EXPECT_EQ(metric("retrieval_hit_at_3", late, {"Tom plays the harpoon."}, "harp"), "0/1");
  EXPECT_EQ(metric("late_known_rate_closed", late, {}, "harp"), "-");
  EXPECT_EQ(metric("late_known_rate_closed", {Kind::kClosed, "q", {}, "harp", {}}, {}, "harp"),
            "1/1");
  EXPECT_EQ(metric("late_answer_accuracy_new_wording", {Kind::kLateNewWording, "q", {}, "harp", {}},
                   {}, "harp"),
            "1/1");
}

TEST_F(OpenBookScores, ADistractorIsTakenIfANeighboursValueIsSaidInsteadOfTheRightOne) {
  const OpenBookItem among = {Kind::kAmongOthers, "q", {}, "harp", {"tuba", "lute"}};
  const char* name = "distractor_taken_rate";
  EXPECT_EQ(metric(name, among, {}, "the lute."), "1/1");
  EXPECT_EQ(metric(name, among, {}, "the harp, not the lute."), "0/1");
  EXPECT_EQ(metric(name, among, {}, "the fiddle."), "0/1");
  EXPECT_EQ(metric("late_answer_accuracy_among_others", among, {}, "the harp."), "1/1");
  const OpenBookItem untold = {Kind::kNotTold, "q", {}, "", {"tuba"}};
  EXPECT_EQ(metric(name, untold, {}, "the tuba."), "1/1");
  EXPECT_EQ(metric("late_admitted_rate", untold, {}, "the tuba."), "0/1");
  EXPECT_EQ(metric("late_admitted_rate", untold, {}, deny_in_notes("Tom")), "1/1");
  // Without any note there is no distractor to take.
  EXPECT_EQ(metric(name, {Kind::kNotTold, "q", {}, "", {}}, {}, "the tuba."), "-");
}

TEST_F(OpenBookScores, ANoteCountsMoreThanMemory) {
  const OpenBookItem against = {Kind::kAgainstMemory, "q", {}, "Rope Walk", {"Bell Yard"}};
  EXPECT_EQ(metric("note_over_memory_rate", against, {}, "He lives on Rope Walk."), "1/1");
  EXPECT_EQ(metric("note_over_memory_rate", against, {}, "He lives on Bell Yard."), "0/1");
  EXPECT_EQ(metric("distractor_taken_rate", against, {}, "He lives on Bell Yard."), "-");
}

TEST_F(OpenBookScores, WhatWasNotAskedHasNothingToCount) {
  const std::vector<WorldMetric> metrics = OpenBookScore().metrics();
  EXPECT_EQ(metrics.size(), 11u);
  for (const WorldMetric& found : metrics) EXPECT_EQ(found.of, 0) << found.name;
}

}  // namespace
}  // namespace minillm::world
