// What the rows of preference pairs mean, in the spellings of many data sets.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/data/read_rows.h"
#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

using minillm_testing::conversations;
using minillm_testing::pairs;
using minillm_testing::shown_pair;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const DatasetReport& report_of(const Dataset<Conversation>& data) { return data.reports[0]; }

TEST(PairMeaning, PairsMayBeMarkedNotToBeLearned) {
  const std::string good = R"({"prompt":"a","chosen":"b","rejected":"c"})";
  const std::string user = R"({"role":"user","content":"a"})";
  for (const std::string& marked :
       {std::string(R"({"prompt":"a","chosen":"b","rejected":"c","train":false})"),
        std::string(R"({"prompt":"a","chosen":"b","rejected":"c","weight":0})")})
    EXPECT_EQ(pairs(marked + "\n" + good).reports[0].dropped.at("row is marked not to be learned"),
              1)
        << marked;
  const auto answer = [](const char* text, const char* mark) {
    return fmt::format(R"([{{"role":"assistant","content":"{}"{}}}])", text, mark);
  };
  for (const char* mark : {R"(,"train":false)", R"(,"weight":0)", R"(,"masked":true)"}) {
    const std::string row = fmt::format(R"({{"prompt":[{}],"chosen":{},"rejected":{}}})", user,
                                        answer("b", ""), answer("c", mark));
    EXPECT_EQ(pairs(row + "\n" + good).reports[0].dropped.at("answer is marked not to be learned"),
              1)
        << row;
  }
  EXPECT_THAT(pairs(R"({"prompt":"a","chosen":"b","rejected":"c","label":0})").reports[0].warnings,
              ElementsAre(HasSubstr("not used, though it may change what a row means: 'label'")));
  EXPECT_ERROR(pairs(R"({"prompt":"a","chosen":false,"rejected":"c"})"),
               "'chosen': expected an answer, got a truth value");
}

TEST(PairMeaning, PromptsOfPairsHaveManyNames) {
  for (const char* key :
       {"prompt", "input", "inputs", "instruction", "question", "query", "user", "problem"})
    EXPECT_EQ(
        shown_pair(fmt::format(
            R"({{"{}":"Where is it?","chosen":"The town A.","rejected":"The town B."}})", key)),
        "user: Where is it? -> The town A. / The town B.");
  EXPECT_ERROR(pairs(R"({"frage":"Where is it?","chosen":"The town A.","rejected":"The town B."})"),
               "pair without a prompt: expected 'prompt', got 'frage' (data.columns says");
}

TEST(PairMeaning, AnswersOfPairsHaveManyNames) {
  for (const auto& [chosen, rejected] :
       std::vector<std::pair<const char*, const char*>>{{"chosen_response", "rejected_response"},
                                                        {"text_correct", "text_incorrect"},
                                                        {"response_j", "response_k"},
                                                        {"preferred", "dispreferred"}})
    EXPECT_EQ(shown_pair(fmt::format(R"({{"prompt":"a","{}":"b","{}":"c"}})", chosen, rejected)),
              "user: a -> b / c");
  const auto several = pairs(R"({"prompt":"a","chosen":"b","rejected":["c","d"]})");
  ASSERT_EQ(several.records.size(), 2u);
  EXPECT_EQ(several.records[1].rejected, "d");
  const std::string whole = R"([{"role":"user","content":"a"},{"role":"assistant","content":"b"}])";
  EXPECT_EQ(shown_pair(R"({"messages":)" + whole +
                       R"(,"rejected_messages":[{"role":"user","content":"a"},)"
                       R"({"role":"assistant","content":"c"}]})"),
            "user: a -> b / c");
  EXPECT_EQ(shown_pair(R"({"history":"a","human_ref_A":"b","human_ref_B":"c","labels":0})"),
            "user: a -> c / b");
}

TEST(PairMeaning, APromptBesideConversationsIsKept) {
  const auto conversation = [](const char* before, const char* answer) {
    return fmt::format(
        R"([{}{{"role":"user","content":"Q"}},{{"role":"assistant","content":"{}"}}])", before,
        answer);
  };
  const char* system = R"({"role":"system","content":"S"},)";
  EXPECT_EQ(shown_pair(fmt::format(R"({{"prompt":"Q","chosen":{},"rejected":{}}})",
                                   conversation(system, "A"), conversation(system, "B"))),
            "system: S | user: Q -> A / B");
  EXPECT_EQ(shown_pair(fmt::format(
                R"({{"prompt":[{}{{"role":"user","content":"Q"}}],"chosen":{},"rejected":{}}})",
                system, conversation("", "A"), conversation("", "B"))),
            "system: S | user: Q -> A / B");
  EXPECT_EQ(
      shown_pair(R"({"prompt":[{"role":"user","content":"P"}],)"
                 R"("chosen":[{"role":"assistant","content":"x"},{"role":"user","content":"y"},)"
                 R"({"role":"assistant","content":"A"}],)"
                 R"("rejected":[{"role":"assistant","content":"x"},{"role":"user","content":"y"},)"
                 R"({"role":"assistant","content":"B"}]})"),
      "user: P | assistant: x | user: y -> A / B");
  EXPECT_ERROR(pairs(fmt::format(R"({{"prompt":"other","chosen":{},"rejected":{}}})",
                                 conversation("", "A"), conversation("", "B"))),
               "prompt and conversation differ");
}

TEST(PairMeaning, AConversationBesideThePromptIsNoPrompt) {
  EXPECT_EQ(
      shown_pair(
          R"({"prompt":"Q","messages":[{"role":"user","content":"Q"},)"
          R"({"role":"assistant","content":"A"}],)"
          R"("chosen":[{"role":"user","content":"Q"},{"role":"assistant","content":"A"}],)"
          R"("rejected":[{"role":"user","content":"Q"},{"role":"assistant","content":"B"}]})"),
      "user: Q -> A / B");
}

TEST(PairMeaning, RankedAnswersGiveTheBestAgainstTheWorst) {
  for (
      const char* answers :
      {R"("responses":["c","b","d"],"ranks":[3,1,2])",
       R"("responses":["c","b","d"],"scores":[0,9,1])",
       R"("completions":[{"response":"c","overall_score":1},{"response":"b","overall_score":"4.5"}])",
       R"("candidates":[{"text":"b","rank":1},{"text":"c","rank":2}])"})
    EXPECT_EQ(shown_pair(fmt::format(R"({{"prompt":"a",{}}})", answers)), "user: a -> b / c")
        << answers;
  EXPECT_ERROR(pairs(R"({"prompt":"a","responses":["b","c"],"scores":[1]})"),
               "answers and scores differ in number: 'responses' has 2, 'scores' has 1");
  const auto ties = pairs(R"({"prompt":"a","responses":["b","c"],"scores":[1,1]})"
                          "\n"
                          R"({"prompt":"a","responses":["b","c"],"scores":[1,2]})");
  EXPECT_EQ(ties.reports[0].dropped.at("all answers are ranked alike"), 1);
}

TEST(PairMeaning, TwoAnswersAndAChoiceMakeAPair) {
  const auto row = [](const char* first, const char* second, const char* choice) {
    return fmt::format(R"({{"prompt":"a","{}":"b","{}":"c",{}}})", first, second, choice);
  };
  for (const std::string& pair : {row("response_0", "response_1", R"("better_response_id":0)"),
                                  row("response_a", "response_b", R"("winner":"model_a")"),
                                  row("response_A", "response_B", R"("preferred":"A")"),
                                  row("output_1", "output_2", R"("preference":1)"),
                                  row("response1", "response2", R"("overall_preference":-2)"),
                                  row("response_1", "response_2", R"("preference_strength":-1)"),
                                  row("answer_0", "answer_1", R"("score_0":0.5,"score_1":-0.5)"),
                                  row("answer_2", "answer_1", R"("winner":"answer_2")")})
    EXPECT_EQ(shown_pair(pair), "user: a -> b / c") << pair;
  for (const char* first : {"1", "true", "\"1\""})
    EXPECT_EQ(shown_pair(fmt::format(
                  R"({{"history":"a","human_ref_A":"b","human_ref_B":"c","labels":{}}})", first)),
              "user: a -> b / c");
  EXPECT_EQ(shown_pair(R"({"history":"a","human_ref_A":"b","human_ref_B":"c","labels":false})"),
            "user: a -> c / b");
  EXPECT_ERROR(pairs(R"({"history":"a","human_ref_A":"b","human_ref_B":"c","labels":2})"),
               "unknown choice: 'labels': expected 0 or 1, got 2");
  EXPECT_ERROR(pairs(row("response_a", "response_b", R"("winner":"model_c")")),
               "unknown choice: 'winner': expected 'a', 'b' or 'tie'");
  EXPECT_EQ(pairs(row("response_a", "response_b", R"("winner":"tie")") + "\n" +
                  row("response_a", "response_b", R"("winner":"b")"))
                .reports[0]
                .dropped.at("both answers are as good"),
            1);
  EXPECT_EQ(shown_pair(R"({"conversation_a":[{"role":"user","content":"a"},)"
                       R"({"role":"assistant","content":"b"}],"conversation_b":[{"role":"user",)"
                       R"("content":"a"},{"role":"assistant","content":"c"}],"winner":"model_b"})"),
            "user: a -> c / b");
}

TEST(PairMeaning, WhatLooksWrongInPairsIsTold) {
  const auto warnings = [](const std::string& row) { return pairs(row).reports[0].warnings; };
  EXPECT_THAT(
      warnings(R"({"prompt":"Sky?","chosen":"Sky? Blue.","rejected":"Sky? Red."})"),
      ElementsAre("1 of 1 rows: both answers repeat the prompt, which would be learned with them"));
  EXPECT_THAT(
      warnings(R"({"prompt":"a","chosen":"b","rejected":"c","score_chosen":3,"score_rejected":8})"),
      ElementsAre(
          HasSubstr("the scores contradict the choice ('score_chosen' below 'score_rejected')")));
  EXPECT_THAT(
      warnings(
          R"({"prompt":"a","chosen":"b","rejected":"c","chosen_rating":1,"rejected_rating":1})"),
      ElementsAre(HasSubstr("same score")));
  EXPECT_THAT(
      warnings(R"({"prompt":"a","chosen":"b","rejected":"c","chosen_rank":1,"rejected_rank":2})"),
      IsEmpty());
  for (const char* told : {R"("margin":-1.5)", R"("score_chosen":"3","score_rejected":"8")",
                           R"("rating":[2,9])", R"("rating":[9,2],"order":["rejected","chosen"])"})
    EXPECT_THAT(warnings(fmt::format(R"({{"prompt":"a","chosen":"b","rejected":"c",{}}})", told)),
                ElementsAre(HasSubstr("the scores contradict the choice")))
        << told;
  EXPECT_THAT(warnings(R"({"prompt":"a","chosen":{"role":"assistant","content":"b","score":1},)"
                       R"("rejected":{"role":"assistant","content":"c","score":"2"}})"),
              ElementsAre(HasSubstr("the scores contradict the choice")));
  EXPECT_THAT(warnings(R"({"history":"a","human_ref_A":"b","human_ref_B":"c","labels":1,)"
                       R"("score_A":2,"score_B":9})"),
              ElementsAre(HasSubstr("the scores contradict the choice")));
  EXPECT_THAT(warnings(R"({"prompt":"a","chosen":"b","rejected":"c","margin":1.5,"rating":[9,2]})"),
              IsEmpty());
  EXPECT_ERROR(pairs(R"({"instruction":"a","completions":[{"response":"b","overall_score":null},)"
                     R"({"response":"c","overall_score":null}]})"),
               "answer without a score or rank");
  EXPECT_THAT(report_of(conversations(R"({"prompt":"The mill on Reed Lane","completion":)"
                                      R"("The mill on Reed Lane is of stone."})"))
                  .warnings,
              ElementsAre(HasSubstr("the answer repeats the prompt")));
  EXPECT_THAT(warnings(R"({"prompt":"<s>[INST] a [/INST]","chosen":"b","rejected":"c"})"),
              ElementsAre(HasSubstr("chat or document markers as letters")));
}

}  // namespace
}  // namespace minillm
