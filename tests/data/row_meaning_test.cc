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
using minillm_testing::shown;
using minillm_testing::shown_pair;
using minillm_testing::TempDir;
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
  EXPECT_THAT(
      report_of(data).warnings,
      ElementsAre(HasSubstr("not used, though it may change what a row means: 'hint' (1 rows)")));
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
  for (const char* mark :
       {R"("train":false)", R"("loss":false)", R"("loss_mask":0)", R"("trainable":"false")",
        R"("training":0.0)", R"("weight":0)", R"("loss_weight":0)", R"("masked":true)",
        R"("ignore":1)", R"("no_loss":true)", R"("exclude":"yes")", R"("sample_weight":0)"}) {
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
  EXPECT_ERROR(conversations(R"({"messages":[{"role":"user","content":"a"},)"
                             R"({"role":"assistant","content":"b","train_detail":[]}]})"),
               "unsupported loss mask: 'train_detail'");
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
  EXPECT_THAT(report_of(conversations("{" + messages + ",\"weight\":0.5}")).warnings,
              ElementsAre("1 of 1 rows: a 'weight' that is neither 0 nor 1 counts as 1"));
  EXPECT_THAT(report_of(conversations("{" + messages + ",\"train_on_input\":true}")).warnings,
              ElementsAre(HasSubstr("asks to learn the prompt, too")));
}

TEST(RowMeaning, WhatOnlyRepeatsIsNoWarning) {
  for (const char* row :
       {R"({"instruction":"Name a colour.","input":"","output":"Red is one.",)"
        R"("text":"### Instruction:\nName a colour.\n### Response:\nRed is one."})",
        R"({"question":"Name a colour of the sky.","answer":"Blue","first":"a colour of the sky"})",
        R"({"conversations":[{"from":"human","value":"Sky, what is it?"},{"from":"gpt",)"
        R"("value":"It is blue."}],"turns_as_text":["Sky, what is it?","It is blue."]})"})
    EXPECT_THAT(report_of(conversations(row)).warnings, IsEmpty()) << row;
  EXPECT_THAT(
      report_of(conversations(R"({"question":"Name it.","answer":"Blue","note":"Blue or red"})"))
          .warnings,
      ElementsAre(HasSubstr("'note'")));
  EXPECT_THAT(report_of(conversations(R"({"question":"a","choices":["red","blue"],"answer":"1"})"))
                  .warnings,
              ElementsAre(HasSubstr("'choices'")));
}

TEST(RowMeaning, KeysAreNamedAsTheFileWritesThem) {
  const auto data = conversations(R"({"Question":"a","Answer":"b","Complex_CoT":"so and so"})");
  EXPECT_THAT(report_of(data).unused_keys, ElementsAre(Pair("Complex_CoT", 1)));
  const TempDir directory;
  const auto mapped = read_conversations(
      {directory.write("x.jsonl", R"({"prompt":"some other text","Frage":"a","answer":"b"})")},
      BadRecordPolicy::kError, RowMapping{{{"prompt", "Frage"}}});
  EXPECT_THAT(report_of(mapped).unused_keys, ElementsAre(Pair("prompt", 1)));
}

TEST(RowMeaning, SystemPromptsThatAreSaidTwiceAreSaidOnce) {
  EXPECT_THAT(shown(R"({"system":"S ","messages":[{"role":"system","content":"S"},)"
                    R"({"role":"user","content":"a"},{"role":"assistant","content":"b"}]})"),
              ElementsAre("system: S | user: a | assistant: b"));
  EXPECT_THAT(shown(R"({"system":"S","messages":[{"role":"system","content":"T"},)"
                    R"({"role":"user","content":"a"},{"role":"assistant","content":"b"}]})"),
              ElementsAre("system: S | system: T | user: a | assistant: b"));
}

TEST(RowMeaning, DialoguesAreUnderstoodWhereverAQuestionMayStand) {
  const std::string dialogue =
      R"("prompt":"\n\nHuman: Hi\n\nAssistant: Yo\n\nHuman: Sky?\n\nAssistant: ")";
  EXPECT_THAT(shown("{" + dialogue + R"(,"completion":"Blue"})"),
              ElementsAre("user: Hi | assistant: Yo | user: Sky? | assistant: Blue"));
  EXPECT_EQ(shown_pair("{" + dialogue + R"(,"answers":[{"answer":"Red","rank":2},)" +
                       R"({"answer":"Blue","rank":1}]})"),
            "user: Hi | assistant: Yo | user: Sky? -> Blue / Red");
  EXPECT_THAT(
      report_of(conversations(R"({"question":"x","answer":"a\n\nHuman: b\n\nAssistant: c"})"))
          .warnings,
      ElementsAre(HasSubstr("\"Human:\" (1), \"Assistant:\" (1)")));
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
  for (const char* key : {"reasoning", "cot", "Complex_CoT", "rationale"}) {
    const std::string beside =
        fmt::format(R"({{"question":"2+2?","{}":"Two and two.","answer":"4"}})", key);
    const auto learned =
        read_conversations({directory.write("y.jsonl", beside)}, BadRecordPolicy::kError, mapping);
    EXPECT_EQ(learned.records[0].messages[1].content, "<think>\nTwo and two.\n</think>\n\n4");
    EXPECT_THAT(report_of(conversations(beside)).warnings, ElementsAre(HasSubstr(key)));
  }
}

TEST(RowMeaning, AJudgedAnswerIsAPairWithoutTheOther) {
  const TempDir directory;
  const auto judged = [&](const std::string& text, BadRecordPolicy policy) {
    return read_judged_answers({directory.write("x.jsonl", text)}, policy);
  };
  const std::string good[] = {"true", "1", "\"good\"", "\"Chosen\"", "\"thumbs_up\""};
  const std::string bad[] = {"false", "0", "-1", "\"bad\"", "\"undesirable\"", "\"no\""};
  const auto answer = [&](const std::string& label) {
    return judged(fmt::format(R"({{"prompt":"q","completion":"a","label":{}}})", label),
                  BadRecordPolicy::kError)
        .records.at(0);
  };
  for (const std::string& label : good) {
    EXPECT_EQ(answer(label).chosen, "a") << label;
    EXPECT_EQ(answer(label).rejected, "") << label;
  }
  for (const std::string& label : bad) {
    EXPECT_EQ(answer(label).rejected, "a") << label;
    EXPECT_EQ(answer(label).chosen, "") << label;
  }
  // Messages; pairs beside single answers; what is none of them.
  const auto mixed = judged(
      R"({"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"},{"role":"user","content":"r"},{"role":"assistant","content":"b"}],"kto_tag":false}
{"prompt":"q","chosen":"a","rejected":"b"}
{"prompt":"q","completion":"a","kto_tag":"maybe"}
{"messages":[{"role":"user","content":"q"}],"label":true}
)",
      BadRecordPolicy::kSkip);
  ASSERT_EQ(mixed.records.size(), 2u);
  EXPECT_EQ(mixed.records[0].prompt.size(), 3u);
  EXPECT_EQ(mixed.records[0].rejected, "b");
  EXPECT_EQ(mixed.records[1].chosen, "a");
  EXPECT_EQ(mixed.reports[0].dropped.at("'kto_tag' is no verdict"), 1);
  EXPECT_EQ(mixed.reports[0].format,
            "mixed: an answer and a verdict (3), prompt, chosen and rejected (1)");
}

TEST(RowMeaning, VerdictsOnOneAnswerAreNeverPlainConversations) {
  for (const char* label : {"0", "1", "\"good\"", "\"rejected\"", "true", "\"1\""})
    EXPECT_ERROR(
        conversations(fmt::format(R"({{"prompt":"a","completion":"b","label":{}}})", label)),
        "unpaired preference data");
  EXPECT_ERROR(conversations(R"({"prompt":"a","response":"b","is_preferred":false})"),
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
