// What people's rows mean: that no key is dropped in silence, and that known ones are understood.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/data/read_rows.h"
#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

using minillm_testing::BadRecordPolicy;
using minillm_testing::conversations;
using minillm_testing::pairs;
using minillm_testing::shown;
using minillm_testing::shown_pair;
using minillm_testing::TempDir;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

const DatasetReport& report_of(const Dataset<Conversation>& data) { return data.reports[0]; }

TEST(RowMeaning, UnusedKeysAreCountedAndWarnedOfWhereTheyHoldText) {
  const auto data = conversations(
      R"({"question":"a?","answer":"b","id":7,"source":"some web site","hint":"look it up there"})"
      "\n"
      R"({"question":"a!","answer":"b","id":8,"hint":"nowhere","empty":"","none":null,"list":[]})");
  EXPECT_THAT(report_of(data).unused_keys,
              ElementsAre(Pair("hint", 2), Pair("id", 2), Pair("source", 1)));
  EXPECT_THAT(report_of(data).warnings, ElementsAre(HasSubstr("what 'hint' (1 rows) says is not")));
}

TEST(RowMeaning, KeysOfMessagesAreCounted) {
  const auto data = conversations(
      R"({"messages":[{"role":"user","content":"a","name":"x"},{"role":"assistant","content":"b",)"
      R"("critique":"could be longer"}]})");
  EXPECT_THAT(report_of(data).unused_keys, ElementsAre(Pair("critique", 1), Pair("name", 1)));
  EXPECT_THAT(report_of(data).warnings, ElementsAre(HasSubstr("'critique'")));
}

TEST(RowMeaning, ContextBelongsToTheQuestion) {
  for (const char* key : {"context", "inputs", "passage", "document"}) {
    EXPECT_THAT(shown(fmt::format(R"({{"question":"Who?","{}":"Ada did.","answer":"Ada"}})", key)),
                ElementsAre("user: Who?\nAda did. | assistant: Ada"));
    EXPECT_EQ(shown_pair(fmt::format(
                  R"({{"prompt":"Who?","{}":"Ada did.","chosen":"Ada","rejected":"Bo"}})", key)),
              "user: Who?\nAda did. -> Ada / Bo");
  }
  EXPECT_THAT(
      shown(R"({"instruction":"Who?","context":["Ada did.","So it is."],"response":"Ada"})"),
      ElementsAre("user: Who?\nAda did.\nSo it is. | assistant: Ada"));
  EXPECT_THAT(shown(R"({"instruction":"Who?","input":"","context":"","response":"Ada"})"),
              ElementsAre("user: Who? | assistant: Ada"));
}

TEST(RowMeaning, SystemPromptsHaveManyNames) {
  for (const char* key : {"system", "system_prompt", "system_message"}) {
    EXPECT_THAT(shown(fmt::format(R"({{"question":"Q","{}":"Be kind.","response":"A"}})", key)),
                ElementsAre("system: Be kind. | user: Q | assistant: A"));
    EXPECT_EQ(shown_pair(fmt::format(
                  R"({{"question":"Q","{}":"Be kind.","chosen":"A","rejected":"B"}})", key)),
              "system: Be kind. | user: Q -> A / B");
  }
}

TEST(RowMeaning, MessagesMarkedNotToBeLearnedAreContext) {
  for (const char* mark : {R"("train":false)", R"("loss":false)", R"("loss_mask":0)",
                           R"("trainable":"false")", R"("training":0.0)", R"("weight":0)",
                           R"("loss_weight":0)", R"("masked":true)", R"("ignore":1)"}) {
    EXPECT_THAT(shown(fmt::format(R"({{"messages":[{{"role":"user","content":"a"}},)"
                                  R"({{"role":"assistant","content":"b",{}}},)"
                                  R"({{"role":"user","content":"c"}},)"
                                  R"({{"role":"assistant","content":"d"}}]}})",
                                  mark)),
                ElementsAre("user: a | assistant (context): b | user: c | assistant: d"))
        << mark;
  }
  EXPECT_ERROR(conversations(R"({"messages":[{"role":"user","content":"a"},)"
                             R"({"role":"assistant","content":"b","weight":0.5}]})"),
               "unsupported loss weight: 'weight': expected 0 or 1, got 0.5");
}

TEST(RowMeaning, RowsMayBeMarkedWholeOrMessageByMessage) {
  const std::string messages =
      R"("messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},)"
      R"({"role":"user","content":"c"},{"role":"assistant","content":"d"}])";
  for (const char* list : {"[0,0,0,1]", "[false,true]", "[1,0,1,1]"})
    EXPECT_THAT(shown("{" + messages + ",\"loss_mask\":" + list + "}"),
                ElementsAre("user: a | assistant (context): b | user: c | assistant: d"));
  EXPECT_ERROR(conversations("{" + messages + ",\"train_mask\":[1,0,1]}"),
               "unsupported loss mask: 'train_mask': expected 4 entries, one per message, or 2");
  const auto data = conversations("{" + messages + ",\"train\":false}\n{" + messages + "}");
  EXPECT_EQ(data.records.size(), 1u);
  EXPECT_EQ(report_of(data).dropped.at("row is marked not to be learned"), 1);
}

TEST(RowMeaning, ReasoningIsToldOrLearned) {
  const std::string row =
      R"({"messages":[{"role":"user","content":"2+2?"},)"
      R"({"role":"assistant","content":"4","reasoning_content":"Two and two."}]})";
  EXPECT_THAT(report_of(conversations(row)).warnings,
              ElementsAre(HasSubstr("'reasoning_content'")));
  const TempDir directory;
  RowMapping mapping;
  mapping.keep_reasoning = true;
  const auto data =
      read_conversations({directory.write("x.jsonl", row)}, BadRecordPolicy::kError, mapping);
  EXPECT_EQ(data.records[0].messages[1].content, "<think>\nTwo and two.\n</think>\n\n4");
  EXPECT_THAT(report_of(data).warnings, IsEmpty());
  EXPECT_ERROR(conversations(R"({"messages":[{"role":"user","content":"2+2?"},)"
                             R"({"role":"assistant","content":"","thinking":"Two."}]})"),
               "assistant message holds only reasoning: in 'thinking'");
}

TEST(RowMeaning, VerdictsOnOneAnswerAreNeverPlainConversations) {
  for (const char* label : {"0", "1", "\"good\"", "\"rejected\"", "true", "\"1\""})
    EXPECT_ERROR(
        conversations(fmt::format(R"({{"prompt":"a","completion":"b","label":{}}})", label)),
        "unpaired preference data");
  EXPECT_EQ(conversations(R"({"prompt":"a","completion":"b","label":"sports"})").records.size(),
            1u);
}

TEST(RowMeaning, ListsOfMessagesHaveManyNamesAndForms) {
  const std::string list = R"([{"role":"user","content":"a"},{"role":"assistant","content":"b"}])";
  for (const char* key :
       {"messages", "conversations", "conversation", "chat", "dialogue", "dialog", "turns", "data"})
    EXPECT_THAT(shown(fmt::format("{{\"{}\":{}}}", key, list)),
                ElementsAre("user: a | assistant: b"));
  EXPECT_THAT(shown(R"({"conversations":["a","b","c","d"],"source":"x"})"),
              ElementsAre("user: a | assistant: b | user: c | assistant: d"));
  EXPECT_THAT(shown(R"({"data":["a","b"]})"), ElementsAre("user: a | assistant: b"));
  EXPECT_THAT(shown(R"({"prompt":"a","messages":)" + list + "}"),
              ElementsAre("user: a | assistant: b"));
  EXPECT_THAT(shown(R"({"messages":[{"role":"user","content":"a"}],"response":"b"})"),
              ElementsAre("user: a | assistant: b"));
}

TEST(RowMeaning, QuestionsAndAnswersHaveManyNames) {
  for (const auto& [asked, answered] :
       std::vector<std::pair<const char*, const char*>>{{"input", "output"},
                                                        {"Question", "Answer"},
                                                        {"q", "a"},
                                                        {"input_text", "target_text"},
                                                        {"source", "target"},
                                                        {"problem", "solution"},
                                                        {"user", "assistant"},
                                                        {"inputs", "targets"},
                                                        {"instruction", "answer"}})
    EXPECT_THAT(shown(fmt::format(R"({{"{}":"a","{}":"b"}})", asked, answered)),
                ElementsAre("user: a | assistant: b"));
  EXPECT_THAT(shown(R"({"question":"a","answers":["b","c"]})"),
              ElementsAre("user: a | assistant: b", "user: a | assistant: c"));
  EXPECT_THAT(shown(R"({"instruction":"6 x 7?","output":42})"),
              ElementsAre("user: 6 x 7? | assistant: 42"));
}

constexpr const char* kTree =
    R"({"message_tree_id":"1","tree_state":"ready","prompt":{"text":"a","role":"prompter","replies":[)"
    R"({"text":"worse","role":"assistant","rank":1,"replies":[]},)"
    R"({"text":"best","role":"assistant","rank":0,"replies":[)"
    R"({"text":"c","role":"prompter","replies":[{"text":"d","role":"assistant","replies":[]}]},)"
    R"({"text":"e","role":"prompter","replies":[{"text":"f","role":"assistant","replies":[]}]}]}]}})";

TEST(RowMeaning, TreesGiveTheBestAnswersAndPairs) {
  EXPECT_THAT(shown(kTree),
              ElementsAre("user: a | assistant: best | user: c | assistant: d",
                          "user: a | assistant (context): best | user: e | assistant: f"));
  EXPECT_EQ(shown_pair(kTree), "user: a -> best / worse");
  EXPECT_ERROR(conversations(R"({"message_id":"1","parent_id":"0","text":"a","role":"prompter"})"),
               "a message of an OASST tree");
}

TEST(RowMeaning, PromptsOfPairsHaveManyNames) {
  for (const char* key :
       {"prompt", "input", "inputs", "instruction", "question", "query", "user", "problem"})
    EXPECT_EQ(
        shown_pair(fmt::format(
            R"({{"{}":"Where is it?","chosen":"The town A.","rejected":"The town B."}})", key)),
        "user: Where is it? -> The town A. / The town B.");
  EXPECT_ERROR(pairs(R"({"frage":"Where is it?","chosen":"The town A.","rejected":"The town B."})"),
               "pair without a prompt: expected 'prompt', got 'frage' (data.columns says");
}

TEST(RowMeaning, AnswersOfPairsHaveManyNames) {
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

TEST(RowMeaning, APromptBesideConversationsIsKept) {
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

TEST(RowMeaning, AConversationBesideThePromptIsNoPrompt) {
  EXPECT_EQ(
      shown_pair(
          R"({"prompt":"Q","messages":[{"role":"user","content":"Q"},)"
          R"({"role":"assistant","content":"A"}],)"
          R"("chosen":[{"role":"user","content":"Q"},{"role":"assistant","content":"A"}],)"
          R"("rejected":[{"role":"user","content":"Q"},{"role":"assistant","content":"B"}]})"),
      "user: Q -> A / B");
}

TEST(RowMeaning, RankedAnswersGiveTheBestAgainstTheWorst) {
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

TEST(RowMeaning, WhatLooksWrongInPairsIsTold) {
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
  EXPECT_THAT(warnings(R"({"prompt":"<s>[INST] a [/INST]","chosen":"b","rejected":"c"})"),
              ElementsAre(HasSubstr("chat or document markers as letters")));
}

TEST(RowMeaning, DuplicatesAndDroppedRowsAreTold) {
  const std::string row = R"({"prompt":"a","completion":"b"})";
  EXPECT_THAT(report_of(conversations(row + "\n" + row)).warnings,
              ElementsAre("1 of 2 conversations are duplicates of earlier ones"));
  EXPECT_THAT(report_of(conversations(row + "\n{\"x\": 1}", BadRecordPolicy::kSkip)).warnings,
              Contains(HasSubstr("1 of 2 rows dropped: unknown row format")));
  const Dataset<Conversation> train = conversations(row),
                              other = conversations(R"({"prompt":"a","completion":"b"})"
                                                    "\n"
                                                    R"({"prompt":"a","completion":"c"})");
  EXPECT_EQ(count_shared(train.records, other.records), 1);
}

TEST(RowMeaning, ColumnsAndRolesAreMapped) {
  const TempDir directory;
  const auto read = [&](const std::string& row, const RowMapping& mapping) {
    return read_conversations({directory.write("x.jsonl", row)}, BadRecordPolicy::kError, mapping);
  };
  const RowMapping columns{{{"prompt", "frage"}, {"completion", "antwort"}}};
  EXPECT_EQ(
      minillm_testing::show(
          read(R"({"frage":"a","antwort":"b","prompt":"not this"})", columns).records[0].messages),
      "user: a | assistant: b");
  const RowMapping messages{{{"messages", "verlauf"}, {"role", "wer"}, {"content", "was"}},
                            {{"Kunde", "user"}, {"wir", "assistant"}}};
  EXPECT_EQ(minillm_testing::show(
                read(R"({"verlauf":[{"wer":"Kunde","was":"a"},{"wer":"wir","was":"b"}]})", messages)
                    .records[0]
                    .messages),
            "user: a | assistant: b");
  EXPECT_ERROR(read(R"({"prompt":"a","completion":"b"})", RowMapping{{{"prompt", "frage"}}}),
               "data.columns.prompt = \"frage\": no record of");
  EXPECT_ERROR(check_row_mapping(RowMapping{{{"promt", "frage"}}}),
               "data.columns: expected one of text");
  EXPECT_ERROR(check_row_mapping(RowMapping{{}, {{"x", "boss"}}}),
               "data.roles.x: expected 'system'");
}

}  // namespace
}  // namespace minillm
