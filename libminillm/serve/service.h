// Service: the routes of the API, over models. Knows no sockets.
//
//   GET  /health, /v1/health              no key; 503 until the models are there
//   GET  /v1/models, /v1/models/{name}
//   POST /v1/chat/completions, /v1/completions
//   POST /tokenize, /detokenize, /apply-template
//   POST /tools/call                      runs a tool of the server's own
//   GET  /metrics                         Prometheus' text format
//   GET  /props                           what is served, and with which defaults
//   GET  /, /page.js, /page.css           no key; the chat page

#ifndef LIBMINILLM_SERVE_SERVICE_H_
#define LIBMINILLM_SERVE_SERVICE_H_

#include <atomic>
#include <ctime>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libminillm/constrain/constraint_cache.h"
#include "libminillm/data/notes.h"
#include "libminillm/generate/tool_loop.h"
#include "libminillm/policy/policy.h"
#include "libminillm/serve/access.h"
#include "libminillm/serve/engine_thread.h"
#include "libminillm/serve/http.h"
#include "libminillm/serve/models.h"
#include "libminillm/serve/work_thread.h"

namespace minillm {

class ApiError;
struct AnswerPrompt;
struct AnswerTask;
struct ChatRequest;
struct TextRequest;

struct ServiceConfig {
  AccessConfig access = {};
  GenerationConfig defaults = {};             // of what requests do not say
  NoteSource notes = {};                      // what looks notes up for chats; empty: nothing does
  std::shared_ptr<const Policy> policy = {};  // of what is asked, noted and answered; null: none
  std::vector<CallableTool> tools = {};       // that the page may have run for a model's calls
  bool policy_is_optional = false;  // requests may do without: "minillm": {"policy": false}
};

class Service {
 public:
  explicit Service(ServiceConfig config);
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // From now on requests are answered; both must outlive the service.
  void set_models(const Models& models, EngineThread& thread);
  // From now on they are answered 503 again.
  void stop() { stopping_ = true; }

  // An HttpServer::Handler, for one thread at a time: answers at once, or lets others do it. What
  // takes a text is read in a thread of the service's own, so that nobody's long one holds up what
  // is sent to others.
  void handle(HttpRequest&& request, std::shared_ptr<HttpResponder> responder);

 private:
  // A request, and what all answers to it have.
  struct Exchange {
    HttpRequest request;
    std::shared_ptr<HttpResponder> responder;
    HttpHeaders headers = {};
    std::string owner = {};
  };
  struct Route {
    const char* method;
    const char* path;  // one that ends in '/' is the beginning of others
    bool open;         // needs no key, and no models
    void (Service::*answer)(Exchange&);
  };
  static const Route kRoutes[];

  void dispatch(const std::shared_ptr<Exchange>& exchange);
  static void refuse(Exchange& exchange, const ApiError& error);
  static const Route& find_route(Exchange& exchange);
  void require_ready() const;
  static void send(Exchange& exchange, const char* type, std::string body);
  static void send_json(Exchange& exchange, std::string json) {
    send(exchange, "application/json", std::move(json));
  }
  static void check_weights(const ServedModel& model, const TextRequest& request);
  void constrain(const ServedModel& model, TextRequest& request);
  void constrain_calls(const ServedModel& model, ChatRequest& request);
  ConstraintCache& cache_of(const ServedModel& model);
  const Policy* policy_for(const TextRequest& request, bool chats) const;
  AnswerPrompt chat_prompt(const ServedModel& model, const ChatRequest& request,
                           const Policy* policy, std::optional<NotedPrompt>& notes) const;
  void answer(Exchange& exchange, const ServedModel& model, AnswerTask task);

  void health(Exchange& exchange);
  void page(Exchange& exchange);
  void list_models(Exchange& exchange);
  void show_model(Exchange& exchange);
  void chat(Exchange& exchange);
  void complete(Exchange& exchange);
  void tokenize(Exchange& exchange);
  void detokenize(Exchange& exchange);
  void apply_template(Exchange& exchange);
  void call_tool(Exchange& exchange);
  void metrics(Exchange& exchange);
  void props(Exchange& exchange);

  ServiceConfig config_;
  Access access_;
  const std::time_t started_ = std::time(nullptr);
  const Models* models_ = nullptr;
  EngineThread* thread_ = nullptr;
  std::atomic<bool> ready_ = false;  // models_ and thread_ are set
  std::atomic<bool> stopping_ = false;
  std::map<const Engine*, ConstraintCache> constraints_;  // by tokenizer; work_'s
  WorkThread work_;                                       // the last: it uses the others
};

}  // namespace minillm

#endif  // LIBMINILLM_SERVE_SERVICE_H_
