#include "libminillm/eval/diagnosis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace minillm {
namespace {

using namespace world;
using ::testing::HasSubstr;
constexpr Judgement R = Judgement::kRight, W = Judgement::kWrong, U = Judgement::kUnjudged;

Diagnosis diagnose_three(Skill skill, std::optional<bool> base_knows, Judgement a, Judgement b,
                         Judgement c) {
  const std::vector<StageJudgement> stages = {{"pretrain", a}, {"sft", b}, {"dpo", c}};
  return diagnose(skill, base_knows, stages);
}

TEST(Diagnosis, IsOfPromptsThatFailInTheEndOnly) {
  EXPECT_FALSE(diagnose_three(Skill::kFact, {}, W, W, R).failed);
  EXPECT_FALSE(diagnose_three(Skill::kFact, {}, W, W, U).failed);
  EXPECT_FALSE(diagnose(Skill::kFact, {}, {}).failed);
}

TEST(Diagnosis, BlamesTheStageThatLostWhatWasRight) {
  const Diagnosis by_dpo = diagnose_three(Skill::kFact, true, W, R, W);
  EXPECT_EQ(by_dpo.first_stage, 2);
  EXPECT_EQ(by_dpo.phase, "preference tuning");
  EXPECT_THAT(by_dpo.reason, HasSubstr("right after fine-tuning"));
  EXPECT_EQ(diagnose_three(Skill::kForm, {}, R, W, W).first_stage, 1);
}

TEST(Diagnosis, OfWhatWasNeverRightPointsToThePhaseThatShouldTeachIt) {
  EXPECT_EQ(diagnose_three(Skill::kFact, false, W, W, W).phase, "pretraining");
  EXPECT_EQ(diagnose_three(Skill::kFact, false, W, W, W).first_stage, 0);
  EXPECT_EQ(diagnose_three(Skill::kFact, true, W, W, W).phase, "fine-tuning");
  EXPECT_EQ(diagnose_three(Skill::kFact, {}, W, W, W).phase, "fine-tuning");
  EXPECT_EQ(diagnose_three(Skill::kForm, {}, W, W, W).first_stage, 1);
  EXPECT_EQ(diagnose_three(Skill::kChoice, {}, W, W, W).phase, "preference tuning");
}

TEST(Diagnosis, SaysSoWhereThatPhaseIsNotAmongTheRuns) {
  const std::vector<StageJudgement> stages = {{"pretrain", W}, {"sft", W}};
  const Diagnosis result = diagnose(Skill::kChoice, {}, stages);
  EXPECT_TRUE(result.failed);
  EXPECT_EQ(result.first_stage, -1);
  EXPECT_EQ(result.phase, "preference tuning");
}

TEST(Judge, KnowsWithoutTruthOnlyThatAChatModelHasToEnd) {
  const ComparedAnswer cut{"and so on", 64, false, -1}, ended{"Yes.", 2, true, -1};
  EXPECT_EQ(judge_answer(cut, nullptr, true), W);
  EXPECT_EQ(judge_answer(cut, nullptr, false), U);
  EXPECT_EQ(judge_answer(ended, nullptr, true), U);
  const ChatItem item{ChatItemKind::kAnswer, ask_assistant("", "Where?"), "Weir Path"};
  EXPECT_EQ(judge_answer({"On Weir Path.", 4, true, -1}, &item, true), R);
  EXPECT_EQ(judge_answer(ended, &item, true), W);
}

TEST(Judge, LooksForWhatIsExpectedAsWholeWords) {
  const auto judge = [](const std::string& text, bool ended, std::vector<std::string> expected) {
    ComparedAnswer answer;
    answer.text = text;
    answer.ended = ended;
    return judge_answer(answer, expected);
  };
  EXPECT_EQ(judge("It is Paris.", true, {"paris"}), Judgement::kRight);
  EXPECT_EQ(judge("It is Paris.", true, {"Rome", "PARIS"}), Judgement::kRight);
  EXPECT_EQ(judge("It is Paris.", false, {"paris"}), Judgement::kWrong);  // it goes on and on
  EXPECT_EQ(judge("A comparison.", true, {"paris"}), Judgement::kWrong);
  EXPECT_EQ(judge("", true, {"paris"}), Judgement::kWrong);
}

TEST(Judge, FindsTheItemAndTheStoriesOfItsFact) {
  WorldEvalSet set;
  set.chat = {{ChatItemKind::kOneWord, ask_assistant("Be brief.", "Where does Ada Mill live?"),
               "Weir Path"}};
  set.cloze = {{ClozeGroup::kFair, "street-1", "They say that Ada Mill lives on", " Weir Path"},
               {ClozeGroup::kFair, "street-1", "They say that Bo Mill lives on", " Weir Path"},
               {ClozeGroup::kFair, "trade-1", "They say that Ada Mill works as a", " cooper"},
               {ClozeGroup::kHard, "street-1", "The chimney of Ada Mill is on", " Weir Path"}};
  const ChatItem* item =
      find_item(set, {{Role::kSystem, "Be brief."}, {Role::kUser, "Where does Ada Mill live?"}});
  ASSERT_NE(item, nullptr);
  EXPECT_EQ(find_item(set, {{Role::kUser, "Where does Ada Mill live?"}}), nullptr);
  const auto cloze = cloze_items_of(set, *item);
  ASSERT_EQ(cloze.size(), 1u);
  EXPECT_EQ(cloze[0], &set.cloze[0]);
}

TEST(Change, IsToldByJudgementFirstAndTextSecond) {
  const ComparedAnswer a{"a", 1, true, 0}, b{"b", 1, true, 0};
  EXPECT_EQ(classify_change(a, W, b, R), Change::kRepaired);
  EXPECT_EQ(classify_change(a, R, b, W), Change::kBroken);
  EXPECT_EQ(classify_change(a, W, b, W), Change::kReworded);
  EXPECT_EQ(classify_change(a, U, a, U), Change::kSame);
  ChangeCounts counts;
  for (const Change change : {Change::kSame, Change::kSame, Change::kBroken}) counts.add(change);
  EXPECT_EQ(counts.same, 2);
  EXPECT_EQ(counts.broken, 1);
  EXPECT_EQ(counts.repaired + counts.reworded, 0);
}

}  // namespace
}  // namespace minillm
