// A whole server on a toy model, for tests: checkpoints on disk, engine, service, HTTP.

#ifndef TESTS_SERVE_TEST_SERVER_H_
#define TESTS_SERVE_TEST_SERVER_H_

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/serve/service.h"
#include "tests/testing/raw_client.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/tiny_model.h"
#include "tests/testing/toy_model.h"

namespace minillm_testing {

using nlohmann::json;

class TestServer {
 public:
  explicit TestServer(minillm::Index context = 64) : model(toy_model(1, context)) {
    save("base", model, "pretrain");
    save("chat", model, "sft");
    minillm::Model adapted = toy_model(1, context);
    const minillm::Checkpoint base = minillm::Checkpoint::open(directory.file("base"));
    adapted.adapt(random_adapter(adapted.config()));
    adapted.adapter()->base_path = base.path();
    adapted.adapter()->base_hash = base.weights_hash();
    save("tenant", adapted, "dpo");
    minillm::Model other = toy_model(2, context);
    save("other", other, "rl");
  }
  ~TestServer() {
    http.reset();
    service.reset();
    thread.reset();
  }

  // `sources`: NAME=DIRECTORY.
  void load(const std::vector<std::string>& sources = {"base", "chat"}) {
    std::vector<minillm::ModelSource> list;
    for (const std::string& text : sources) {
      minillm::ModelSource source = minillm::parse_model_source(text);
      source.path = directory.file(source.path);
      list.push_back(source);
    }
    models = std::make_unique<minillm::Models>(list, config, [](const std::string&) {});
    thread = std::make_unique<minillm::EngineThread>(
        models->engines(), [](const std::string& error) { ADD_FAILURE() << error; });
  }
  void listen() {
    service = std::make_unique<minillm::Service>(service_config);
    if (models) service->set_models(*models, *thread);
    http = std::make_unique<minillm::HttpServer>(
        http_config,
        [this](minillm::HttpRequest&& request, std::shared_ptr<minillm::HttpResponder> responder) {
          service->handle(std::move(request), std::move(responder));
        });
  }
  void start(const std::vector<std::string>& sources = {"base", "chat"}) {
    load(sources);
    listen();
  }

  uint16_t port() const { return http->port(); }
  RawResponse ask(const std::string& method, const std::string& path, const std::string& body = "",
                  const std::string& headers = "") const {
    return RawClient(port()).ask(method, path, body, headers);
  }
  RawResponse post(const std::string& path, const json& body,
                   const std::string& headers = "") const {
    return ask("POST", path, body.dump(), headers);
  }
  json chat(json fields) const {
    fields["messages"] = {{{"role", "user"}, {"content", "the goat"}}};
    return json::parse(post("/v1/chat/completions", fields).body);
  }
  minillm::EngineCounters counters() const { return models->engines().front()->counters(); }
  // Whether it becomes true within five seconds.
  static bool soon(const std::function<bool()>& condition) {
    for (int i = 0; i < 500; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return condition();
  }

  TempDir directory;
  minillm::Model model;
  minillm::ModelsConfig config;
  minillm::ServiceConfig service_config;
  minillm::HttpConfig http_config;
  std::unique_ptr<minillm::Models> models;
  std::unique_ptr<minillm::EngineThread> thread;
  std::unique_ptr<minillm::Service> service;
  std::unique_ptr<minillm::HttpServer> http;

 private:
  void save(const std::string& name, const minillm::Model& saved, const std::string& stage) {
    minillm::TrainerState state;
    minillm::LineageEntry entry;
    entry.stage = stage;
    if (stage != "pretrain") entry.hashes["template"] = minillm::kChatTemplateId;
    state.lineage = {entry};
    minillm::write_checkpoint(directory.file(name), {&saved, &toy_tokenizer(), {}, state});
  }
};

// What an answer's body says is wrong.
inline json error_of(const RawResponse& response) {
  const json body = json::parse(response.body, nullptr, false);
  return body.is_object() && body.contains("error") ? body["error"] : json("no error");
}

// The events of a stream: JSON each, but for the last, "[DONE]".
inline std::vector<std::string> events_of(const std::string& body) {
  std::vector<std::string> events;
  for (size_t at = 0; at < body.size();) {
    const size_t end = std::min(body.find("\n\n", at), body.size());
    const std::string event = body.substr(at, end - at);
    if (event.starts_with("data: ")) events.push_back(event.substr(6));
    at = end + 2;
  }
  return events;
}

}  // namespace minillm_testing

#endif  // TESTS_SERVE_TEST_SERVER_H_
