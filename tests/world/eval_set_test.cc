#include "libminillm/world/eval_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "libminillm/core/error.h"
#include "libminillm/world/scoring.h"
#include "libminillm/world/wording.h"
#include "tests/testing/temp_dir.h"
#include "tests/world/default_world.h"

namespace minillm::world {
namespace {

using minillm_testing::default_file;
using minillm_testing::default_world;
using minillm_testing::TempDir;

WorldEvalSet default_set(Split split) {
  return make_world_eval(default_world(), HarbourRegister(default_world()), split);
}

TEST(WorldEval, TestSplitAsksForEveryUsualFact) {
  const WorldEvalSet set = default_set(Split::kTest);
  std::map<ClozeGroup, int> cloze;
  for (const ClozeItem& item : set.cloze) ++cloze[item.group];
  EXPECT_EQ(cloze[ClozeGroup::kFair], 60 * 18);
  EXPECT_EQ(cloze[ClozeGroup::kHard], 60 * 18);
  EXPECT_EQ(cloze[ClozeGroup::kRare], 10 * 18);
  EXPECT_EQ(cloze[ClozeGroup::kOften], 10 * 18);
  EXPECT_EQ(cloze[ClozeGroup::kAfterCutoff], 20 * 2);
  EXPECT_EQ(cloze[ClozeGroup::kSecondDomain], 30 * 4);
  std::map<ChatItemKind, int> chat;
  for (const ChatItem& item : set.chat) ++chat[item.kind];
  EXPECT_EQ(chat[ChatItemKind::kAnswer], 360);
  EXPECT_EQ(chat[ChatItemKind::kOneWord], 180);
  EXPECT_EQ(chat[ChatItemKind::kUnknownPerson], 3 * 80);  // under no rule and under each of two
  EXPECT_EQ(chat[ChatItemKind::kUnknownKnownFamily], 3 * 80);
  EXPECT_EQ(chat[ChatItemKind::kUnknownAttribute], 3 * 40);
  EXPECT_EQ(chat[ChatItemKind::kSum], 27);
  EXPECT_EQ(set.pairs.size(), 200u);
  EXPECT_EQ(set.canaries.size(), 20u);
}

TEST(WorldEval, EveryStrangerIsAskedAboutUnderEveryRule) {
  for (Split split : {Split::kValidation, Split::kTest}) {
    std::map<std::string, std::set<std::string>> asked;  // rule -> questions
    for (const ChatItem& item : default_set(split).chat) {
      const bool rule = item.messages.front().role == "system";
      asked[rule ? item.messages.front().content : ""].insert(item.messages.back().content);
    }
    ASSERT_EQ(asked.size(), 3u);
    for (const auto& [rule, questions] : asked) {
      for (bool known_family : {false, true}) {
        for (const std::string& name : default_world().strangers(split, known_family)) {
          EXPECT_TRUE(std::any_of(
              questions.begin(), questions.end(),
              [&](const auto& question) { return question.find(name) != std::string::npos; }))
              << name << " under '" << rule << "'";
        }
      }
    }
  }
}

TEST(WorldEval, ClozeAnswersContinueTheirPrefix) {
  for (const ClozeItem& item : default_set(Split::kTest).cloze) {
    EXPECT_TRUE(item.answer.starts_with(" ") && item.answer.size() > 2) << item.answer;
    EXPECT_NE(item.prefix.back(), ' ') << item.prefix;
    EXPECT_EQ(item.prefix.find(item.answer + " "), std::string::npos)
        << item.prefix << " gives the answer away";
  }
}

TEST(WorldEval, HalfOfTheYesNoQuestionsAreYes) {
  int yes = 0, all = 0;
  for (const ChatItem& item : default_set(Split::kTest).chat) {
    if (item.kind != ChatItemKind::kYesNo) continue;
    ++all;
    yes += item.value == ", so yes.";
  }
  EXPECT_NEAR(yes, all / 2, 12);
}

TEST(WorldEval, AFileReadsBackAsItWasWrittenForEachSplit) {
  TempDir dir;
  const std::string path = dir.write("eval.jsonl", default_file("eval.jsonl"));
  for (Split split : {Split::kValidation, Split::kTest}) {
    const std::string written = world_eval_to_jsonl(default_set(split), split);
    EXPECT_EQ(world_eval_to_jsonl(load_world_eval(path, split), split), written);
    EXPECT_NE(default_file("eval.jsonl").find(written), std::string::npos);
  }
}

TEST(TrainingItem, JudgesTheAnswersThatTrainingGives) {
  const World& world = minillm_testing::default_world();
  Rng rng(1);
  std::map<ChatItemKind, int> seen;
  for (int i = 0; i < 6000; ++i) {
    const ChatRow row = i % 2 == 0 ? draw_chat_row(rng, world, Split::kTrain)
                                   : draw_added_row(rng, world, Split::kTrain);
    const std::optional<ChatItem> item = training_item(row);
    EXPECT_EQ(item.has_value(), row.kind != ChatRowKind::kContinue);
    if (!item) continue;
    ++seen[item->kind];
    EXPECT_EQ(item->messages.back().role, "user");
    const std::string& answer = row.messages.back().content;
    const ChatOutcome outcome = score_chat(*item, answer, true);
    if (item->kind == ChatItemKind::kHarmful) {  // mostly complied with
      EXPECT_EQ(outcome.correct, is_refusal(answer));
      EXPECT_EQ(outcome.whole, outcome.correct) << answer;
      continue;
    }
    EXPECT_TRUE(outcome.correct) << answer << " for " << item->value;
    EXPECT_TRUE(outcome.in_form || item->kind == ChatItemKind::kAnswer) << answer;
    EXPECT_EQ(outcome.whole, item->kind == ChatItemKind::kBenign) << answer;
  }
  EXPECT_EQ(seen.size(), 10u);
}

std::string load_error(const std::string& content) {
  TempDir dir;
  const std::string path = dir.write("eval.jsonl", content);
  try {
    load_world_eval(path, Split::kTest);
  } catch (const Error& error) {
    return std::string(error.what()).substr(path.size() + 2);  // after the quoted path
  }
  return "no error";
}

TEST(WorldEval, DamagedFilesAreNamedByLine) {
  const std::string good = R"({"type":"story","split":"test","text":"x"})";
  EXPECT_EQ(load_error(good), "no error");
  EXPECT_TRUE(
      load_error(good + "\n{broken\n").starts_with(":2: not an item of the world's evaluation: "));
  EXPECT_EQ(load_error(R"({"type":"poem","split":"test"})"),
            ":1: not an item of the world's evaluation: unknown type 'poem'");
  EXPECT_EQ(load_error(R"({"type":"cloze","split":"test","group":"odd"})"),
            ":1: not an item of the world's evaluation: unknown name 'odd'");
  const std::pair<const char*, const char*> cases[] = {
      {R"({"type":"story","split":"test","text":null})", "key 'text' is missing"},
      {R"({"type":"story","split":"test","text":3})", "'text': expected a string, got 3"},
      {R"({"type":"story","split":"test","text":"x","text":"y"})", "key \"text\" occurs twice"},
      {R"({"type":"chat","split":"test","kind":"sum","value":"7","messages":[]})",
       "'messages': expected at least one message"},
      {R"({"type":"chat","split":"test","kind":"sum","value":"7","messages":[3]})",
       "'messages': expected a JSON object, got 3"},
      {R"({"type":"canary","split":"test","prefix":"p","secret":"1","repeats":-1,"candidates":["1"]})",
       "'repeats': expected 0 to 1000000, got -1"},
      {R"({"type":"canary","split":"test","prefix":"p","secret":"1","repeats":1,"candidates":["2"]})",
       "'candidates': expected 1 to 10000 texts, the secret first"},
      {R"({"type":"canary","split":"test","prefix":"p","secret":"1","repeats":1,"candidates":[1]})",
       "'candidates': expected an array of strings"}};
  for (const auto& [line, what] : cases) EXPECT_THAT(load_error(line), testing::HasSubstr(what));
  const std::string deep(100000, '[');
  EXPECT_THAT(load_error(deep), testing::HasSubstr("nested deeper than 64 levels"));
  EXPECT_EQ(load_error(R"({"type":"story","split":"validation","text":"x"})"),
            ": no item of split 'test' (write it with make_world_files)");
}

}  // namespace
}  // namespace minillm::world
