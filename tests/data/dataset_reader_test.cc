#include "libminillm/data/dataset_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libminillm/core/error.h"
#include "libminillm/core/file.h"
#include "tests/data/read_rows.h"
#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

using minillm_testing::conversations;
using minillm_testing::pairs;
using minillm_testing::show;
using minillm_testing::shown;
using minillm_testing::TempDir;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Conversations, OpenAiMessages) {
  EXPECT_THAT(shown(R"({"messages":[{"role":"system","content":"be terse"},)"
                    R"({"role":"user","content":"sky?"},{"role":"assistant","content":"blue"}]})"),
              ElementsAre("system: be terse | user: sky? | assistant: blue"));
  EXPECT_THAT(shown(R"([{"role":"developer","content":"s"},{"role":"user","content":"a"},)"
                    R"({"role":"assistant","content":"b"}])"),
              ElementsAre("system: s | user: a | assistant: b"));
}

TEST(Conversations, TypedContentPartsAreJoined) {
  EXPECT_THAT(shown(R"({"messages":[{"role":"user","content":[{"type":"text","text":"a"},)"
                    R"({"type":"text","value":"b"}]},{"role":"assistant","content":"c"}]})"),
              ElementsAre("user: ab | assistant: c"));
  EXPECT_THAT(shown(R"({"messages":[{"role":"user","content":["a","b"]},)"
                    R"({"role":"assistant","content":"c"}]})"),
              ElementsAre("user: ab | assistant: c"));
  EXPECT_ERROR(
      shown(R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":"x"}]},)"
            R"({"role":"assistant","content":"c"}]})"),
      "x.jsonl:1: content is not text: expected type 'text', got 'image_url'");
}

TEST(Conversations, LossWeightZeroMakesAMessageContext) {
  EXPECT_THAT(
      shown(R"({"messages":[{"role":"user","content":"a"},)"
            R"({"role":"assistant","content":"b","loss_weight":0.0},)"
            R"({"role":"user","content":"c"},{"role":"assistant","content":"d","weight":1}]})"),
      ElementsAre("user: a | assistant (context): b | user: c | assistant: d"));
  EXPECT_ERROR(shown(R"({"messages":[{"role":"user","content":"a"},)"
                     R"({"role":"assistant","content":"b","loss_weight":0}]})"),
               "every assistant message has loss weight 0");
  EXPECT_ERROR(shown(R"({"messages":[{"role":"user","content":"a"},)"
                     R"({"role":"assistant","content":"b","loss_weight":0.5}]})"),
               "unsupported loss weight: 'loss_weight': expected 0 or 1, got 0.5");
}

TEST(Conversations, Alpaca) {
  EXPECT_THAT(shown(R"({"instruction":"translate","input":"cat","output":"chat"}
{"instruction":"say hi","input":"","response":"hi"}
{"instruction":"c","input":null,"output":"d","system":"s","history":[["q1","a1"],["q2","a2"]]})"),
              ElementsAre("user: translate\ncat | assistant: chat", "user: say hi | assistant: hi",
                          "system: s | user: q1 | assistant: a1 | user: q2 | assistant: a2 | user: "
                          "c | assistant: d"));
}

TEST(Conversations, ShareGptInBothSpellings) {
  EXPECT_THAT(
      shown(R"({"conversations":[{"from":"system","value":"s"},{"from":"human","value":"a"},)"
            R"({"from":"gpt","value":"b"}]}
{"conversations":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"system":"s"}
{"system":"","mask":"User","conversations":[{"from":"User","value":"a"},)"
            R"({"from":"Assistant","value":"b"}]}
{"conversation":[{"human":"a","assistant":"b"},{"human":"c","assistant":"d"}]})"),
      ElementsAre("system: s | user: a | assistant: b", "system: s | user: a | assistant: b",
                  "user: a | assistant: b", "user: a | assistant: b | user: c | assistant: d"));
}

TEST(Conversations, PromptAndCompletionPlainAndConversational) {
  EXPECT_THAT(
      shown(R"({"prompt":"The sky is","completion":" blue."}
{"prompt":[{"role":"user","content":"a"}],"completion":[{"role":"assistant","content":"b"}]}
{"query":"a","response":"b","history":[["c","d"]]}
{"question":"a","answer":"b"})"),
      ElementsAre("user: The sky is | assistant: blue.", "user: a | assistant: b",
                  "user: c | assistant: d | user: a | assistant: b", "user: a | assistant: b"));
}

TEST(Conversations, SelfInstructGivesAConversationPerInstance) {
  const auto data =
      conversations(R"({"id":"x","instruction":"add","instances":[{"input":"1 1","output":"2"},)"
                    R"({"input":"","output":"3"}]})");
  ASSERT_EQ(data.records.size(), 2u);
  EXPECT_EQ(show(data.records[0].messages), "user: add\n1 1 | assistant: 2");
  EXPECT_EQ(data.reports[0].used, 1);
}

TEST(Conversations, AreCutAtTheLastAssistantMessage) {
  EXPECT_THAT(
      shown(R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},)"
            R"({"role":"user","content":""}]})"),
      ElementsAre("user: a | assistant: b"));
}

TEST(Conversations, ConsecutiveUserMessagesStayAsTheyAre) {
  EXPECT_THAT(shown(R"({"messages":[{"role":"user","content":"a"},{"role":"user","content":"b"},)"
                    R"({"role":"assistant","content":"c"}]})"),
              ElementsAre("user: a | user: b | assistant: c"));
}

TEST(Conversations, PlaceholdersAreJustText) {
  EXPECT_THAT(shown(R"({"instruction":"hi","output":"I am {{name}} by {{author}}"})"),
              ElementsAre("user: hi | assistant: I am {{name}} by {{author}}"));
}

TEST(Conversations, ErrorsNameFileLineReasonAndRemedy) {
  const std::string good = R"({"instruction":"a","output":"b"})";
  EXPECT_ERROR(
      conversations(good + "\n\n" + R"({"messages":[{"role":"wizard","content":"x"}]})"),
      "x.jsonl:3: unknown role: expected system, user (human) or assistant (gpt), got 'wizard' "
      "(data.roles says what others are) (on_bad_record = \"skip\" leaves such records out)");
  EXPECT_ERROR(conversations(good + "\n{\"instruction\":\"x\", \"output\":"),
               "x.jsonl:2: invalid JSON: column ");
  EXPECT_ERROR(conversations(R"({"instruction":"x"})"), "x.jsonl:1: missing 'output'");
  EXPECT_ERROR(conversations(R"({"instruction":["a"],"output":{"b":1}})"),
               "wrong type: 'output': expected a string, got object");
  EXPECT_ERROR(conversations(R"({"instruction":"x","output":" "})"),
               "x.jsonl:1: assistant message is empty");
  EXPECT_ERROR(conversations(R"({"instruction":"","output":"a"})"),
               "x.jsonl:1: user message is empty");
  EXPECT_ERROR(conversations(R"({"messages":[]})"), "no assistant message: got 0 messages");
  EXPECT_ERROR(conversations(R"({"messages":[{"role":"assistant","content":"a"}]})"),
               "assistant message before the first user message");
  EXPECT_ERROR(conversations(R"({"messages":[{"content":"a"}]})"),
               "message without a role: expected 'role' or 'from'");
  EXPECT_ERROR(conversations(R"({"messages":[{"role":"user"}]})"), "message without content");
  EXPECT_ERROR(conversations(R"({"messages":"a"})"), "messages: expected a list, got string");
  EXPECT_ERROR(conversations(R"({"conversation":"a"})"),
               "wrong type: messages: expected a list, got string");
  EXPECT_ERROR(conversations(R"({"instruction":"a","output":"b","history":[["c"]]})"),
               "wrong type: 'history': expected pairs [question, answer]");
  EXPECT_ERROR(conversations(R"({"a":1,"b":2})"),
               "unknown row format: expected conversations, got keys 'a', 'b'");
  EXPECT_ERROR(conversations("[1,2]\n[3]"), "wrong type: message: expected an object, got number");
}

TEST(Conversations, SkippedRecordsAreCountedWithReasonsAndExamples) {
  std::string rows = R"({"instruction":"a","output":"b"})";
  for (int i = 0; i < 5; ++i) rows += "\n{\"instruction\":\"x\"}";
  rows += "\n{\"messages\":[{\"role\":\"wizard\",\"content\":\"x\"}]}\nnot json\n";
  const auto data = conversations(rows, BadRecordPolicy::kSkip);
  const DatasetReport& report = data.reports[0];
  EXPECT_EQ(data.records.size(), 1u);
  EXPECT_EQ(report.rows, 8);
  EXPECT_EQ(report.used, 1);
  EXPECT_EQ(report.format, "mixed: alpaca (6), openai messages (1)");
  EXPECT_EQ(report.dropped,
            (std::map<std::string, int64_t>{
                {"missing 'output'", 5}, {"unknown role", 1}, {"invalid JSON", 1}}));
  ASSERT_EQ(report.examples.size(), 4u) << "two of a kind at most";
  EXPECT_THAT(report.examples[1], HasSubstr("x.jsonl:3: missing 'output'"));
}

TEST(Conversations, FilesWithoutAUsableRecordAreErrorsUnderEitherPolicy) {
  EXPECT_ERROR(conversations("", BadRecordPolicy::kSkip),
               "x.jsonl': no usable record in it: it is empty");
  EXPECT_ERROR(conversations("\n\n", BadRecordPolicy::kError),
               "no usable record in it: it is empty");
  EXPECT_ERROR(conversations("{}\n[]\n", BadRecordPolicy::kSkip),
               "no usable record in it: 2 of 2 rows dropped: ");
}

TEST(Datasets, FilesOfAnotherKindAreNamed) {
  const std::string conversation = R"({"instruction":"a","output":"b"})";
  const std::string preference = R"({"prompt":"a","chosen":"b","rejected":"c"})";
  EXPECT_ERROR(conversations(preference, BadRecordPolicy::kSkip),
               "wrong kind of data set: expected conversations, got preference pairs (which "
               "the dpo stage takes)");
  EXPECT_ERROR(pairs(conversation, BadRecordPolicy::kSkip),
               "expected preference pairs, got conversations (which the sft stage takes)");
  EXPECT_ERROR(conversations(R"({"text":"a"})", BadRecordPolicy::kSkip),
               "got texts ({\"text\": ...}) (which the pretrain stage takes)");
  for (const char* unpaired : {R"({"messages":[{"role":"user","content":"a"}],"label":false})",
                               R"({"prompt":"a","completion":"b","label":true})",
                               R"({"instruction":"a","output":"b","kto_tag":true})"}) {
    EXPECT_ERROR(pairs(unpaired),
                 "unpaired preference data (one answer and a 'label'): expected 'chosen' and "
                 "'rejected' (only dpo.loss = \"kto\" learns from single answers)");
    EXPECT_ERROR(conversations(unpaired), "unpaired preference data");
  }
  EXPECT_EQ(conversations(conversation + "\n" + preference, BadRecordPolicy::kSkip)
                .reports[0]
                .dropped.at("row of another kind"),
            1);
  const TempDir directory;
  EXPECT_ERROR(
      read_conversations({directory.write("x.txt", "hello")}, BadRecordPolicy::kSkip),
      "expected records (JSON lines, a JSON array, or a .csv or .tsv table), got plain text");
}

TEST(Datasets, KindIsFoundFromTheFirstRowThatShowsIt) {
  const TempDir directory;
  const auto kind = [&](const std::string& rows) {
    return detect_dataset_kind(directory.write("x.jsonl", rows));
  };
  EXPECT_EQ(kind("broken\n{\"x\":1}\n{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\"}"),
            DatasetKind::kPreferences);
  EXPECT_EQ(kind("{\"text\":\"a\"}"), DatasetKind::kText);
  EXPECT_EQ(kind("{\"instruction\":\"a\",\"text\":\"x\",\"output\":\"b\"}"),
            DatasetKind::kConversations);
  EXPECT_EQ(detect_dataset_kind(directory.write("x.txt", "a")), DatasetKind::kText);
}

TEST(Datasets, HashIsOfTheFilesBytesInOrder) {
  const TempDir directory;
  const std::string a = R"({"instruction":"a","output":"b"})",
                    b = R"({"instruction":"c","output":"d"})";
  const std::string one = directory.write("1.jsonl", a), two = directory.write("2.jsonl", b);
  const auto data = read_conversations({one, two}, BadRecordPolicy::kError);
  EXPECT_EQ(data.hash, sha256(a + b));
  EXPECT_EQ(data.reports.size(), 2u);
  EXPECT_NE(read_conversations({two, one}, BadRecordPolicy::kError).hash, data.hash);
}

TEST(Datasets, BadRecordPolicyIsParsed) {
  EXPECT_EQ(parse_bad_record_policy("error"), BadRecordPolicy::kError);
  EXPECT_EQ(parse_bad_record_policy("skip"), BadRecordPolicy::kSkip);
  EXPECT_ERROR(parse_bad_record_policy("ignore"),
               "on_bad_record: expected 'error' or 'skip', got 'ignore'");
}

}  // namespace
}  // namespace minillm
