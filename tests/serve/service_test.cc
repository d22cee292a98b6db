// The API over real sockets, on a toy model: routes, answers, streams, and the promise that an
// answer has the same bits whoever else asks.

#include "libminillm/serve/service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "libminillm/generate/chat.h"
#include "tests/serve/test_server.h"
#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

using minillm_testing::error_of;
using minillm_testing::events_of;
using minillm_testing::json;
using minillm_testing::RawClient;
using minillm_testing::RawResponse;
using minillm_testing::TestServer;
using minillm_testing::toy_tokenizer;
using testing::HasSubstr;

json data_of(const std::string& event) { return json::parse(event); }

// ---- routes ----

TEST(Service, IsNotReadyBeforeItHasModels) {
  TestServer server;
  server.listen();
  const RawResponse early = server.ask("GET", "/health");
  EXPECT_EQ(early.status, 503);
  EXPECT_EQ(error_of(early)["message"], "Loading model");
  EXPECT_EQ(server.ask("GET", "/v1/models").status, 503);
  server.load();
  server.service->set_models(*server.models, *server.thread);
  EXPECT_EQ(server.ask("GET", "/health").body, R"({"status":"ok"})");
  EXPECT_EQ(server.ask("HEAD", "/v1/health").status, 200);
  server.service->stop();
  EXPECT_EQ(server.ask("GET", "/health").status, 503);
  EXPECT_EQ(server.post("/v1/completions", {{"prompt", "a"}}).status, 503);
}

TEST(Service, ListsItsModels) {
  TestServer server;
  server.start({"base", "chat", "mine=tenant"});
  const json list = json::parse(server.ask("GET", "/v1/models").body);
  EXPECT_EQ(list["object"], "list");
  std::vector<std::string> names;
  for (const json& model : list["data"]) names.push_back(model["id"]);
  EXPECT_THAT(names, testing::ElementsAre("pretrain", "sft", "mine"));
  EXPECT_EQ(list["data"][0]["meta"]["chat"], false);
  EXPECT_EQ(list["data"][1]["meta"]["chat"], true);
  EXPECT_EQ(list["data"][2]["meta"]["adapter"], true);
  EXPECT_EQ(list["data"][1]["meta"]["title"], "Supervised fine-tuning");
  EXPECT_EQ(json::parse(server.ask("GET", "/v1/models/s%66t").body), list["data"][1]);
  const RawResponse none = server.ask("GET", "/v1/models/gpt-4");
  EXPECT_EQ(none.status, 404);
  EXPECT_EQ(error_of(none)["code"], "model_not_found");
  EXPECT_EQ(server.models->engines().size(), 1U) << "one base, one engine";
}

TEST(Service, TellsUnknownAddressesAndMethods) {
  TestServer server;
  server.start();
  for (const char* path :
       {"/v1/embeddings", "/slots", "/page.jsx", "/../etc/passwd", "/v1/models2"}) {
    const RawResponse response = server.ask("GET", path);
    EXPECT_EQ(response.status, 404) << path;
    EXPECT_EQ(error_of(response)["type"], "invalid_request_error");
  }
  const RawResponse response = server.ask("GET", "/v1/chat/completions");
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.header("Allow"), "POST");
  EXPECT_EQ(server.ask("GET", "/health?x=1").status, 200);
}

TEST(Service, Counts) {
  TestServer server;
  server.start();
  server.post("/v1/completions", {{"prompt", "the goat"}, {"max_tokens", 3}});
  // An answer is told before the step that made it is counted.
  EXPECT_TRUE(TestServer::soon([&] { return server.counters().running == 0; }));
  const std::string text = server.ask("GET", "/metrics").body;
  EXPECT_THAT(text, HasSubstr("# TYPE minillm_requests_total counter\nminillm_requests_total 1\n"));
  EXPECT_THAT(text, HasSubstr("minillm_requests_processing 0\n"));
  const json props = json::parse(server.ask("GET", "/props").body);
  EXPECT_EQ(props["total_slots"], 8);
  EXPECT_EQ(props["default_generation_settings"]["n_ctx"], 64);
  EXPECT_THAT(props["chat_template"].get<std::string>(), HasSubstr("<|im_start|>"));
}

TEST(Service, ServesThePage) {
  TestServer server;
  server.service_config.access.keys = {"secret"};
  server.start();
  const RawResponse page = server.ask("GET", "/");
  EXPECT_EQ(page.header("Content-Type"), "text/html; charset=utf-8");
  EXPECT_THAT(page.header("Content-Security-Policy"), HasSubstr("default-src 'self'"));
  EXPECT_THAT(page.body, HasSubstr("<!DOCTYPE html>"));
  EXPECT_EQ(server.ask("GET", "/page.css").header("Content-Type"), "text/css; charset=utf-8");
  EXPECT_EQ(server.ask("GET", "/page.js").status, 200);
}

TEST(Service, SpeaksInTokens) {
  TestServer server;
  server.start();
  const std::string text = "the goat é";
  const json ids = json::parse(server.post("/tokenize", {{"content", text}}).body)["tokens"];
  EXPECT_EQ(ids.get<std::vector<Token>>(), toy_tokenizer().encode(text));
  const json pieces =
      json::parse(server.post("/tokenize", {{"content", text}, {"with_pieces", true}}).body);
  EXPECT_EQ(pieces["tokens"].back(), (json{{"id", ids.back()}, {"piece", {0xA9}}}));
  EXPECT_EQ(json::parse(server.post("/detokenize", {{"tokens", ids}}).body)["content"], text);
  EXPECT_EQ(server.post("/detokenize", {{"tokens", {300}}}).status, 400);
  EXPECT_EQ(
      json::parse(
          server.post("/apply-template", {{"messages", {{{"role", "user"}, {"content", "Hi"}}}}})
              .body)["prompt"],
      "<s><|im_start|>user\n Hi<|im_end|>\n<|im_start|>assistant\n");
}

// ---- answers ----

TEST(Service, AnswersAsAChatSessionDoes) {
  TestServer server;
  server.start();
  for (const double temperature : {0.0, 1.0}) {
    ChatSession session(server.model, toy_tokenizer());
    GenerationConfig config;
    config.sampling.temperature = temperature;
    config.seed = 7;
    config.max_tokens = 20;
    const ChatAnswer expected = session.ask("the goat", config);
    const json answer = server.chat({{"model", "sft"},
                                     {"seed", 7},
                                     {"temperature", temperature},
                                     {"max_tokens", 20},
                                     {"minillm", {{"return_token_ids", true}}}});
    EXPECT_EQ(answer["choices"][0]["message"]["content"], expected.text);
    EXPECT_EQ(answer["minillm"]["token_ids"][0].get<std::vector<Token>>(),
              expected.generation.tokens);
    EXPECT_EQ(answer["usage"]["completion_tokens"],
              expected.generation.tokens.size() + (expected.generation.end_token ? 1 : 0));
    EXPECT_EQ(answer["usage"]["prompt_tokens"],
              render_prompt(toy_tokenizer(), {{Role::kUser, "the goat"}}).size());
    EXPECT_EQ(answer["model"], "sft");
  }
}

TEST(Service, ContinuesAsAGeneratorDoes) {
  TestServer server;
  server.start();
  Generator generator(server.model, toy_tokenizer());
  GenerationConfig config;
  config.sampling.temperature = 1;
  config.seed = 3;
  config.max_tokens = 12;
  std::vector<std::string> expected;
  for (const char* text : {"the", "a goat"})
    for (config.stream = 0; config.stream < 2; ++config.stream)
      expected.push_back(generator.complete(text, config));
  const json answer = json::parse(server
                                      .post("/v1/completions", {{"prompt", {"the", "a goat"}},
                                                                {"temperature", 1},
                                                                {"n", 2},
                                                                {"seed", 3},
                                                                {"max_tokens", 12}})
                                      .body);
  ASSERT_EQ(answer["choices"].size(), 4U);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(answer["choices"][i]["text"], expected[i]);
    EXPECT_EQ(answer["choices"][i]["index"], i);
  }
  const auto ids = encode_raw_prompt(toy_tokenizer(), "the");
  const json by_ids =
      json::parse(server
                      .post("/v1/completions",
                            {{"prompt", ids}, {"temperature", 1}, {"seed", 3}, {"max_tokens", 12}})
                      .body);
  EXPECT_EQ(by_ids["choices"][0]["text"], expected[0]);
}

TEST(Service, TellsTheSeedThatItDrew) {
  TestServer server;
  server.start();
  const json first = server.chat({{"max_tokens", 20}});
  EXPECT_NE(server.chat({{"max_tokens", 20}})["minillm"]["seed"], first["minillm"]["seed"]);
  const json again = server.chat({{"max_tokens", 20}, {"seed", first["minillm"]["seed"]}});
  EXPECT_EQ(again["choices"], first["choices"]);
}

TEST(Service, EndsAtAStopString) {
  TestServer server;
  server.start();
  const json whole = server.chat({{"seed", 1}, {"max_tokens", 30}});
  const std::string text = whole["choices"][0]["message"]["content"];
  ASSERT_GT(text.size(), 12U);
  const std::string stop = text.substr(6, 3);
  const json cut = server.chat({{"seed", 1}, {"max_tokens", 30}, {"stop", stop}});
  EXPECT_EQ(cut["choices"][0]["message"]["content"], text.substr(0, text.find(stop)));
  EXPECT_EQ(cut["choices"][0]["finish_reason"], "stop");
}

TEST(Service, ScoresAPrompt) {
  TestServer server;
  server.start();
  const RawResponse response =
      server.post("/v1/completions",
                  {{"prompt", "the goat"}, {"echo", true}, {"logprobs", 2}, {"max_tokens", 0}});
  const json choice = json::parse(response.body)["choices"][0];
  EXPECT_EQ(choice["text"], "the goat");
  const auto ids = encode_raw_prompt(toy_tokenizer(), "the goat");
  minillm_testing::TokenBatch batch;
  minillm_testing::append_sequence(batch, ids);
  const std::vector<Real> expected = minillm_testing::run_forward(server.model, batch).logp;
  const json& scores = choice["logprobs"];
  EXPECT_EQ(scores["token_logprobs"][0], nullptr);
  ASSERT_EQ(scores["token_logprobs"].size(), ids.size());
  for (size_t i = 1; i < ids.size(); ++i) {
    EXPECT_EQ(scores["token_logprobs"][i].get<Real>(), expected[i - 1]);
    EXPECT_LE(scores["top_logprobs"][i].size(), 2U);
  }
  EXPECT_EQ(scores["text_offset"][1], 0);
  const json generated = json::parse(server
                                         .post("/v1/completions", {{"prompt", "the goat"},
                                                                   {"echo", true},
                                                                   {"logprobs", 0},
                                                                   {"max_tokens", 2},
                                                                   {"seed", 7}})
                                         .body)["choices"][0];
  EXPECT_EQ(generated["logprobs"]["tokens"].size(), ids.size() + 2);
  EXPECT_THAT(generated["text"].get<std::string>(), testing::StartsWith("the goat"));
}

TEST(Service, RefusesWhatTheModelCannotDo) {
  TestServer server;
  server.config.engine.queue = 3;
  server.start();
  const auto refused = [&](const std::string& path, const json& body) {
    const RawResponse response = server.post(path, body);
    EXPECT_EQ(response.status, 400) << body;
    return error_of(response);
  };
  std::string words;
  for (int i = 0; i < 100; ++i) words += "goat ";
  EXPECT_EQ(refused("/v1/completions", {{"prompt", words}})["code"], "context_length_exceeded");
  // So long that it is not even looked at.
  EXPECT_EQ(refused("/v1/completions", {{"prompt", std::string(100000, 'x')}})["code"],
            "context_length_exceeded");
  EXPECT_THAT(refused("/v1/completions", {{"prompt", {300}}})["message"],
              HasSubstr("token id 300: expected 0 to 299"));
  EXPECT_THAT(
      refused("/v1/completions", {{"prompt", "a"}, {"logit_bias", {{"300", 1}}}})["message"],
      HasSubstr("logit_bias"));
  EXPECT_EQ(refused("/v1/completions",
                    {{"prompt", "a"}, {"echo", true}, {"logprobs", 1}, {"stream", true}})["param"],
            "stream");
  EXPECT_EQ(
      server.post("/v1/chat/completions", {{"model", "gpt"}, {"messages", json::array()}}).status,
      400);
  EXPECT_EQ(server.post("/v1/completions", {{"model", "gpt"}, {"prompt", "a"}}).status, 404);
}

// ---- what an answer must obey, and what it may look up ----

TEST(Service, AnswersInTheFormThatIsAskedFor) {
  TestServer server;
  server.start();
  const json schema = {{"type", "object"},
                       {"properties", {{"goat", {{"type", "boolean"}}}, {"n", {{"enum", {1, 2}}}}}},
                       {"required", {"goat", "n"}},
                       {"additionalProperties", false}};
  json body = {
      {"max_tokens", 50},
      {"response_format", {{"type", "json_schema"}, {"json_schema", {{"schema", schema}}}}}};
  for (int seed = 0; seed < 5; ++seed) {
    body["seed"] = seed;
    const json answer = server.chat(body);
    const json said = json::parse(answer["choices"][0]["message"]["content"].get<std::string>());
    EXPECT_TRUE(said["goat"].is_boolean() && said["n"].is_number()) << said;
    EXPECT_EQ(answer["choices"][0]["finish_reason"], "stop");
  }
  const json answer = json::parse(
      server
          .post("/v1/completions",
                {{"prompt", "a"}, {"max_tokens", 30}, {"minillm", {{"regex", "(ab|cd){3}"}}}})
          .body);
  EXPECT_THAT(answer["choices"][0]["text"].get<std::string>(), testing::MatchesRegex("(ab|cd)+"));
  EXPECT_EQ(answer["choices"][0]["text"].get<std::string>().size(), 6U);

  body["response_format"]["json_schema"]["schema"]["not"] = json::object();
  const RawResponse refused =
      server.post("/v1/chat/completions", {{"messages", {{{"role", "user"}, {"content", "a"}}}},
                                           {"response_format", body["response_format"]}});
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(error_of(refused)["code"], "unsupported_schema");
  EXPECT_EQ(error_of(refused)["param"], "response_format.json_schema.schema");
  EXPECT_THAT(error_of(refused)["message"], HasSubstr("'not'"));
}

TEST(Service, LooksNotesUp) {
  TestServer server;
  server.service_config.notes = [](const std::string& question, int64_t limit) {
    EXPECT_EQ(question, "the goat");
    EXPECT_EQ(limit, kMostNotes);
    return std::vector<Note>{{"The goat has a name.", "register.txt#2", 1.5},
                             {std::string(500, 'x'), "long.txt", 1.0}};
  };
  server.start();
  const json noted = server.chat({{"seed", 1}, {"max_tokens", 5}});
  EXPECT_EQ(
      noted["minillm"]["notes"],
      json::parse(R"([{"text":"The goat has a name.","source":"register.txt#2","score":1.5}])"));
  EXPECT_EQ(noted["minillm"]["notes_dropped"], 1);
  const json plain = server.chat({{"seed", 1}, {"max_tokens", 5}, {"minillm", {{"notes", false}}}});
  EXPECT_FALSE(plain["minillm"].contains("notes"));
  EXPECT_GT(noted["usage"]["prompt_tokens"], plain["usage"]["prompt_tokens"]);
  TestServer without;
  without.start();
  EXPECT_EQ(without.chat({{"minillm", {{"notes", true}}}})["error"]["param"], "minillm.notes");
}

// ---- streams ----

TEST(Service, StreamsWhatItWouldAnswer) {
  TestServer server;
  server.start();
  json body = {{"model", "sft"}, {"seed", 5},        {"max_tokens", 25},  {"temperature", 1},
               {"stop", {"qq"}}, {"logprobs", true}, {"top_logprobs", 3}, {"n", 2}};
  const json whole = server.chat(body);
  body["stream"] = true;
  body["stream_options"] = {{"include_usage", true}};
  body["messages"] = {{{"role", "user"}, {"content", "the goat"}}};
  const RawResponse response = server.post("/v1/chat/completions", body);
  EXPECT_TRUE(response.complete);
  EXPECT_EQ(response.header("Content-Type"), "text/event-stream");
  EXPECT_EQ(response.header("Cache-Control"), "no-cache");
  EXPECT_EQ(response.header("X-Accel-Buffering"), "no");
  std::vector<std::string> events = events_of(response.body);
  ASSERT_GT(events.size(), 6U);
  EXPECT_EQ(events.back(), "[DONE]");
  events.pop_back();

  std::string texts[2];
  json scores[2] = {json::array(), json::array()}, finish[2];
  std::set<std::string> ids;
  for (size_t i = 0; i + 1 < events.size(); ++i) {
    const json event = data_of(events[i]);
    ids.insert(event["id"]);
    EXPECT_EQ(event["object"], "chat.completion.chunk");
    EXPECT_EQ(event["created"], data_of(events[0])["created"]);
    ASSERT_EQ(event["choices"].size(), 1U);
    const json& choice = event["choices"][0];
    const size_t index = choice["index"];
    EXPECT_TRUE(finish[index].is_null()) << "an event after the last of its choice";
    if (i < 2) {
      EXPECT_EQ(choice["delta"], (json{{"role", "assistant"}, {"content", ""}}));
    } else if (choice["finish_reason"].is_null()) {
      texts[index] += choice["delta"]["content"].get<std::string>();
      for (const json& score : choice["logprobs"]["content"]) scores[index].push_back(score);
    } else {
      EXPECT_EQ(choice["delta"], json::object());
      finish[index] = choice["finish_reason"];
    }
  }
  EXPECT_EQ(ids.size(), 1U);
  for (size_t c = 0; c < 2; ++c) {
    EXPECT_EQ(texts[c], whole["choices"][c]["message"]["content"]);
    EXPECT_EQ(scores[c], whole["choices"][c]["logprobs"]["content"]) << "not the same bits";
    EXPECT_EQ(finish[c], whole["choices"][c]["finish_reason"]);
  }
  const json last = data_of(events.back());
  EXPECT_EQ(last["choices"], json::array());
  EXPECT_EQ(last["usage"]["completion_tokens"], whole["usage"]["completion_tokens"]);
}

TEST(Service, StreamsCompletions) {
  TestServer server;
  server.start();
  json body = {{"prompt", "the"}, {"seed", 2}, {"max_tokens", 9}, {"echo", true}};
  const json whole = json::parse(server.post("/v1/completions", body).body);
  body["stream"] = true;
  const RawResponse response = server.post("/v1/completions", body);
  std::string text;
  const std::vector<std::string> events = events_of(response.body);
  for (const std::string& event : events)
    if (event != "[DONE]") text += data_of(event)["choices"][0]["text"].get<std::string>();
  EXPECT_EQ(text, whole["choices"][0]["text"]);
  EXPECT_EQ(data_of(events[events.size() - 2])["choices"][0]["finish_reason"], "length");
}

TEST(Service, SendsWholeCharactersOnly) {
  TestServer server;
  server.start();
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const RawResponse response = server.post("/v1/completions", {{"prompt", "é"},
                                                                 {"seed", seed},
                                                                 {"temperature", 2},
                                                                 {"max_tokens", 40},
                                                                 {"stream", true}});
    EXPECT_TRUE(is_valid_utf8(response.body)) << seed;
    for (const std::string& event : events_of(response.body))
      if (event != "[DONE]") data_of(event);  // throws if it is not JSON
  }
}

// ---- the promise ----

TEST(Service, AnswersDoNotDependOnWhoElseAsks) {
  TestServer server;
  server.config.engine.slots = 4;
  server.config.engine.prompt_rows = 7;
  server.start({"base", "chat", "tenant"});
  const auto question = [](int i) {
    return json{{"model", i % 3 == 2 ? "dpo" : "sft"},
                {"seed", i},
                {"temperature", 1},
                {"max_tokens", 10 + i},
                {"logprobs", true},
                {"top_logprobs", 2}};
  };
  std::vector<json> alone, together(16);
  for (int i = 0; i < 16; ++i) alone.push_back(server.chat(question(i))["choices"]);
  std::vector<std::thread> clients;
  for (int i = 0; i < 16; ++i)
    clients.emplace_back(
        [&, i] { together[static_cast<size_t>(i)] = server.chat(question(i))["choices"]; });
  for (std::thread& client : clients) client.join();
  for (size_t i = 0; i < 16; ++i) EXPECT_EQ(together[i], alone[i]) << i;
  EXPECT_GT(server.counters().busy_slots, server.counters().steps);  // they did share steps
}

TEST(Service, AnAdapterAnswersAsItselfAlone) {
  TestServer server, alone;
  server.start({"base", "tenant", "other"});
  alone.start({"tenant"});
  const json question = {{"model", "dpo"}, {"seed", 4}, {"max_tokens", 20}, {"logprobs", true}};
  server.chat({{"model", "rl"}});
  EXPECT_EQ(server.chat(question)["choices"], alone.chat(question)["choices"]);
  EXPECT_EQ(server.models->engines().size(), 2U);
}

// ---- who may ask ----

TEST(Service, AsksForAKey) {
  TestServer server;
  server.service_config.access.keys = {"secret", "other"};
  server.start();
  const std::string body = R"({"prompt":"the goat and the goat","max_tokens":1})";
  const auto ask = [&](const std::string& headers) {
    return server.ask("POST", "/v1/completions", body, headers);
  };
  for (const char* wrong : {"", "Authorization: Bearer \r\n", "Authorization: Bearer secre\r\n",
                            "Authorization: Bearer secret2\r\n", "Authorization: secret\r\n"}) {
    const RawResponse response = ask(wrong);
    EXPECT_EQ(response.status, 401) << wrong;
    EXPECT_EQ(error_of(response)["type"], "authentication_error");
    EXPECT_EQ(response.header("WWW-Authenticate"), "Bearer");
  }
  const auto cached = [&](const std::string& key) {
    return json::parse(ask("Authorization: Bearer " + key + "\r\n")
                           .body)["usage"]["prompt_tokens_details"]["cached_tokens"]
        .get<int>();
  };
  EXPECT_EQ(cached("secret"), 0);
  EXPECT_GT(cached("secret"), 0);
  EXPECT_EQ(cached("other"), 0) << "one user's cache tells another what was asked";
  EXPECT_EQ(server.ask("GET", "/health").status, 200);
  EXPECT_EQ(server.ask("GET", "/metrics").status, 401);
}

TEST(Service, KnowsItsNames) {
  TestServer server;
  server.service_config.access.hosts = {"minillm.example"};
  server.start();
  const auto status = [&](const std::string& host) {
    RawClient client(server.port());
    client.send("GET /v1/models HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
    return client.response().status;
  };
  for (const char* own : {"localhost", "localhost:8080", "127.0.0.1:1", "[::1]", "[::1]:8080",
                          "192.168.1.5:8080", "minillm.example"})
    EXPECT_EQ(status(own), 200) << own;
  for (const char* strange :
       {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80"})
    EXPECT_EQ(status(strange), 403) << strange;
}

TEST(Service, AnswersPagesOfThisMachineAndOfThoseListed) {
  TestServer server;
  server.service_config.access.origins = {"https://app.example"};
  server.start();
  const auto ask = [&](const std::string& origin) {
    return server.ask("GET", "/v1/models", "", "Origin: " + origin + "\r\n");
  };
  for (const char* fine : {"http://localhost:3000", "http://127.0.0.1", "https://app.example"}) {
    EXPECT_EQ(ask(fine).header("Access-Control-Allow-Origin"), fine);
    EXPECT_EQ(ask(fine).header("Vary"), "Origin");
  }
  for (const char* strange : {"https://evil.example", "null", "http://localhost.evil.example",
                              "https://app.example.evil.example"}) {
    EXPECT_EQ(ask(strange).status, 403) << strange;
    EXPECT_EQ(ask(strange).header("Access-Control-Allow-Origin"), "");
  }
  const RawResponse preflight =
      server.ask("OPTIONS", "/v1/chat/completions", "",
                 "Origin: http://localhost:3000\r\nAccess-Control-Request-Method: POST\r\n"
                 "Access-Control-Request-Headers: authorization, x-stainless-os\r\n");
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.header("Access-Control-Allow-Headers"), "authorization, x-stainless-os");
  EXPECT_EQ(preflight.header("Access-Control-Allow-Methods"), "GET, POST");
}

TEST(Service, ErrorsReachPagesOfOtherOrigins) {
  TestServer server;
  server.start();
  const RawResponse response =
      server.ask("POST", "/v1/chat/completions", "{", "Origin: http://localhost:3000\r\n");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.header("Access-Control-Allow-Origin"), "http://localhost:3000");
}

// ---- models ----

TEST(Models, AreNamedAndRefusedByName) {
  EXPECT_EQ(parse_model_source("a=b/c").name, "a");
  EXPECT_EQ(parse_model_source("b/c").name, "");
  EXPECT_ERROR(parse_model_source("=b"), "expected NAME=PATH");
  TestServer server;
  EXPECT_ERROR(server.load({"chat", "sft=base"}), "two are named 'sft'");
  EXPECT_ERROR(server.load({"nothing"}), "nothing");
  EXPECT_ERROR(server.load({}), "expected one or more");
}

}  // namespace
}  // namespace minillm
