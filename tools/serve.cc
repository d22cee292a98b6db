// minillm-serve: checkpoints behind OpenAI's HTTP interface, and a page to talk to them.

#include <chrono>
#include <map>
#include <thread>

#include "libminillm/core/check.h"
#include "libminillm/retrieve/note_index.h"
#include "libminillm/serve/service.h"
#include "tools/print.h"
#include "tools/tool_main.h"
#include "tools/tools_option.h"

namespace {

using namespace minillm;

struct ServeOptions {
  std::vector<std::string> checkpoints;
  HttpConfig http;
  ModelsConfig models;
  ServiceConfig service;
  std::string notes;   // index of them; empty: none
  std::string policy;  // file; empty: none
  std::vector<std::string> tools;
  std::string clock;
  bool no_key = false;
  int64_t grace = 30;  // seconds
};

void check_access(ServeOptions& options) {
  AccessConfig& access = options.service.access;
  for (const std::string& key : access.keys)
    MINILLM_CHECK_USAGE(!key.empty(), "--api-key: expected one that is not empty");
  MINILLM_CHECK_USAGE(!options.no_key || access.keys.empty(),
                      "--no-key: expected no --api-key (or MINILLM_API_KEY) with it");
  const bool here = is_loopback(options.http.host);
  MINILLM_CHECK_USAGE(here || options.no_key || !access.keys.empty(),
                      "--host {}: others could use it: expected --api-key with it (or "
                      "MINILLM_API_KEY), or --no-key",
                      options.http.host);
  access.strangers = !here;
  if (!here) access.hosts.push_back(options.http.host);
}

std::string names_of(const Models& models) {
  std::string names;
  for (const ServedModel& model : models.all()) names += (names.empty() ? "" : ", ") + model.name;
  return names;
}

int serve(ServeOptions& options) {
  check_access(options);
  std::vector<ModelSource> sources;
  for (const std::string& text : options.checkpoints) sources.push_back(parse_model_source(text));
  if (!options.notes.empty())
    options.service.notes = [index = std::make_shared<const NoteIndex>(options.notes)](
                                const std::string& question, int64_t limit) {
      return index->query(question, limit);
    };
  if (!options.tools.empty()) {
    BuiltInToolOptions known = {.time = options.clock};
    if (const NoteSource& notes = options.service.notes)
      known.lookup = [notes](const std::string& question) {
        std::string found;
        for (const Note& note : notes(question, kMostNotes))
          found += (found.empty() ? "" : " ") + note.text;
        return found.empty() ? "nothing was found" : found;
      };
    options.service.tools = built_in_tools(options.tools, known);
  }
  if (!options.policy.empty())
    options.service.policy = std::make_shared<const Policy>(Policy::load(options.policy));
  catch_stop_signals("\nstopping: answers under way are finished (once more to quit at once)\n");

  std::unique_ptr<Models> models;
  std::unique_ptr<EngineThread> thread;
  std::atomic<bool> failed = false;
  Service service(options.service);
  HttpServer server(options.http, [&](HttpRequest&& request, auto responder) {
    service.handle(std::move(request), std::move(responder));
  });
  models = std::make_unique<Models>(sources, options.models, [](const std::string& warning) {
    spdlog::warn("warning: {}", warning);
  });
  thread = std::make_unique<EngineThread>(models->engines(), [&](const std::string& error) {
    internal::report_error(error, ExitCode::kError);
    failed = true;
  });
  service.set_models(*models, *thread);
  print("http://{}:{}\n", options.http.host, server.port());
  std::fflush(stdout);
  spdlog::info("serving {} (Ctrl-C ends it)", names_of(*models));
  using namespace std::chrono_literals;
  while (!stop_requested() && !failed) std::this_thread::sleep_for(50ms);

  service.stop();
  if (!failed && !server.drain(std::chrono::seconds(options.grace)))
    spdlog::warn("warning: answers were broken off after {} s", options.grace);
  return failed ? static_cast<int>(ExitCode::kError) : 0;
}

void add_access_options(CLI::App& app, ServeOptions& options) {
  AccessConfig& access = options.service.access;
  app.add_option("--api-key", access.keys,
                 "key that requests must show; may be given more than once. Keys do not share "
                 "what is cached")
      ->allow_extra_args(false)
      ->envname("MINILLM_API_KEY");
  app.add_flag("--no-key", options.no_key, "ask for no key, though others can reach the server");
  app.add_option("--allow-host", access.hosts,
                 "name in the Host header that is this server's, too; * = any")
      ->allow_extra_args(false);
  app.add_option("--cors-origin", access.origins,
                 "origin whose pages may ask from a browser (default: this machine's); * = any")
      ->allow_extra_args(false);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Serves checkpoints over HTTP, as OpenAI's interface (/v1/chat/completions, /v1/completions) "
      "and as a page that asks all of them at once",
      "minillm-serve");
  ServeOptions options;
  options.http.port = 8080;
  EngineConfig& engine = options.models.engine;
  app.add_option("--checkpoint", options.checkpoints,
                 "checkpoint or run directory, also of an adapter, as PATH or NAME=PATH (default: "
                 "its stage's name); the first one is asked where a request names none")
      ->required();
  app.add_option("--host", options.http.host, "address to listen on")->capture_default_str();
  app.add_option("--port", options.http.port, "port; 0 = any that is free, which is printed")
      ->capture_default_str();
  app.add_option("--slots", engine.slots, "answers at a time, of each model")
      ->capture_default_str();
  app.add_option("--slot-tokens", engine.slot_rows,
                 "longest prompt with its answer, in tokens; 0 = the model's context")
      ->capture_default_str();
  app.add_option("--prompt-tokens", engine.prompt_rows,
                 "tokens of prompts that are read in a step, beside the answers that go on")
      ->capture_default_str();
  app.add_option("--max-queue", engine.queue, "requests that wait, at most; further ones get 429")
      ->capture_default_str();
  app.add_option("--weights", options.models.weights,
                 "round the weights (default: do not): bf16 halves, int8 quarters the memory to "
                 "be read")
      ->transform(
          CLI::CheckedTransformer(std::map<std::string, Precision>{{"fp32", Precision::kFloat},
                                                                   {"bf16", Precision::kBfloat16},
                                                                   {"int8", Precision::kInt8}}));
  app.add_option("--notes", options.notes,
                 "index of minillm-notes: what is found in it for a chat's question is shown to "
                 "the model in the system prompt, and told with the answer");
  add_tools_options(app, options.tools, options.clock)
      ->description(
          "tools that the page runs for a model's calls, divided by commas: add, subtract, "
          "multiply, clock, and, with --notes, lookup");
  CLI::Option* const policy = app.add_option(
      "--policy", options.policy,
      "rules, as a TOML file, that refuse requests, notes and answers or replace parts of them");
  app.add_flag("--policy-optional", options.service.policy_is_optional,
               "let requests do without the policy (\"minillm\": {\"policy\": false})")
      ->needs(policy);
  app.add_flag("--force", options.models.force,
               "serve a checkpoint even if its tokenizer has another chat template than it was "
               "taught");
  app.add_option("--grace", options.grace,
                 "seconds that answers under way get when the server is stopped")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  add_access_options(app, options);
  return run_tool(app, argc, argv, [&] { return serve(options); });
}
