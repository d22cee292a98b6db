// Tools over the API: calls that models make, and calls that they have to make.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "libminillm/generate/built_in_tools.h"
#include "tests/serve/test_server.h"

namespace minillm {
namespace {

using minillm_testing::error_of;
using minillm_testing::events_of;
using minillm_testing::json;
using minillm_testing::TestServer;
using testing::HasSubstr;

// A toy model calls no tools by itself, so it is made to say what would be a call.
TEST(ServiceTools, ReadsCallsOfTools) {
  TestServer server(512);
  server.start();
  const json tools = {
      {{"type", "function"},
       {"function",
        {{"name", "add"},
         {"parameters",
          {{"type", "object"},
           {"properties", {{"a", {{"type", "integer"}}}, {"b", {{"type", "integer"}}}}}}}}}}};
  const std::string call =
      R"(<tool_call>\n\{"name": "add", "arguments": \{"a": [1-9]{2}, "b": 2\}\}\n</tool_call>)";
  json body = {{"seed", 1},
               {"max_tokens", 300},
               {"tools", tools},
               {"minillm", {{"regex", "the goat" + call + "\\n" + call}}}};
  const json answer = server.chat(body);
  const json& choice = answer["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls") << answer;
  EXPECT_EQ(choice["message"]["content"], "the goat");
  ASSERT_EQ(choice["message"]["tool_calls"].size(), 2U);
  std::set<std::string> ids;
  for (const json& said : choice["message"]["tool_calls"]) {
    EXPECT_EQ(said["type"], "function");
    EXPECT_EQ(said["function"]["name"], "add");
    const json arguments = json::parse(said["function"]["arguments"].get<std::string>());
    EXPECT_EQ(arguments["b"], 2);
    ids.insert(said["id"]);
    EXPECT_EQ(said["id"].get<std::string>().size(), 29U);
  }
  EXPECT_EQ(ids.size(), 2U);

  body["stream"] = true;
  body["messages"] = {{{"role", "user"}, {"content", "the goat"}}};
  std::string text, arguments[2], finish;
  for (const std::string& event : events_of(server.post("/v1/chat/completions", body).body)) {
    if (event == "[DONE]") continue;
    const json streamed = json::parse(event)["choices"][0];
    if (!streamed["finish_reason"].is_null()) finish = streamed["finish_reason"];
    text += streamed["delta"].value("content", "");
    if (!streamed["delta"].contains("tool_calls")) continue;
    const json& part = streamed["delta"]["tool_calls"][0];
    std::string& own = arguments[part["index"].get<size_t>()];
    if (part.contains("id")) {
      EXPECT_EQ(own, "");
      EXPECT_EQ(part["type"], "function");
      EXPECT_EQ(part["function"]["name"], "add");
    }
    own += part["function"]["arguments"].get<std::string>();
  }
  EXPECT_EQ(text, "the goat");
  EXPECT_EQ(finish, "tool_calls");
  for (size_t i = 0; i < 2; ++i)
    EXPECT_EQ(json::parse(arguments[i]),
              json::parse(
                  choice["message"]["tool_calls"][i]["function"]["arguments"].get<std::string>()));

  // What the tool returned is put into the conversation; without tools all is text.
  body.erase("stream");
  body["messages"].push_back({{"role", "assistant"},
                              {"content", nullptr},
                              {"tool_calls", choice["message"]["tool_calls"]}});
  body["messages"].push_back({{"role", "tool"}, {"tool_call_id", *ids.begin()}, {"content", "14"}});
  body["messages"].push_back({{"role", "tool"}, {"content", "15"}});
  EXPECT_EQ(server.post("/v1/chat/completions", body).status, 200);
  body.erase("tools");
  const json plain = json::parse(server.post("/v1/chat/completions", body).body);
  EXPECT_EQ(plain["choices"][0]["finish_reason"], "stop");
  EXPECT_THAT(plain["choices"][0]["message"]["content"].get<std::string>(),
              HasSubstr("<tool_call>"));
}

TEST(ServiceTools, RunsItsOwnForThePage) {
  TestServer server;
  EXPECT_EQ(json::parse((server.start(), server.ask("GET", "/props")).body)["tools"],
            json::array());
  EXPECT_EQ(server.post("/tools/call", {{"name", "add"}}).status, 404);
  TestServer own;
  own.service_config.tools = built_in_tools({"add", "clock"}, {.time = "noon"});
  own.start();
  const json props = json::parse(own.ask("GET", "/props").body);
  ASSERT_EQ(props["tools"].size(), 2U);
  EXPECT_EQ(props["tools"][0]["function"]["name"], "add");
  const auto result = [&](const json& call) {
    return json::parse(own.post("/tools/call", call).body)["result"];
  };
  EXPECT_EQ(result({{"name", "add"}, {"arguments", R"({"a": 2, "b": 40})"}}), "42");
  EXPECT_EQ(result({{"name", "clock"}}), "noon");
  EXPECT_THAT(result({{"name", "rm"}}).get<std::string>(), HasSubstr("there is no tool 'rm'"));
  EXPECT_THAT(result({{"name", "add"}, {"arguments", "[]"}}).get<std::string>(),
              HasSubstr("error: "));
  EXPECT_EQ(own.post("/tools/call", {{"name", 3}}).status, 400);
}

// An answer that has to be a call: required, or of a function by its name.
TEST(ServiceTools, MakesAModelCall) {
  TestServer server(600);
  server.start({"chat"});
  const auto tool = [](const char* name, const json& parameters) {
    return json{{"type", "function"}, {"function", {{"name", name}, {"parameters", parameters}}}};
  };
  const json sum = {{"type", "object"},
                    {"properties", {{"a", {{"type", "integer"}, {"minimum", 3}, {"maximum", 9}}}}},
                    {"required", {"a"}},
                    {"additionalProperties", false}};
  const json pet = {{"type", "object"},
                    {"properties", {{"kind", {{"enum", {"goat", "cow"}}}}}},
                    {"required", {"kind"}},
                    {"additionalProperties", false}};
  json body = {{"temperature", 1},
               {"max_tokens", 200},
               {"tools", {tool("add", sum), tool("find", pet)}},
               {"messages", {{{"role", "user"}, {"content", "the goat"}}}}};
  std::set<std::string> called;
  for (int seed = 1; seed <= 12; ++seed) {
    body["seed"] = seed;
    body["stream"] = false;
    body["tool_choice"] = "required";
    if (seed > 8) {
      body["tool_choice"] = {{"type", "function"}, {"function", {{"name", "find"}}}};
      body["parallel_tool_calls"] = false;
    }
    const json answer = json::parse(server.post("/v1/chat/completions", body).body);
    ASSERT_TRUE(answer.contains("choices")) << answer;
    const json& choice = answer["choices"][0];
    EXPECT_EQ(choice["finish_reason"], "tool_calls") << answer;
    EXPECT_TRUE(choice["message"]["content"].is_null());
    ASSERT_EQ(choice["message"]["tool_calls"].size(), 1U) << answer;
    const json& function = choice["message"]["tool_calls"][0]["function"];
    const json arguments = json::parse(function["arguments"].get<std::string>());
    called.insert(function["name"]);
    if (function["name"] == "add") {
      EXPECT_THAT(arguments["a"].get<int>(), testing::AllOf(testing::Ge(3), testing::Le(9)));
    } else {
      EXPECT_EQ(function["name"], "find");
      EXPECT_THAT(arguments["kind"].get<std::string>(), testing::AnyOf("goat", "cow"));
    }
    if (seed > 8) {
      EXPECT_EQ(function["name"], "find");
    }
    body["stream"] = true;
    std::string name, streamed, finish;
    for (const std::string& text : events_of(server.post("/v1/chat/completions", body).body)) {
      if (text == "[DONE]") continue;
      const json event = json::parse(text)["choices"][0];
      EXPECT_EQ(event["delta"].value("content", ""), "");
      if (!event["finish_reason"].is_null()) finish = event["finish_reason"];
      if (!event["delta"].contains("tool_calls")) continue;
      const json& part = event["delta"]["tool_calls"][0]["function"];
      name += part.value("name", "");
      streamed += part["arguments"].get<std::string>();
    }
    EXPECT_EQ(name, function["name"]);
    EXPECT_EQ(json::parse(streamed), arguments);
    EXPECT_EQ(finish, "tool_calls");
  }
  EXPECT_EQ(called.size(), 2U) << "all seeds call the same";
  // A text in the form of a schema, or at most one call, of any arguments unless it is strict.
  body["stream"] = false;
  body.erase("tool_choice");
  body["tools"][0]["function"]["strict"] = true;
  body["response_format"] = {{"type", "json_schema"},
                             {"json_schema", {{"name", "x"}, {"schema", {{"enum", {"a", 12}}}}}}};
  body["parallel_tool_calls"] = false;
  std::set<std::string> kinds;
  for (int seed = 1; seed <= 24; ++seed) {
    body["seed"] = seed;
    const json answer = json::parse(server.post("/v1/chat/completions", body).body);
    ASSERT_TRUE(answer.contains("choices")) << answer;
    const json& choice = answer["choices"][0];
    const std::string finish = choice["finish_reason"];
    kinds.insert(finish);
    if (finish == "stop") {
      EXPECT_THAT(choice["message"]["content"].get<std::string>(), testing::AnyOf("\"a\"", "12"));
    } else if (finish == "tool_calls") {
      ASSERT_EQ(choice["message"]["tool_calls"].size(), 1U) << answer;
      const json& function = choice["message"]["tool_calls"][0]["function"];
      if (function["name"] == "add") {
        EXPECT_GE(json::parse(function["arguments"].get<std::string>())["a"].get<int>(), 3);
      }
    }
  }
  EXPECT_THAT(kinds, testing::IsSupersetOf({"stop", "tool_calls"})) << "too few seeds";
  body.erase("response_format");
  body.erase("parallel_tool_calls");
  body["tool_choice"] = {{"type", "function"}, {"function", {{"name", "find"}}}};
  // One that is cut calls nothing.
  body["stream"] = false;
  body["max_tokens"] = 3;
  const json cut = json::parse(server.post("/v1/chat/completions", body).body)["choices"][0];
  EXPECT_EQ(cut["finish_reason"], "length");
  EXPECT_FALSE(cut["message"].contains("tool_calls"));
  body["tools"] = {tool("add", {{"type", "object"}, {"not", json::object()}})};
  body["tool_choice"] = "required";
  EXPECT_EQ(error_of(server.post("/v1/chat/completions", body))["param"], "tools");
}

}  // namespace
}  // namespace minillm
