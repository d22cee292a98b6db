// Preference pairs in every format that is read.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/data/read_rows.h"
#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

using minillm_testing::pairs;
using minillm_testing::shown_pair;

TEST(Preferences, ExplicitPromptPlainAndConversational) {
  const std::string expected = "user: Sky? -> Blue. / Green.";
  EXPECT_EQ(shown_pair(R"({"prompt":"Sky?","chosen":" Blue.","rejected":" Green."})"), expected);
  EXPECT_EQ(shown_pair(R"({"question":"Sky?","chosen":"Blue.","rejected":"Green.","system":""})"),
            expected);
  EXPECT_EQ(
      shown_pair(R"({"prompt":[{"role":"user","content":"Sky?"}],"chosen":[{"role":"assistant",)"
                 R"("content":"Blue."}],"rejected":[{"role":"assistant","content":"Green."}]})"),
      expected);
  EXPECT_EQ(
      shown_pair(R"({"conversations":[{"from":"human","value":"Sky?"}],"chosen":{"from":"gpt",)"
                 R"("value":"Blue."},"rejected":{"from":"gpt","value":"Green."}})"),
      expected);
  EXPECT_EQ(shown_pair(R"({"conversations":[{"from":"human","value":"Sky?"}],"chosen":"Blue.",)"
                       R"("rejected":"Green."})"),
            expected);
}

TEST(Preferences, ImplicitPromptIsTheCommonBeginning) {
  EXPECT_EQ(shown_pair(R"({"chosen":"The sky is blue.","rejected":"The sky is black."})"),
            "user: The sky is -> blue. / black.");
  const std::string messages =
      R"({"chosen":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},)"
      R"({"role":"user","content":"c"},)"
      R"({"role":"assistant","content":"good"}],"rejected":[{"role":"user",)"
      R"("content":"a"},{"role":"assistant","content":"b"},)"
      R"({"role":"user","content":"c"},{"role":"assistant","content":"bad"}])";
  EXPECT_EQ(shown_pair(messages + "}"), "user: a | assistant: b | user: c -> good / bad");
  EXPECT_EQ(shown_pair(messages + R"(,"prompt":"c","score_chosen":8})"),
            "user: a | assistant: b | user: c -> good / bad")
      << "a whole conversation needs no prompt beside it";
  EXPECT_ERROR(shown_pair(R"({"chosen":"alpha","rejected":"beta"})"), "user message is empty");
}

TEST(Preferences, HhDialogueStrings) {
  EXPECT_EQ(
      shown_pair(
          R"({"chosen":"\n\nHuman: Hi\n\nAssistant: Hello!\n\nHuman: Why?\n\nAssistant: Well.",)"
          R"("rejected":"\n\nHuman: Hi\n\nAssistant: Hello!\n\nHuman: Why?\n\nAssistant: No way."})"),
      "user: Hi | assistant: Hello! | user: Why? -> Well. / No way.");
  EXPECT_EQ(shown_pair(
                R"({"prompt":"\n\nHuman: Hi\n\nAssistant:","chosen":" Hello!","rejected":" No."})"),
            "user: Hi -> Hello! / No.");
  EXPECT_ERROR(
      shown_pair(R"({"chosen":"\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: d",)"
                 R"("rejected":"\n\nHuman: a\n\nAssistant: x\n\nHuman: c\n\nAssistant: e"})"),
      "chosen and rejected differ before their last message");
  EXPECT_ERROR(shown_pair(R"({"chosen":"\n\nHuman: a\n\nAssistant: b\n\nHuman: c",)"
                          R"("rejected":"\n\nHuman: a\n\nAssistant: x"})"),
               "answer does not end with an assistant message");
}

TEST(Preferences, RefuseAnAnswerThatIsNoDialogueWhereTheOtherIs) {
  EXPECT_ERROR(pairs(R"({"chosen":"\n\nHuman: a\n\nAssistant: b","rejected":"no"})"),
               "dialogue does not begin with 'Human:' or 'Assistant:'");
}

TEST(Preferences, OtherSpellings) {
  EXPECT_EQ(shown_pair(
                R"({"instruction":"a","input":"b","output":"x","chosen":"good","rejected":"bad"})"),
            "user: a\nb -> good / bad");
  EXPECT_EQ(
      shown_pair(
          R"({"chosen_messages":[{"role":"system","content":"s"},)"
          R"({"role":"user","content":"a"},)"
          R"({"role":"assistant","content":"good"}],"rejected_messages":[{"role":"system",)"
          R"("content":"s"},{"role":"user","content":"a"},{"role":"assistant","content":"bad"}]})"),
      "system: s | user: a -> good / bad");
  EXPECT_EQ(shown_pair(R"({"input":{"messages":[{"role":"user","content":"a"}],"tools":[]},)"
                       R"("preferred_output":[{"role":"assistant","content":"good"}],)"
                       R"("non_preferred_output":[{"role":"assistant","content":"bad"}]})"),
            "user: a -> good / bad");
  EXPECT_EQ(shown_pair(R"({"messages":[{"role":"user","content":"a"},)"
                       R"({"role":"assistant","content":"good"}],"rejected_response":"bad"})"),
            "user: a -> good / bad");
  EXPECT_EQ(shown_pair(R"({"question":"a","response_j":"good","response_k":"bad"})"),
            "user: a -> good / bad");
}

TEST(Preferences, ErrorsNameFileLineAndReason) {
  EXPECT_ERROR(pairs(R"({"prompt":"Q","chosen":"x"})"), "x.jsonl:1: missing 'rejected'");
  EXPECT_ERROR(pairs(R"({"prompt":"Q","chosen":"","rejected":"b"})"),
               "x.jsonl:1: chosen answer is empty");
  EXPECT_ERROR(pairs(R"({"prompt":[{"role":"user","content":"a"},)"
                     R"({"role":"assistant","content":"b"}],"chosen":"c","rejected":"d"})"),
               "prompt does not end with a user message: it ends with the role assistant");
  EXPECT_ERROR(pairs(R"({"prompt":"Q","chosen":{"role":"user","content":"a"},"rejected":"d"})"),
               "answer is not by the assistant: 'chosen' has the role user");
  EXPECT_ERROR(pairs(R"({"input":{},"preferred_output":[],"non_preferred_output":[]})"),
               "missing 'input.messages'");
  EXPECT_ERROR(pairs(R"({"messages":[{"role":"user","content":"a"}],"rejected_response":"b"})"),
               "x.jsonl:1: answer does not end with an assistant message");
}

// Trap: identical pairs teach nothing and keep the loss at ln 2. Not fatal: dropped and counted.
TEST(Preferences, IdenticalPairsAreDroppedAndCountedUnderEitherPolicy) {
  const std::string rows = R"({"prompt":"Q","chosen":"good","rejected":"bad"}
{"prompt":"Q","chosen":"same","rejected":" same "})";
  for (const auto policy : {BadRecordPolicy::kError, BadRecordPolicy::kSkip}) {
    const auto data = pairs(rows, policy);
    EXPECT_EQ(data.records.size(), 1u);
    EXPECT_EQ(data.reports[0].dropped.at("chosen and rejected are identical"), 1);
  }
}

}  // namespace
}  // namespace minillm
