// Rows whose tools are texts: Hermes' and Glaive's marks, and xLAM's lists.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "libminillm/data/chat_template.h"
#include "tests/data/read_rows.h"
#include "tests/data/test_tokenizer.h"
#include "tests/data/tool_conversation.h"

namespace minillm {
namespace {

using minillm_testing::conversations;
using minillm_testing::shown;
using testing::ElementsAre;
using testing::HasSubstr;
using Lines = std::vector<std::pair<std::string, std::string>>;

const std::string kHermesSystem =
    "You are a function calling AI model. You are provided with function signatures within "
    "<tools> </tools> XML tags. Don't make assumptions.\n<tools>\n"
    "[{'type': 'function', 'function': {'name': 'add', 'description': \"It's a sum\", "
    "'parameters': {'type': 'object', 'properties': {'b': {'minimum': 1.0}, 'a': {}}}}}]\n"
    "</tools>\nFor each function call return a json object within <tool_call> </tool_call> tags:\n"
    "<tool_call>\n{'arguments': <args-dict>, 'name': <function-name>}\n</tool_call>\n";
const std::string kCall =
    "<tool_call>\n{\"arguments\": {\"b\": 3.0, \"a\": 2}, \"name\": \"add\"}\n</tool_call>";

std::string sharegpt(const Lines& lines, const nlohmann::json& more = nlohmann::json::object()) {
  nlohmann::json row = more;
  for (const auto& [from, value] : lines)
    row["conversations"].push_back({{"from", from}, {"value", value}});
  return row.dump();
}

std::string glaive(const std::string& system, const std::string& chat) {
  return nlohmann::json{{"system", system}, {"chat", chat}}.dump();
}

std::string reason(const std::string& row) {
  const auto data = conversations(row + "\n" + sharegpt({{"human", "Hi"}, {"gpt", "Hello"}}),
                                  BadRecordPolicy::kSkip);
  const auto& dropped = data.reports[0].dropped;
  return dropped.empty() ? "" : dropped.begin()->first;
}

std::vector<std::string> warnings(const std::string& row) {
  return conversations(row).reports[0].warnings;
}

std::string declaration(const std::string& row) {
  return conversations(row).records.at(0).messages.at(0).tools.at(0).declaration;
}

TEST(HermesRows, CallsResultsAndDeclarations) {
  const std::string row = sharegpt(
      {{"system", kHermesSystem},
       {"human", "2+3?"},
       {"gpt", kCall},
       {"tool", "<tool_response>\n{\"name\": \"add\", \"content\": 5}\n</tool_response>\n"},
       {"gpt", "It makes 5."}});
  EXPECT_THAT(shown(row),
              ElementsAre(R"(system: [add] | user: 2+3? | assistant:  add({"b": 3.0, "a": 2}) | )"
                          R"(tool: {"name": "add", "content": 5} | assistant: It makes 5.)"));
  EXPECT_EQ(
      declaration(row),
      R"({"type": "function", "function": {"name": "add", "description": "It's a sum", )"
      R"("parameters": {"type": "object", "properties": {"b": {"minimum": 1.0}, "a": {}}}}})");
  EXPECT_THAT(warnings(row),
              ElementsAre(HasSubstr("the system text that declares tools is left out")));
}

TEST(HermesRows, OnlyCallsAndAnswersCarryLoss) {
  using minillm_testing::test_tokenizer;
  const auto data = conversations(sharegpt({{"system", kHermesSystem},
                                            {"human", "2+3?"},
                                            {"gpt", kCall},
                                            {"tool", "<tool_response>5</tool_response>"},
                                            {"gpt", "It makes 5."}}));
  const auto sequence = render_conversation(test_tokenizer(), data.records.at(0).messages);
  std::vector<Token> learned;
  for (size_t i = 0; i < sequence.tokens.size(); ++i)
    if (sequence.supervised[i]) learned.push_back(sequence.tokens[i]);
  EXPECT_EQ(minillm_testing::show_ids(test_tokenizer(), learned),
            "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"b\": 3.0, \"a\": 2}}\n</tool_call>"
            "<|im_end|> It makes 5.<|im_end|>");
}

TEST(HermesRows, TheRowsOwnToolsCount) {
  const std::string row = sharegpt(
      {{"system", kHermesSystem}, {"human", "2+3?"}, {"gpt", kCall}},
      {{"tools", R"([{"name": "add"}, {"name": "sub"}])"}, {"subcategory", "sums of two numbers"}});
  EXPECT_THAT(shown(row), ElementsAre("system: [add][sub] | user: 2+3? | "
                                      R"(assistant:  add({"b": 3.0, "a": 2}))"))
      << "and a call may end the row";
  EXPECT_EQ(warnings(row).size(), 1u);
}

TEST(HermesRows, WhatASystemTextSaysBesideToolsStays) {
  const auto system = [](const std::string& text) {
    return shown(sharegpt({{"system", text}, {"human", "a"}, {"gpt", "b"}})).at(0);
  };
  const std::string tools = "<tools>\n{\"name\": \"f\"}\n{\"name\": \"g\"}\n</tools>";
  EXPECT_EQ(system("Be kind. Your tools are within <tools></tools>.\n" + tools + "\nBe terse."),
            "system: Be kind.\n\nBe terse. [f] [g] | user: a | assistant: b");
  EXPECT_EQ(
      system(
          "Be kind.\n\n# Tools\n\nYou may call functions.\n\nWithin <tools></tools> XML tags:\n" +
          tools +
          "\n\nFor each, return JSON within <tool_call></tool_call> XML tags:\n<tool_call>\n"
          "{\"name\": <function-name>}\n</tool_call>"),
      "system: Be kind. [f] [g] | user: a | assistant: b");
  EXPECT_EQ(system("Answer within <tool_call></tool_call> tags. " + tools +
                   " Use <tool_call></tool_call> tags. Be terse."),
            "system: Answer within <tool_call></tool_call> tags.\n\nBe terse. [f] [g] | user: a | "
            "assistant: b");
  for (const char* none :
       {"<tools> </tools>", "<tools>{x", "<tools>[]</tools>", "a <tools> and a saw"})
    EXPECT_EQ(system(none), std::string("system: ") + none + " | user: a | assistant: b");
}

TEST(HermesRows, SeveralCallsAndResultsInOrder) {
  const std::string calls =
      "Both:\n<tool_call>\n{'name': 'f', 'arguments': {'a': True, 'b': None, 'c': 'it's'}}\n"
      "</tool_call>\n<tool_call>{\"name\": \"g\"}</tool_call>\n";
  const std::string results =
      "<tool_response>\nof f\n</tool_response>\n<tool_response>\nof g\n</tool_response>";
  const std::string expected =
      R"(user: a | assistant: Both: f({"a": true, "b": null, "c": "it's"}) g({}) | )"
      "tool: of f | tool: of g | assistant: b";
  EXPECT_THAT(shown(sharegpt({{"human", "a"}, {"gpt", calls}, {"tool", results}, {"gpt", "b"}})),
              ElementsAre(expected));
  // Qwen's template says results as the user.
  EXPECT_THAT(shown(sharegpt({{"system", "<tools>{\"name\":\"f\"}{\"name\":\"g\"}</tools>"},
                              {"human", "a"},
                              {"gpt", calls},
                              {"human", results},
                              {"gpt", "b"}})),
              ElementsAre("system: [f][g] | " + expected));
}

// Trap: a mask names the messages of the row, before one of them becomes two.
TEST(HermesRows, MasksCountTheMessagesOfTheRow) {
  const std::string two =
      "<tool_call>{\"name\":\"f\"}</tool_call><tool_call>{\"name\":\"g\"}</tool_call>";
  EXPECT_THAT(
      shown(sharegpt({{"human", "a"},
                      {"gpt", two},
                      {"tool", "<tool_response>1</tool_response><tool_response>2</tool_response>"},
                      {"gpt", "b"}},
                     {{"loss_mask", {0, 0, 0, 1}}})),
      ElementsAre(
          "user: a | assistant (context):  f({}) g({}) | tool: 1 | tool: 2 | assistant: b"));
}

// Trap: people talk about marks, too.
TEST(HermesRows, TextsAboutMarksStayTexts) {
  for (const char* text :
       {"Calls are within <tool_call> and </tool_call>.", "<tool_call>", "<tool_call>{",
        "Write <tool_call>{\"name\": \"f\"}</tool_call> and wait.",
        "Like this: <tool_call>{\"name\": \"f\"}</tool_call>",
        "<tool_call>{\"name\": <function-name>}</tool_call>", "<functioncall> is Glaive's."}) {
    const std::string row =
        sharegpt({{"human", "How?"}, {"gpt", text}, {"human", "b"}, {"gpt", "c"}});
    EXPECT_THAT(shown(row), ElementsAre(std::string("user: How? | assistant: ") + text +
                                        " | user: b | assistant: c"));
    EXPECT_THAT(warnings(row), ElementsAre(HasSubstr("but no call: it stays text")));
  }
  EXPECT_THAT(
      shown(sharegpt({{"human", "<tool_call>{\"name\": \"f\"}</tool_call>?"}, {"gpt", "a"}})),
      ElementsAre("user: <tool_call>{\"name\": \"f\"}</tool_call>? | assistant: a"));
  EXPECT_THAT(shown(sharegpt({{"human", "<tool_response>a</tool_response>"}, {"gpt", "b"}})),
              ElementsAre("user: <tool_response>a</tool_response> | assistant: b"));
}

TEST(HermesRows, WhatCannotBeReadIsCountedByItsReason) {
  const auto answer = [](const std::string& text) {
    return reason(sharegpt({{"system", kHermesSystem}, {"human", "a"}, {"gpt", text}}));
  };
  EXPECT_EQ(answer(kCall), "");
  EXPECT_EQ(answer("<tool_call>{'name': 'sub'}</tool_call>"),
            "call of a tool that is not declared");
  EXPECT_EQ(answer("<tool_call>{'name': 'add', }</tool_call>"), "tool call that is no JSON");
  EXPECT_EQ(answer("<tool_call>{'arguments': {}}</tool_call>"), "tool call without a name");
  EXPECT_EQ(answer("<tool_call>{'name': 'add', 'arguments': [1]}</tool_call>"),
            "tool call whose arguments are no JSON object");
  EXPECT_EQ(answer(kCall + " Done."), "text after a tool call");
  EXPECT_EQ(
      reason(sharegpt({{"system", "<tools>[{'name': }]</tools>"}, {"human", "a"}, {"gpt", "b"}})),
      "declared tools are no JSON list");
  EXPECT_EQ(
      reason(sharegpt({{"system", "<tools>[{'a': 1}]</tools>"}, {"human", "a"}, {"gpt", "b"}})),
      "declared tool without a name");
}

TEST(XlamRows, QuestionsCallsAndTools) {
  const std::string tools =
      R"([{"name": "f", "description": "d", "parameters": {)"
      R"("z": {"description": "Z", "type": "str, optional", "default": 1.0}, )"
      R"("a": {"type": "int"}, "l": {"type": "List[Dict[str, int]]"}, )"
      R"("o": {"type": "Optional[float]"}, "b": {"type": "bool", "default": ""}, )"
      R"("u": {"type": "Union[int, str]"}}}, {"name": "g", "parameters": {}}, {"name": "h", )"
      R"("parameters": {"type": "object", "properties": {"x": {"type": "integer"}}}}])";
  const std::string answers =
      R"([{"name": "f", "arguments": {"z": "a", "a": 1.0}}, {"name": "g", "arguments": {}}])";
  const std::string expected =
      R"(system: [f][g][h] | user: Go. | assistant:  f({"z": "a", "a": 1.0}) g({}))";
  const std::string texts =
      nlohmann::json{{"id", 0}, {"query", "Go. "}, {"answers", answers}, {"tools", tools}}.dump();
  const std::string lists =
      R"({"query": "Go.", "answers": )" + answers + R"(, "tools": )" + tools + "}";
  for (const std::string& row : {texts, lists}) {
    EXPECT_THAT(shown(row), ElementsAre(expected));
    const auto data = conversations(row);
    EXPECT_EQ(data.reports[0].format, "xlam");
    EXPECT_THAT(data.reports[0].warnings, ElementsAre(HasSubstr("has no like in JSON schemas")));
    EXPECT_EQ(data.reports[0].unused_keys.count("answers"), 0u);
    const auto& declared = data.records.at(0).messages.at(0).tools;
    EXPECT_EQ(declared.at(0).declaration,
              R"({"type": "function", "function": {"name": "f", "description": "d", "parameters": )"
              R"({"type": "object", "properties": {"z": {"description": "Z", "type": "string", )"
              R"("default": 1.0}, "a": {"type": "integer"}, "l": {"type": "array", "items": )"
              R"({"type": "object"}}, "o": {"type": "number"}, "b": {"type": "boolean", )"
              R"("default": ""}, "u": {}}, "required": ["a", "l", "u"]}}})");
    EXPECT_THAT(declared.at(1).declaration,
                HasSubstr(R"("parameters": {"type": "object", "properties": {}})"));
    EXPECT_THAT(declared.at(2).declaration,
                HasSubstr(R"({"type": "object", "properties": {"x": {"type": "integer"}}})"));
  }
}

// Trap: a parameter may be called as a key of schemas is.
TEST(XlamRows, ParametersCalledTypeAndProperties) {
  EXPECT_THAT(
      declaration(R"({"query": "a", "answers": [{"name": "f"}], "tools": [{"name": "f", )"
                  R"("parameters": {"type": {"type": "str"}, "properties": {"type": "list"}}}]})"),
      HasSubstr(R"({"type": "object", "properties": {"type": {"type": "string"}, )"
                R"("properties": {"type": "array"}}, "required": ["type", "properties"]})"));
}

TEST(XlamRows, WhatDoesNotFitIsCountedByItsReason) {
  const auto row = [](const std::string& answers, const std::string& tools) {
    return reason(nlohmann::json{{"query", "a"}, {"answers", answers}, {"tools", tools}}.dump());
  };
  const std::string tools = R"([{"name": "f"}])";
  EXPECT_EQ(row(R"([{"name": "f"}])", tools), "");
  EXPECT_EQ(row("[]", tools), "'answers' hold no call");
  EXPECT_EQ(row("[{", tools), "tool call that is no JSON");
  EXPECT_EQ(row(R"([{"name": "g"}])", tools), "call of a tool that is not declared");
  EXPECT_EQ(row(R"([{"name": "f"}])", R"([{"name": "f", "parameters": {"a": 1}}])"),
            "declared parameter that is no JSON object");
  // A text beside tools is an answer, as before.
  EXPECT_THAT(shown(R"({"query": "a", "answers": "b", "tools": [{"name": "f"}]})"),
              ElementsAre("system: [f] | user: a | assistant: b"));
  EXPECT_THAT(shown(R"({"query": "a", "answers": ["b"], "tools": [{"name": "f"}]})"),
              ElementsAre("system: [f] | user: a | assistant: b"));
}

const std::string kGlaiveSystem =
    "SYSTEM: You are a helpful assistant with access to the following functions. Use them if "
    "required -\n{\n    \"name\": \"f\",\n    \"parameters\": {\"a\": 1.0}\n}\n\n{\"name\": "
    "\"g\"}\n";

TEST(GlaiveRows, TurnsCallsAndResults) {
  const std::string row = glaive(
      kGlaiveSystem,
      "USER: Go.\nUSERS: no turn\n\n\nASSISTANT: Sure. <|endoftext|>\n\n\nASSISTANT: "
      "<functioncall> "
      "{\"name\": \"f\", \"arguments\": '{\"z\": 1.0, \"a\": \"it's\"}'} <|endoftext|>\n\n\n"
      "FUNCTION RESPONSE: {\"r\":\n 1.0}\n\n\nASSISTANT: Done.\n\nReally. <|endoftext|>\n\n\n");
  EXPECT_THAT(shown(row),
              ElementsAre("system: [f][g] | user: Go.\nUSERS: no turn | assistant: Sure. "
                          R"(f({"z": 1.0, "a": "it's"}) | tool: {"r":)"
                          "\n 1.0} | assistant: Done.\n\nReally."));
  EXPECT_EQ(declaration(row),
            R"({"type": "function", "function": {"name": "f", "parameters": {"a": 1.0}}})");
  EXPECT_EQ(conversations(row).reports[0].format, "glaive chats");
}

TEST(GlaiveRows, ASystemTextWithoutToolsStays) {
  const std::string none = "You are a helpful assistant, with no access to external functions.";
  EXPECT_THAT(shown(glaive("SYSTEM: " + none, "USER: a\n\n\nASSISTANT: b <|endoftext|>\n\n\n")),
              ElementsAre("system: " + none + " | user: a | assistant: b"));
}

TEST(GlaiveRows, AListThatIsNoJsonDeclaresNothing) {
  const std::string text = "You know the following functions:\n- [f](link)\n- {g}";
  EXPECT_THAT(shown(sharegpt({{"system", text}, {"human", "a"}, {"gpt", "b"}})),
              ElementsAre("system: " + text + " | user: a | assistant: b"));
}

TEST(GlaiveRows, TheFirstVersionIsOneText) {
  const std::string sample =
      "SYSTEM: You are an helpful assistant who has access to the following functions to help the "
      "user, you can use the functions if needed-\n{\n \"name\": \"f\"\n}\nUSER: Go.\nASSISTANT: "
      "<functioncall> {\"name\": \"f\", \"arguments\": {\"a\": 1.0}}\nFUNCTION RESPONSE: 5\n"
      "ASSISTANT: Done.";
  EXPECT_THAT(shown(nlohmann::json{{"sample", sample}}.dump()),
              ElementsAre(R"(system: [f] | user: Go. | assistant:  f({"a": 1.0}) | tool: 5 | )"
                          "assistant: Done."));
}

TEST(GlaiveRows, WhatCannotBeReadIsCountedByItsReason) {
  const auto answer = [](const std::string& text) {
    return reason(glaive(kGlaiveSystem, "USER: a\n\n\nASSISTANT: " + text));
  };
  EXPECT_EQ(answer("<functioncall> {\"name\": \"g\"} <|endoftext|>"), "");
  EXPECT_EQ(answer("<functioncall> {\"name\": \"g\"} </functioncall>"), "");
  EXPECT_EQ(answer("<functioncall> {\"name\": \"g\", \"arguments\": '{\"a\": '}"),
            "tool call whose arguments are no JSON object");
  EXPECT_EQ(answer("<functioncall> {\"name\": \"g\""), "tool call that is no JSON");
  EXPECT_EQ(answer("<functioncall> {\"name\": \"h\"}"), "call of a tool that is not declared");
  EXPECT_EQ(answer("b\n\n\nFUNCTION RESPONSE: 5\n\n\nASSISTANT: c"), "tool result without a call");
  EXPECT_EQ(reason(glaive(kGlaiveSystem + "{", "USER: a\nASSISTANT: b")),
            "declared tools are no JSON list");
}

}  // namespace
}  // namespace minillm
