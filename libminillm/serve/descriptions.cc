#include "libminillm/serve/descriptions.h"

#include <fmt/format.h>

#include "libminillm/core/version.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/eval/stage_notes.h"

namespace minillm {
namespace {

using Json = nlohmann::ordered_json;

std::string metric(const char* name, const char* type, const char* help, double value) {
  return fmt::format("# HELP minillm_{0} {2}\n# TYPE minillm_{0} {1}\nminillm_{0} {3}\n", name,
                     type, help, value);
}

EngineCounters sum_of(const Models& models) {
  EngineCounters sum;
  for (const Engine* engine : models.engines()) {
    const EngineCounters one = engine->counters();
    sum.requests += one.requests;
    sum.cancelled += one.cancelled;
    sum.failed += one.failed;
    sum.prompt_tokens += one.prompt_tokens;
    sum.reused_tokens += one.reused_tokens;
    sum.generated_tokens += one.generated_tokens;
    sum.steps += one.steps;
    sum.busy_slots += one.busy_slots;
    sum.prompt_seconds += one.prompt_seconds;
    sum.generation_seconds += one.generation_seconds;
    sum.running += one.running;
    sum.waiting += one.waiting;
  }
  return sum;
}

}  // namespace

Json model_json(const ServedModel& model, std::time_t created) {
  const std::string stage = model.lineage.empty() ? "" : model.lineage.back();
  const StageNotes& notes = stage_notes(stage);
  const ChatTemplate* const format = model.tokenizer.chat_template();
  return {{"id", model.name},
          {"object", "model"},
          {"created", created},
          {"owned_by", "minillm"},
          {"meta",
           {{"stage", stage},
            {"lineage", model.lineage},
            {"title", notes.title},
            {"learns", notes.learns},
            {"chat", model.chats},
            {"chat_template", format == nullptr ? Json(nullptr) : Json(format->id)},
            {"parameters", model.parameters},
            {"adapter", model.adapter != nullptr},
            {"vocab_size", model.config.vocab_size},
            {"context", model.context},
            {"weights", model.weights},
            {"weights_hash", model.weights_hash}}}};
}

std::string metrics_text(const Models& models) {
  const EngineCounters sum = sum_of(models);
  const auto number = [](auto value) { return static_cast<double>(value); };
  const double busy = sum.steps == 0 ? 0 : number(sum.busy_slots) / number(sum.steps);
  return metric("requests_total", "counter", "Requests that engines took.", number(sum.requests)) +
         metric("requests_cancelled_total", "counter", "Of them: their client left.",
                number(sum.cancelled)) +
         metric("requests_failed_total", "counter", "Of them: ended by an error.",
                number(sum.failed)) +
         metric("prompt_tokens_total", "counter", "Prompt tokens fed.", number(sum.prompt_tokens)) +
         metric("prefix_tokens_reused_total", "counter", "Prompt tokens that were in the cache.",
                number(sum.reused_tokens)) +
         metric("prompt_seconds_total", "counter", "Time spent on prompts.", sum.prompt_seconds) +
         metric("tokens_predicted_total", "counter", "Tokens generated.",
                number(sum.generated_tokens)) +
         metric("tokens_predicted_seconds_total", "counter", "Time spent on generating.",
                sum.generation_seconds) +
         metric("decode_total", "counter", "Steps of the engines.", number(sum.steps)) +
         metric("busy_slots_per_decode", "gauge", "Mean number of streams in a step.", busy) +
         metric("requests_processing", "gauge", "Requests in slots.", number(sum.running)) +
         metric("requests_deferred", "gauge", "Requests that wait for a slot.",
                number(sum.waiting));
}

Json props_json(const Models& models, const ServiceConfig& config, std::time_t created) {
  const ServedModel& first = models.all().front();
  const ChatTemplate* const format = first.tokenizer.chat_template();
  const SamplingConfig& sampling = config.defaults.sampling;
  Json list = Json::array();
  for (const ServedModel& model : models.all()) list.push_back(model_json(model, created));
  Json tools = Json::array();
  for (const CallableTool& tool : config.tools)
    tools.push_back(Json::parse(tool.declared.declaration));
  Json rules = Json::array();  // their names: what they match is nobody's business
  if (config.policy != nullptr)
    for (const PolicyRule& rule : config.policy->rules()) rules.push_back(rule.name);
  return {{"build_info", fmt::format("minillm {}", kVersion)},
          {"default_generation_settings",
           {{"n_ctx", first.context},
            {"params",
             {{"temperature", sampling.temperature},
              {"top_k", sampling.top_k},
              {"top_p", sampling.top_p},
              {"min_p", sampling.min_p},
              {"repetition_penalty", sampling.repetition_penalty}}}}},
          {"total_slots", first.engine->slots()},
          {"chat_template", format == nullptr ? "" : format->jinja},
          {"notes", config.notes != nullptr},
          {"policy", rules},
          {"tools", tools},
          {"models", list}};
}

}  // namespace minillm
