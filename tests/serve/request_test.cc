#include "libminillm/serve/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "libminillm/serve/api_error.h"

namespace minillm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kMessages = R"("messages": [{"role": "user", "content": "Hi"}])";
std::string chat(const std::string& fields) {
  return "{" + kMessages + (fields.empty() ? "" : ", " + fields) + "}";
}

TEST(ChatRequest, HasDefaultsForAllButTheMessages) {
  GenerationConfig defaults;
  defaults.sampling.temperature = 0.3;
  const ChatRequest request = parse_chat_request(chat(""), defaults);
  EXPECT_EQ(request.model, "");
  EXPECT_EQ(request.config.sampling.temperature, 0.3);
  EXPECT_FALSE(request.seed || request.max_tokens || request.stream || request.config.log_probs);
  EXPECT_EQ(request.choices, 1);
  ASSERT_EQ(request.messages.size(), 1U);
  EXPECT_EQ(request.messages[0].content, "Hi");
}

TEST(ChatRequest, ReadsEveryField) {
  const ChatRequest request = parse_chat_request(R"({
    "model": "sft", "temperature": 0, "top_p": 0.5, "top_k": 3, "min_p": 0.1,
    "repetition_penalty": 1.5, "max_tokens": 7, "stop": ["a", "b"], "seed": 18446744073709551615,
    "n": 2, "stream": true, "stream_options": {"include_usage": true}, "logprobs": true,
    "top_logprobs": 5, "logit_bias": {"3": -100, "4": 2.5}, "minillm": {"return_token_ids": true},
    "messages": [{"role": "developer", "content": "Be kind."},
                 {"role": "user", "content": [{"type": "text", "text": "a"},
                                              {"type": "text", "text": "b"}]},
                 {"role": "assistant", "content": "c", "tool_calls": [], "refusal": null},
                 {"role": "user", "content": "d", "name": "Ada"}],
    "user": "u", "store": false, "metadata": {}, "something_new": [1]})",
                                                 {});
  const SamplingConfig& sampling = request.config.sampling;
  EXPECT_EQ(request.model, "sft");
  EXPECT_EQ(sampling.temperature, 0);
  EXPECT_EQ(sampling.top_p, 0.5);
  EXPECT_EQ(sampling.top_k, 3);
  EXPECT_EQ(sampling.min_p, 0.1);
  EXPECT_EQ(sampling.repetition_penalty, 1.5);
  EXPECT_EQ(sampling.logit_bias, (std::map<Token, double>{{3, -100}, {4, 2.5}}));
  EXPECT_EQ(request.max_tokens, 7);
  EXPECT_THAT(request.config.stop, ElementsAre("a", "b"));
  EXPECT_EQ(request.seed, UINT64_MAX);
  EXPECT_EQ(request.choices, 2);
  EXPECT_TRUE(request.stream && request.include_usage && request.return_token_ids);
  EXPECT_TRUE(request.config.log_probs);
  EXPECT_EQ(request.config.top_log_probs, 5);
  ASSERT_EQ(request.messages.size(), 4U);
  EXPECT_EQ(request.messages[0].role, Role::kSystem);
  EXPECT_EQ(request.messages[1].content, "ab");
  EXPECT_EQ(request.messages[2].role, Role::kAssistant);
}

TEST(ChatRequest, TakesNullForAbsentAndWhatAsksForNothing) {
  const ChatRequest request = parse_chat_request(
      chat(R"("temperature": null, "stop": null, "n": null, "seed": null, "logit_bias": null,
              "stream_options": null, "tools": [], "tool_choice": "none", "presence_penalty": 0,
              "frequency_penalty": 0.0, "response_format": {"type": "text"}, "logprobs": false,
              "max_tokens": 5, "max_completion_tokens": 6, "modalities": ["text"])"),
      {});
  EXPECT_EQ(request.max_tokens, 6);  // the newer name counts
  EXPECT_FALSE(request.seed);
}

TEST(ChatRequest, ReadsWhatTheAnswerMustObey) {
  const auto constraint = [](const std::string& fields) {
    return parse_chat_request(chat(fields), {}).constraint;
  };
  const auto schema = constraint(
      R"("response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": true,
         "schema": {"type": "object", "properties": {"b": {}, "a": {"const": 1.0}}}}})");
  ASSERT_TRUE(schema);
  EXPECT_EQ(schema->text, R"({"type":"object","properties":{"b":{},"a":{"const":1.0}}})");
  EXPECT_EQ(schema->field, "response_format.json_schema.schema");
  EXPECT_EQ(constraint(R"("response_format": {"type": "json_object"})")->text,
            R"({"type":"object"})");
  EXPECT_EQ(constraint(R"("minillm": {"regex": "a+"})")->kind, ConstraintText::Kind::kRegex);
  EXPECT_FALSE(constraint(R"("response_format": {"type": "text"})"));
}

TEST(ChatRequest, ReadsToolsAsTheyAreSpelled) {
  const ChatRequest request = parse_chat_request(R"({"messages": [
      {"role": "user", "content": "How many?"},
      {"role": "assistant", "content": null, "tool_calls": [
          {"id": "call_1", "type": "function",
           "function": {"name": "add", "arguments": "{\"b\":1.0, \"a\":2e1}"}}]},
      {"role": "tool", "tool_call_id": "call_1", "content": "21"}],
    "tools": [{"type": "function", "function": {"name": "add", "parameters": {"type": "object",
               "properties": {"b": {"type": "integer"}, "a": {"type": "integer"}}}}}],
    "parallel_tool_calls": true, "tool_choice": "auto"})",
                                                 {});
  ASSERT_EQ(request.messages.size(), 3U);
  ASSERT_EQ(request.messages[1].calls.size(), 1U);
  EXPECT_EQ(request.messages[1].calls[0].arguments, R"({"b": 1.0, "a": 2e1})");
  EXPECT_EQ(request.messages[1].content, "");
  EXPECT_EQ(request.messages[2].role, Role::kTool);
  EXPECT_EQ(request.messages[2].call_id, "call_1");
  ASSERT_EQ(request.tools.size(), 1U);
  EXPECT_EQ(request.tools[0].name, "add");
  EXPECT_LT(request.tools[0].declaration.find("\"b\""), request.tools[0].declaration.find("\"a\""));
  EXPECT_TRUE(parse_chat_request(chat(R"("tools": [{"type": "function", "function": {"name": "a"}}],
                          "tool_choice": "none")"),
                                 {})
                  .tools.empty());
}

TEST(CompletionRequest, ReadsEveryKindOfPrompt) {
  const auto prompts = [](const std::string& json) {
    return parse_completion_request("{\"prompt\": " + json + "}", {}).prompts;
  };
  using Prompt = std::variant<std::string, std::vector<Token>>;
  EXPECT_THAT(prompts("\"a\""), ElementsAre(Prompt("a")));
  EXPECT_THAT(prompts("\"\""), ElementsAre(Prompt("")));
  EXPECT_THAT(prompts("[1, 2]"), ElementsAre(Prompt(std::vector<Token>{1, 2})));
  EXPECT_THAT(prompts("[\"a\", [3]]"), ElementsAre(Prompt("a"), Prompt(std::vector<Token>{3})));
}

TEST(CompletionRequest, ScoresAPrompt) {
  const CompletionRequest request = parse_completion_request(
      R"({"prompt": "a", "echo": true, "logprobs": 2, "max_tokens": 0})", {});
  EXPECT_TRUE(request.echo && request.config.log_probs && request.config.prompt_log_probs);
  EXPECT_EQ(request.config.top_log_probs, 2);
  EXPECT_EQ(request.max_tokens, 0);
  EXPECT_EQ(parse_completion_request(R"({"prompt": "a"})", {}).max_tokens, 16);
}

// ---- what is refused: one clear line, and the field by its name ----

struct Bad {
  std::string body;
  std::string param;    // empty: none
  std::string message;  // part of it
};
class Refuses : public testing::TestWithParam<Bad> {};

TEST_P(Refuses, WithTheFieldAndTheReason) {
  const auto& [body, param, message] = GetParam();
  try {
    body.find("\"prompt\"") == std::string::npos ? void(parse_chat_request(body, {}))
                                                 : void(parse_completion_request(body, {}));
    FAIL() << body << ": it was taken";
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status(), 400);
    EXPECT_THAT(error.what(), HasSubstr(message));
    EXPECT_THAT(std::string(error.what()), testing::Not(HasSubstr("\n")));
    EXPECT_LT(std::string(error.what()).size(), 200U);
    const auto json = nlohmann::json::parse(error.json())["error"];
    EXPECT_EQ(json["type"], "invalid_request_error");
    EXPECT_EQ(json["param"], param.empty() ? nlohmann::json() : nlohmann::json(param));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Json, Refuses,
    testing::Values(
        Bad{"", "", "not valid JSON"}, Bad{"{", "", "not valid JSON"},
        Bad{"[1]", "", "expected an object, got [1]"}, Bad{"null", "", "expected an object"},
        Bad{chat("") + "x", "", "not valid JSON"}, Bad{chat("") + " {}", "", "not valid JSON"},
        Bad{chat("\"temperature\": 1e999"), "", "out of range"},
        Bad{"{\"messages\": [{\"role\": \"user\", \"content\": \"\xff\"}]}", "", "not valid JSON"},
        Bad{R"({"messages": [{"role": "user", "content": "\ud800"}]})", "", "not valid JSON"},
        Bad{std::string("{\"a\": \"b\0c\"}", 12), "", "not valid JSON"},
        Bad{std::string(100000, '['), "", "nested deeper"},
        Bad{chat("\"x\": " + std::string(100000, '[') + std::string(100000, ']')), "",
            "nested deeper"},
        Bad{chat("\"n\": 1, \"n\": 2"), "", "occurs twice"}));

INSTANTIATE_TEST_SUITE_P(
    Fields, Refuses,
    testing::Values(
        Bad{chat("\"temperature\": 2.5"), "temperature", "a number from 0 to 2, got 2.5"},
        Bad{chat("\"temperature\": \"1\""), "temperature", "got \"1\""},
        Bad{chat("\"top_p\": 0"), "top_p", "above 0"},
        Bad{chat("\"top_p\": 1.1"), "top_p", "from 0 to 1"},
        Bad{chat("\"top_k\": -1"), "top_k", "0 or more"},
        Bad{chat("\"min_p\": true"), "min_p", "got true"},
        Bad{chat("\"repetition_penalty\": 0"), "repetition_penalty", "above 0"},
        Bad{chat("\"max_tokens\": 0"), "max_tokens", "1 or more, got 0"},
        Bad{chat("\"max_tokens\": 1.5"), "max_tokens", "got 1.5"},
        Bad{chat("\"max_tokens\": 18446744073709551615"), "max_tokens", "1 or more"},
        Bad{chat("\"max_completion_tokens\": -1"), "max_completion_tokens", "got -1"},
        Bad{chat("\"stop\": \"\""), "stop", "none empty"},
        Bad{chat("\"stop\": [1]"), "stop", "got [1]"},
        Bad{chat(
                R"("stop": ["a","a","a","a","a","a","a","a","a","a","a","a","a","a","a","a","a"])"),
            "stop", "up to 16"},
        Bad{chat("\"seed\": -1"), "seed", "0 or more"},
        Bad{chat("\"seed\": 0.5"), "seed", "got 0.5"}, Bad{chat("\"n\": 9"), "n", "from 1 to 8"},
        Bad{chat("\"n\": 0"), "n", "from 1 to 8"},
        Bad{chat("\"stream\": 1"), "stream", "true or false"},
        Bad{chat("\"stream_options\": 1"), "stream_options", "an object"},
        Bad{chat("\"stream_options\": {\"include_usage\": 1}"), "stream_options.include_usage",
            "true or false"},
        Bad{chat("\"logprobs\": 3"), "logprobs", "true or false"},
        Bad{chat("\"top_logprobs\": 3"), "top_logprobs", "\"logprobs\": true"},
        Bad{chat("\"logprobs\": true, \"top_logprobs\": 21"), "top_logprobs", "from 0 to 20"},
        Bad{chat("\"logit_bias\": {\"x\": 1}"), "logit_bias", "token ids"},
        Bad{chat("\"logit_bias\": {\"1\": 101}"), "logit_bias.1", "from -100 to 100"},
        Bad{chat("\"model\": 3"), "model", "a string"},
        Bad{chat("\"frequency_penalty\": 0.5"), "frequency_penalty", "not supported"},
        Bad{chat("\"presence_penalty\": 1"), "presence_penalty", "not supported"},
        Bad{chat(R"("tools": 3)"), "tools", "an array"},
        Bad{chat(R"("tools": [{"type": "web"}])"), "tools[0].type", "\"function\""},
        Bad{chat(R"("tools": [{"type": "function"}])"), "tools[0].function", "an object"},
        Bad{chat(R"("tools": [{"type": "function", "function": {}}])"), "tools[0].function.name",
            "a name"},
        Bad{chat(R"("tools": [{"type": "function", "function": {"name": "a", "parameters": 3}}])"),
            "tools[0].function.parameters", "an object"},
        Bad{chat("\"tool_choice\": \"required\""), "tool_choice", "\"tools\" with it"},
        Bad{chat("\"tool_choice\": \"any\", \"tools\": [{\"type\": \"function\", \"function\": "
                 "{\"name\": \"f\"}}]"),
            "tool_choice", "\"required\""},
        Bad{chat("\"tool_choice\": {\"type\": \"function\", \"function\": {\"name\": \"g\"}}, "
                 "\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\"}}]"),
            "tool_choice.function.name", "one of the tools"},
        Bad{chat(R"("tools": [{"type": "function", "function": {"name": "a"}}], "stop": "x")"),
            "stop", "none where tools"},
        Bad{chat(R"("tools": [{"type": "function", "function": {"name": "a"}}],
                    "parallel_tool_calls": 1)"),
            "parallel_tool_calls", "true or false"},
        Bad{chat("\"functions\": []"), "functions", "\"tools\""},
        Bad{chat(R"("response_format": {"type": "xml"})"), "response_format.type", "json_schema"},
        Bad{chat(R"("response_format": {"type": "json_schema"})"), "response_format.json_schema",
            "an object"},
        Bad{chat(R"("response_format": {"type": "json_schema", "json_schema": {"schema": 3}})"),
            "response_format.json_schema.schema", "an object"},
        Bad{chat(R"("minillm": {"regex": 3})"), "minillm.regex", "a string"},
        Bad{chat(R"("response_format": {"type": "json_object"}, "minillm": {"regex": "a"})"),
            "minillm.regex", "no response_format"},
        Bad{chat(R"("modalities": ["audio"])"), "modalities", "not supported"},
        Bad{chat(R"("minillm": {"notes": 1})"), "minillm.notes", "true or false"},
        Bad{R"({"prompt": "a", "minillm": {"notes": true}})", "minillm.notes", "not supported"}));

INSTANTIATE_TEST_SUITE_P(
    Messages, Refuses,
    testing::Values(
        Bad{"{}", "messages", "one message or more"},
        Bad{"{\"messages\": []}", "messages", "one message or more"},
        Bad{"{\"messages\": \"Hi\"}", "messages", "one message or more"},
        Bad{"{\"messages\": [\"Hi\"]}", "messages[0]", "an object"},
        Bad{R"({"messages": [{"content": "Hi"}]})", "messages[0].role", "got null"},
        Bad{R"({"messages": [{"role": "wizard", "content": "Hi"}]})", "messages[0].role",
            "got \"wizard\""},
        Bad{R"({"messages": [{"role": "user"}]})", "messages[0].content", "a string"},
        Bad{R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})",
            "messages[0].content[0].type", "\"image_url\""},
        Bad{R"({"messages": [{"role": "user", "content": [{"type": "text"}]}]})",
            "messages[0].content[0].text", "a string"},
        Bad{R"({"messages": [{"role": "assistant", "content": "Hi", "tool_calls": [{}]}]})",
            "messages[0].tool_calls[0].function", "an object"},
        Bad{R"({"messages": [{"role": "assistant",
                             "tool_calls": [{"function": {"name": "a", "arguments": "[1]"}}]}]})",
            "messages[0].tool_calls[0].function.arguments", "a JSON object as text"},
        Bad{R"({"messages": [{"role": "user", "content": "Hi", "tool_calls": [{}]}]})",
            "messages[0].tool_calls", "of the assistant"},
        Bad{R"({"messages": [{"role": "assistant", "content": null}]})", "messages[0].content",
            "a string"},
        Bad{R"({"messages": [{"role": "assistant", "content": "Hi"}]})", "messages",
            "the last one to be the user's"}));

INSTANTIATE_TEST_SUITE_P(
    Prompts, Refuses,
    testing::Values(Bad{R"({"prompt": null})", "prompt", "a string"},
                    Bad{R"({"prompt": []})", "prompt", "a string"},
                    Bad{R"({"prompt": 3})", "prompt", "a string"},
                    Bad{R"({"prompt": [1, "a"]})", "prompt", "token ids"},
                    Bad{R"({"prompt": ["a", 1]})", "prompt", "a string"},
                    Bad{R"({"prompt": [-1]})", "prompt", "token ids"},
                    Bad{R"({"prompt": [4294967296]})", "prompt", "token ids"},
                    Bad{R"({"prompt": "a", "logprobs": true})", "logprobs", "from 0 to 20"},
                    Bad{R"({"prompt": "a", "max_tokens": 0})", "max_tokens", "1 or more"},
                    Bad{R"({"prompt": "a", "best_of": 3})", "best_of", "not supported"},
                    Bad{R"({"prompt": "a", "suffix": "b"})", "suffix", "not supported"}));

}  // namespace
}  // namespace minillm
