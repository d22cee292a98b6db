// Rows with tools: what is declared, called and returned, in every spelling.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libminillm/core/error.h"
#include "libminillm/data/dataset_reader.h"
#include "libminillm/data/message_json.h"
#include "tests/data/read_rows.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/test_data.h"

namespace minillm {
namespace {

using minillm_testing::conversations;
using minillm_testing::pairs;
using minillm_testing::shown;
using testing::ElementsAre;

const std::string kAsk = R"({"role":"user","content":"2+3?"})";
const std::string kCall =
    R"({"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function",)"
    R"("function":{"name":"add","arguments":"{\"b\": 3.0,\"a\":2}"}}]})";
const std::string kResult = R"({"role":"tool","tool_call_id":"c1","content":"5"})";
const std::string kTell = R"({"role":"assistant","content":"It makes 5."})";
const std::string kDeclared =
    R"("tools":[{"type":"function","function":{"name":"add","parameters":)"
    R"({"type":"object","properties":{"b":{"minimum":1.0},"a":{}}}}}])";

std::string openai(const std::string& messages, const std::string& more = "") {
  return R"({"messages":[)" + messages + "]" + (more.empty() ? "" : "," + more) + "}";
}

TEST(ToolRows, OpenAiCallsAndResults) {
  const std::string expected = R"(user: 2+3? | assistant:  add({"b": 3.0, "a": 2}) | tool: 5 | )"
                               "assistant: It makes 5.";
  EXPECT_THAT(shown(openai(kAsk + "," + kCall + "," + kResult + "," + kTell)),
              ElementsAre(expected));
  EXPECT_THAT(shown(openai(kAsk + "," + kCall + "," + kResult + "," + kTell, kDeclared)),
              ElementsAre("system: [add] | " + expected));
  // The older form, and arguments that are an object: their order and digits stay.
  EXPECT_THAT(shown(openai(kAsk +
                           R"(,{"role":"assistant","content":null,"function_call":)"
                           R"({"name":"add","arguments":{"b":3.0,"a":2}}},)"
                           R"({"role":"function","name":"add","content":"5"},)" +
                           kTell)),
              ElementsAre(expected));
}

TEST(ToolRows, ShareGptCallsAndObservations) {
  EXPECT_THAT(
      shown(R"({"conversations":[{"from":"human","value":"2+3?"},)"
            R"({"from":"function_call","value":"{\"name\":\"add\",\"arguments\":{\"b\":3.0}}"},)"
            R"({"from":"observation","value":"5"},{"from":"gpt","value":"5"}],"system":"Be kind.",)"
            R"("tools":"[{\"name\": \"add\", \"parameters\": {}}]"})"),
      ElementsAre(
          R"(system: Be kind. [add] | user: 2+3? | assistant:  add({"b": 3.0}) | tool: 5 | )"
          "assistant: 5"));
  // A text and its calls, one by one or as a list, are one turn.
  EXPECT_THAT(
      shown(
          R"({"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"Let me see."},)"
          R"({"from":"function_call","value":"{\"name\":\"f\"}"},)"
          R"({"from":"function_call","value":"[{\"name\":\"g\"},{\"name\":\"h\"}]"},)"
          R"({"from":"observation","value":"1"},{"from":"observation","value":""},)"
          R"({"from":"gpt","value":"b"}]})"),
      ElementsAre("user: a | assistant: Let me see. f({}) g({}) h({}) | tool: 1 | tool:  | "
                  "assistant: b"));
}

// Trap: apostrophes that end no string.
TEST(ToolRows, CallsMayBeSpelledAsPythonDoesAndRolesWithHyphens) {
  EXPECT_THAT(
      shown(R"x({"conversations":[{"from":"human","value":"a"},{"from":"function-call","value":)x"
            R"x("{\"name\": \"f\", \"arguments\": '{\"z\": 1.0, \"a\": \"it's\"}'}"},)x"
            R"x({"from":"function-response","value":"5"},{"from":"gpt","value":"b"}]})x"),
      ElementsAre(R"(user: a | assistant:  f({"z": 1.0, "a": "it's"}) | tool: 5 | assistant: b)"));
  EXPECT_THAT(shown(openai(kAsk + R"(,{"role":"assistant","tool_calls":[{"function":)"
                                  R"({"name":"f","arguments":"{'z': True}"}}]})",
                           R"("tools":"[{'name': 'f', 'a': None}]")")),
              ElementsAre(R"(system: [f] | user: 2+3? | assistant:  f({"z": true}))"));
}

TEST(ToolRows, DeclarationsAreOfOneForm) {
  const auto declared = [](const std::string& row) {
    return conversations(row).records.at(0).messages.at(0).tools.at(0).declaration;
  };
  const std::string expected =
      R"({"type": "function", "function": {"name": "add", "parameters": {"type": "object", )"
      R"("properties": {"b": {"minimum": 1.0}, "a": {}}}}})";
  EXPECT_EQ(declared(openai(kAsk + "," + kTell, kDeclared)), expected);
  EXPECT_EQ(declared(openai(kAsk + "," + kTell,
                            R"("functions":[{"name":"add","parameters":{"type":"object",)"
                            R"("properties":{"b":{"minimum":1.0},"a":{}}}}])")),
            expected);
  // In the system message that there is.
  const auto messages =
      conversations(
          openai(R"({"role":"system","content":"Be kind."},)" + kAsk + "," + kTell, kDeclared))
          .records.at(0)
          .messages;
  EXPECT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[0].content, "Be kind.");
  EXPECT_EQ(messages[0].tools.size(), 1u);
}

// Trap: a call as the last message is what a row may teach.
TEST(ToolRows, MayEndWithACall) {
  EXPECT_THAT(shown(openai(kAsk + "," + kCall)),
              ElementsAre(R"(user: 2+3? | assistant:  add({"b": 3.0, "a": 2}))"));
  EXPECT_THAT(shown(openai(kAsk + "," + kCall + "," + kResult)),
              ElementsAre(R"(user: 2+3? | assistant:  add({"b": 3.0, "a": 2}))"))
      << "a result that nothing follows is not read";
}

TEST(ToolRows, ResultsComeInTheOrderOfTheCalls) {
  const std::string calls = R"({"role":"assistant","content":"Both:","tool_calls":[)"
                            R"({"id":"x","function":{"name":"f","arguments":"{}"}},)"
                            R"({"id":"y","function":{"name":"g","arguments":""}}]},)"
                            R"({"role":"tool","tool_call_id":"y","content":"of g"},)"
                            R"({"role":"tool","tool_call_id":"x","content":"of f"},)";
  EXPECT_THAT(shown(openai(kAsk + "," + calls + kTell)),
              ElementsAre("user: 2+3? | assistant: Both: f({}) g({}) | tool: of f | tool: of g | "
                          "assistant: It makes 5."));
}

// Trap: the row's order of keys and spelling of numbers are what the model is to say.
TEST(ToolRows, ArgumentsKeepTheirOrderAndTheirDigits) {
  const auto arguments = [](const std::string& text) {
    return conversations(openai(kAsk +
                                R"(,{"role":"assistant","tool_calls":[{"function":)"
                                R"({"name":"f","arguments":)" +
                                text + "}}]}"))
        .records.at(0)
        .messages.at(1)
        .calls.at(0)
        .arguments;
  };
  for (const char* given : {R"({"z":1.0,"a":[1e3,{"y":10,"b":0.10}]})",
                            R"("{\"z\":1.0,\"a\":[1e3,{\"y\":10,\"b\":0.10}]}")"})
    EXPECT_EQ(arguments(given), R"({"z": 1.0, "a": [1e3, {"y": 10, "b": 0.10}]})");
  for (const char* given : {"{}", "null", R"("")", R"("{}")"}) EXPECT_EQ(arguments(given), "{}");
}

TEST(ToolRows, WhatDoesNotFitIsCountedByItsReason) {
  const auto reason = [](const std::string& messages, const std::string& more = "") {
    const auto data = conversations(openai(messages, more) + "\n" + openai(kAsk + "," + kTell),
                                    BadRecordPolicy::kSkip);
    return data.reports[0].dropped.empty() ? "" : data.reports[0].dropped.begin()->first;
  };
  const std::string other = R"("tools":[{"type":"function","function":{"name":"subtract"}}])";
  EXPECT_EQ(reason(kAsk + "," + kCall, kDeclared), "");
  EXPECT_EQ(reason(kAsk + "," + kCall, other), "call of a tool that is not declared");
  EXPECT_EQ(reason(kAsk + "," + kResult + "," + kTell), "tool result without a call");
  EXPECT_EQ(reason(kAsk + "," + kTell + "," + kResult + "," + kTell), "tool result without a call");
  EXPECT_EQ(reason(kAsk + "," + kCall + "," + kTell), "tool call without a result");
  EXPECT_EQ(reason(kAsk + "," + kCall + "," + kResult + "," + kResult + "," + kTell),
            "more tool results than calls");
  EXPECT_EQ(
      reason(kAsk + "," + kCall + R"(,{"role":"tool","tool_call_id":"c2","content":"5"},)" + kTell),
      "tool result of a call that there is not");
  EXPECT_EQ(
      reason(R"({"role":"user","content":"a","tool_calls":[{"function":{"name":"f"}}]},)" + kTell),
      "tool call that is not the assistant's");
  const auto call = [&](const std::string& function) {
    return reason(kAsk + R"(,{"role":"assistant","tool_calls":[{"function":)" + function + "}]}");
  };
  EXPECT_EQ(call(R"({"name":"f","arguments":"[1]"})"),
            "tool call whose arguments are no JSON object");
  EXPECT_EQ(call(R"({"name":"f","arguments":"{\"a\":"})"),
            "tool call whose arguments are no JSON object");
  EXPECT_EQ(call(R"({"name":"f","arguments":7})"), "tool call whose arguments are no JSON object");
  EXPECT_EQ(call(R"({"arguments":"{}"})"), "tool call without a name");
  EXPECT_EQ(call(R"({"name":" "})"), "tool call without a name");
  EXPECT_EQ(call("{}"), "tool call without a name");
  EXPECT_EQ(reason(kAsk + R"x(,{"role":"function_call","content":"f(1)"})x"),
            "tool call that is no JSON");
  EXPECT_EQ(reason(kAsk + "," + kTell, R"("tools":"[{\"name\":")"),
            "declared tools are no JSON list");
  EXPECT_EQ(reason(kAsk + "," + kTell, R"("tools":[{"description":"x"}])"),
            "declared tool without a name");
}

TEST(ToolRows, DeclarationsWithoutCallsAreUsed) {
  for (const char* none : {R"("tools":[])", R"("tools":"[]")", R"("tools":null)", R"("tools":"")"})
    EXPECT_THAT(shown(openai(kAsk + "," + kTell, none)),
                ElementsAre("user: 2+3? | assistant: It makes 5."))
        << none;
  const auto data = conversations(openai(kAsk + "," + kTell, R"("tools":"a hammer and a saw")"));
  EXPECT_EQ(data.reports[0].unused_keys.count("tools"), 1u);
}

// Rows that differ only in what they call are no duplicates.
TEST(ToolRows, CallsTellRowsApart) {
  std::string other = kCall;
  other.replace(other.find("3.0"), 3, "4.0");
  EXPECT_TRUE(conversations(openai(kAsk + "," + kCall) + "\n" + openai(kAsk + "," + other))
                  .reports[0]
                  .notes.empty());
}

TEST(ToolRows, PromptsOfPairsMayHoldCallsButAnswersNot) {
  const std::string prompt = "[" + kAsk + "," + kCall + "," + kResult + "]";
  const auto pair =
      pairs(R"({"prompt":)" + prompt + R"(,"chosen":"5","rejected":"6",)" + kDeclared + "}")
          .records.at(0);
  EXPECT_EQ(minillm_testing::show(pair.prompt),
            R"(system: [add] | user: 2+3? | assistant:  add({"b": 3.0, "a": 2}) | tool: 5)");
  EXPECT_ERROR(pairs(R"({"prompt":[)" + kAsk + R"(],"chosen":[)" + kCall + R"(],"rejected":[)" +
                     kTell + "]}"),
               "answer of a pair calls a tool: expected a text");
  EXPECT_ERROR(pairs(R"({"chosen":[)" + kAsk + "," + kCall + R"(],"rejected":[)" + kAsk + "," +
                     kTell + "]}"),
               "answer of a pair calls a tool: expected a text");
}

// What is written as JSON reads as it was.
TEST(ToolRows, MessagesAsJsonReadBack) {
  const auto messages =
      conversations(openai(kAsk + "," + kCall + "," + kResult + "," + kTell, kDeclared))
          .records.at(0)
          .messages;
  const auto again = conversations(R"({"messages":)" + messages_json(messages).dump() + "}")
                         .records.at(0)
                         .messages;
  EXPECT_EQ(minillm_testing::show(again), minillm_testing::show(messages));
  EXPECT_EQ(again[0].tools[0].declaration, messages[0].tools[0].declaration);
  EXPECT_EQ(again[2].calls[0].id, "c1");
}

TEST(ToolRows, EveryRowOfGlaiveIsUsed) {
  MINILLM_REQUIRE_TEST_DATA("sft/glaive_toolcall_en_demo.json");
  const auto data =
      read_conversations({minillm_testing::test_data_path("sft/glaive_toolcall_en_demo.json")},
                         BadRecordPolicy::kError);
  size_t calls = 0, results = 0, without = 0, with_two = 0;
  for (const Conversation& conversation : data.records) {
    const size_t tools = conversation.messages[0].tools.size();
    without += tools == 0;
    with_two += tools == 2;
    for (const Message& message : conversation.messages) {
      calls += message.calls.size();
      results += message.role == Role::kTool;
    }
  }
  EXPECT_EQ(data.records.size(), 300u);
  EXPECT_EQ(calls, 211u);
  EXPECT_EQ(results, 211u);
  EXPECT_EQ(without, 109u);
  EXPECT_EQ(with_two, 28u);
  EXPECT_TRUE(data.reports[0].unused_keys.empty());
}

}  // namespace
}  // namespace minillm
