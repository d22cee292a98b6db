#include "libminillm/eval/choice_eval.h"

#include <gtest/gtest.h>

#include <cmath>

#include "libminillm/core/file.h"
#include "libminillm/eval/choice_log.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace minillm {
namespace {

using minillm_testing::TempDir;
using Scores = std::vector<std::optional<ItemScore>>;

// Scores of choices: log-probabilities and numbers of tokens.
ItemScore scored(std::vector<std::pair<double, int64_t>> choices) {
  ItemScore score;
  for (const auto& [logp, tokens] : choices) score.choices.push_back({logp, tokens, 0});
  return score;
}

// By R's binom package, binom.confint(c(8, 0, 10, 1), c(10, 10, 10, 1000), methods = "wilson").
TEST(WilsonInterval, HasKnownValues) {
  EXPECT_NEAR(wilson_interval(8, 10).low, 0.4901625, 1e-6);
  EXPECT_NEAR(wilson_interval(8, 10).high, 0.9433178, 1e-6);
  EXPECT_EQ(wilson_interval(0, 10).low, 0);
  EXPECT_NEAR(wilson_interval(0, 10).high, 0.2775328, 1e-6);
  EXPECT_NEAR(wilson_interval(10, 10).low, 0.7224672, 1e-6);
  EXPECT_EQ(wilson_interval(10, 10).high, 1);
  EXPECT_EQ(wilson_interval(0, 0).low, 0);
  EXPECT_EQ(wilson_interval(0, 0).high, 1);
}

TEST(JudgeItem, CountsByCharactersBytesAndTokens) {
  // 4 characters of 8 bytes, then 5 of 5.
  const ChoiceItem item{"", {{"x", " \xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"}, {"x", " abcde"}}, 0};
  EXPECT_EQ(character_count("\xc3\xa9\xc3\xa9"), 2);
  const ItemVerdict verdict = judge_item(item, scored({{-8, 1}, {-9, 5}}));
  EXPECT_EQ(verdict.best, 0u);                // -8 > -9
  EXPECT_EQ(verdict.best_per_character, 1u);  // -2 < -1.8
  EXPECT_EQ(verdict.best_per_byte, 0u);       // -1 > -1.8
  EXPECT_EQ(verdict.best_per_token, 1u);      // -8 < -1.8
  EXPECT_FALSE(verdict.tied);
}

TEST(JudgeItem, OfEqualOnesTakesTheFirst) {
  ChoiceItem item{"", {{"x", " a"}, {"x", " b"}, {"x", " c"}}, 1};
  const ItemScore score = scored({{-3, 1}, {-2, 1}, {-2, 1}});
  EXPECT_EQ(judge_item(item, score).best, 1u);
  EXPECT_TRUE(judge_item(item, score).tied);
  item.right = 2;
  EXPECT_EQ(judge_item(item, score).best, 1u);
  EXPECT_TRUE(judge_item(item, score).tied);
  item.right = 0;
  EXPECT_FALSE(judge_item(item, score).tied);
}

TEST(EvaluateChoices, CountsWhatWasAskedOnly) {
  const std::vector<ChoiceItem> items = {
      {"", {{"x", " a"}, {"x", " bb"}}, 0},
      {"", {{"x", " a"}, {"x", " b"}, {"x", " c"}, {"x", " d"}}, 3},
      {"", {{"x", " a"}, {"x", " b"}}, 0},
      {"", {{"x", " a"}, {"x", " b"}}, 0}};
  ItemScore refused;
  refused.problem = "no room";
  const Scores scores = {scored({{-1, 1}, {-1.5, 1}}), scored({{-1, 1}, {-2, 1}, {-3, 1}, {-4, 1}}),
                         refused, std::nullopt};
  const ChoiceResult result = evaluate_choices(items, scores);
  EXPECT_EQ(result.items, 2);
  EXPECT_EQ(result.not_asked, 1);
  EXPECT_EQ(result.acc.count, 1);
  EXPECT_EQ(result.acc_norm.count, 0);  // -1 per character against -0.75
  EXPECT_EQ(*result.acc.value(), 0.5);
  EXPECT_DOUBLE_EQ(*result.chance, (0.5 + 0.25) / 2);
  EXPECT_DOUBLE_EQ(*result.centred(result.acc), (0.5 - 0.375) / (1 - 0.375));
  EXPECT_DOUBLE_EQ(*result.bits_per_byte, (1 + 4) / std::log(2.0) / 2);
}

TEST(EvaluateChoices, SaysNothingOfNothing) {
  const std::vector<ChoiceItem> items = {{"", {{"x", " a"}, {"x", " b"}}, 0}};
  const ChoiceResult result = evaluate_choices(items, Scores(1));
  EXPECT_FALSE(result.acc.value() || result.chance || result.bits_per_byte ||
               result.centred(result.acc));
  const ContinuationResult none = evaluate_continuations(items, Scores(1));
  EXPECT_FALSE(none.acc.value() || none.perplexity || none.bits_per_byte);
}

TEST(EvaluateContinuations, AreRightIfEveryTokenIsTheFirstChoice) {
  const std::vector<ChoiceItem> items = {{"", {{"x", " abc"}}, 0}, {"", {{"x", " d"}}, 0}};
  Scores scores(2);
  scores[0] = ItemScore{{{-2, 3, 3}}, false, false, ""};
  scores[1] = ItemScore{{{-1, 2, 1}}, false, false, ""};
  const ContinuationResult result = evaluate_continuations(items, scores);
  EXPECT_EQ(result.acc.count, 1);
  EXPECT_DOUBLE_EQ(*result.perplexity, std::exp(1.5));
  EXPECT_DOUBLE_EQ(*result.bits_per_byte, 3 / std::log(2.0) / 4);
}

class ChoiceLogTest : public ::testing::Test {
 protected:
  ChoiceTask task() const {
    return {"task.jsonl",
            "task",
            "questions",
            "hash",
            {{"a", {{"x", " a"}, {"x", " b"}}, 0},
             {"b", {{"x", " a"}, {"x", " b"}}, 1},
             {"c", {{"x", " a"}, {"x", " b"}}, 1}}};
  }
  Scores begin(const std::string& model, const ChoiceTask& wanted) const {
    return ChoiceLog(path_, model).begin(wanted);
  }
  TempDir folder_;
  std::string path_ = folder_.file("items.jsonl");
  const ItemScore score_ = scored({{-0.1 / 3, 1}, {-7.25, 2}});
};

TEST_F(ChoiceLogTest, HoldsTheScoresToTheBit) {
  const ChoiceTask wanted = task();
  ItemScore refused;
  refused.problem = "no room";
  {
    ChoiceLog log(path_, "model");
    EXPECT_TRUE(log.begin(wanted) == Scores(3)) << "a new file";
    log.add(2, score_);
    log.add(0, refused);
  }
  const Scores scores = begin("model", wanted);
  EXPECT_FALSE(scores[1].has_value());
  EXPECT_TRUE(scores[2] == score_);
  EXPECT_EQ(scores[0]->problem, "no room");
  EXPECT_NE(read_file(path_).find("\"right\":1,\"best\":0"), std::string::npos) << read_file(path_);
}

TEST_F(ChoiceLogTest, GoesOnAfterALineThatWasCutOff) {
  const ChoiceTask wanted = task();
  {
    ChoiceLog log(path_, "model");
    log.begin(wanted);
    log.add(0, score_);
    log.add(1, score_);
  }
  const std::string whole = read_file(path_);
  write_file_atomic(path_, whole.substr(0, whole.size() - 5));
  {
    ChoiceLog log(path_, "model");
    const Scores scores = log.begin(wanted);
    EXPECT_TRUE(scores[0].has_value());
    EXPECT_FALSE(scores[1].has_value());
    log.add(1, score_);
    log.add(2, score_);
  }
  for (const auto& score : begin("model", wanted)) EXPECT_TRUE(score == score_);
}

TEST_F(ChoiceLogTest, RefusesWhatIsOfAnotherModelOrAnotherFile) {
  ChoiceTask wanted = task();
  {
    ChoiceLog log(path_, "model");
    log.begin(wanted);
    log.add(0, score_);
  }
  EXPECT_ERROR(begin("other", wanted), "another model was asked: expected model, got other");
  wanted.hash = "changed";
  EXPECT_ERROR(begin("model", wanted), "they are of another 'task.jsonl': expected SHA-256 hash");
  wanted.path = "other.jsonl";
  EXPECT_TRUE(begin("model", wanted) == Scores(3));
}

TEST_F(ChoiceLogTest, RefusesAFileThatIsNone) {
  const ChoiceTask wanted = task();
  for (const char* content : {"Once upon a time", "Once upon a time\n", "{\"item\": 1}\n", "[]\n",
                              "{\"task\": 1}\n", "{\"question\": \"cut off"}) {
    write_file_atomic(path_, content);
    EXPECT_ERROR(begin("model", wanted), "items '" + path_ + "'");
    EXPECT_EQ(read_file(path_), content);
  }
}

}  // namespace
}  // namespace minillm
