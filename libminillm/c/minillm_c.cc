#include "libminillm/c/minillm_c.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/constrain/constraint_cache.h"
#include "libminillm/core/check.h"
#include "libminillm/core/version.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/eval/text_loss.h"
#include "libminillm/generate/chat.h"
#include "libminillm/generate/generator.h"
#include "libminillm/pipeline/stages.h"

struct minillm_model {
  minillm::Checkpoint checkpoint;
  minillm::Model model;
  minillm::Tokenizer tokenizer;
  // The weights in the form in which text is generated, made by the first call that needs it.
  mutable std::once_flag packed_once;
  mutable std::shared_ptr<const minillm::PackedWeights> packed;
  // Likewise what texts had to obey.
  mutable std::once_flag constraints_once;
  mutable std::optional<minillm::ConstraintCache> constraints;

  explicit minillm_model(minillm::Checkpoint c)
      : checkpoint(std::move(c)),
        model(checkpoint.load_model()),
        tokenizer(checkpoint.tokenizer()) {}
};

struct minillm_adapter {
  minillm::Adapter adapter;
  minillm::Tokenizer tokenizer;  // with the chat template that the adapter was taught
};

namespace {

using namespace minillm;

thread_local std::string t_last_error;

// No exception leaves the library. Runs body(), whose result is the call's; on an exception, keeps
// its message and returns its exit code.
int guarded(const std::function<int()>& body) {
  try {
    return body();
  } catch (const Error& error) {
    t_last_error = error.what();
    return static_cast<int>(error.exit_code());
  } catch (const std::exception& error) {
    t_last_error = error.what();
  } catch (...) {
    t_last_error = "unknown error";
  }
  return MINILLM_ERROR;
}

const char* required(const char* text, const char* name) {
  MINILLM_CHECK_USAGE(text != nullptr, "argument '{}': expected a text, got NULL", name);
  return text;
}

void require_model(const minillm_model* model) {
  MINILLM_CHECK_USAGE(model != nullptr,
                      "argument 'model': expected a model, got NULL (did minillm_load fail?)");
}

void require(const void* pointer, const char* name) {
  MINILLM_CHECK_USAGE(pointer != nullptr, "argument '{}': expected a place, got NULL", name);
}

std::vector<Token> ids_of(const int32_t* ids, int64_t count) {
  MINILLM_CHECK_USAGE(count >= 0, "argument 'count': expected 0 or more, got {}", count);
  if (count > 0) require(ids, "ids");
  return {ids, ids + count};
}

Role role_of(std::string_view name, size_t message) {
  for (const Role role : {Role::kSystem, Role::kUser, Role::kAssistant})
    if (name == role_name(role)) return role;
  throw Error(fmt::format("messages: message {}: expected the role \"system\", \"user\" or "
                          "\"assistant\", got \"{}\"",
                          message, name),
              ExitCode::kUsage);
}

int64_t number_of(const minillm_model* model, int64_t (*number)(const Model&)) {
  int64_t result = -1;
  guarded([&] {
    require_model(model);
    result = number(model->model);
    return MINILLM_OK;
  });
  return result;
}

// The caller's struct over the defaults: one compiled for an older library is shorter.
template <typename Options>
Options taken(const Options* options, const Options& defaults) {
  if (options == nullptr) return defaults;
  MINILLM_CHECK_USAGE(options->size >= sizeof(size_t) && options->size <= sizeof(Options),
                      "options: size {} is none of this version's: expected at most {} (begin "
                      "with ..._defaults())",
                      options->size, sizeof(Options));
  Options result = defaults;
  std::memcpy(&result, options, options->size);
  return result;
}

std::vector<std::string> list_of(const char* const* texts) {
  std::vector<std::string> list;
  for (; texts != nullptr && *texts != nullptr; ++texts) list.emplace_back(*texts);
  return list;
}

// The adapter's, whose chat template may be another one.
const Tokenizer& tokenizer_of(const minillm_model* model, const minillm_generation* options) {
  const minillm_adapter* adapter = taken(options, minillm_generation_defaults()).adapter;
  return adapter == nullptr ? model->tokenizer : adapter->tokenizer;
}

std::shared_ptr<const CompiledConstraint> constraint_of(const minillm_model* model,
                                                        const minillm_generation& options) {
  if (options.schema == nullptr && options.regex == nullptr) return nullptr;
  MINILLM_CHECK_USAGE(options.schema == nullptr || options.regex == nullptr,
                      "options: expected a schema or a regex, got both");
  std::call_once(model->constraints_once, [&] { model->constraints.emplace(model->tokenizer); });
  return options.schema != nullptr ? model->constraints->json_schema(options.schema)
                                   : model->constraints->regex(options.regex);
}

// `answers`: the prompt is a conversation, whose template may put a space before the answer.
int speak(const minillm_model* model, const std::vector<Token>& prompt, bool answers,
          const minillm_generation* options, minillm_on_text on_text, void* user) {
  const minillm_generation o = taken(options, minillm_generation_defaults());
  GenerationConfig config;
  config.max_tokens = o.max_tokens;
  config.seed = o.seed;
  config.sampling.temperature = o.temperature;
  config.sampling.top_k = o.top_k;
  config.sampling.top_p = o.top_p;
  config.sampling.repetition_penalty = o.repetition_penalty;
  config.sampling.min_p = o.min_p;
  config.stop = list_of(o.stop);
  config.constraint = constraint_of(model, o);
  config.constraint_after_space = answers;
  bool stopped = false;
  bool spaced = answers && config.constraint;  // what obeys is told without that space
  GenerationEvents events;
  events.on_text = [&](const std::string& piece) {
    const std::string text(std::exchange(spaced, false) ? strip_template_space(piece) : piece);
    if (on_text != nullptr && !stopped && !text.empty()) stopped = on_text(text.c_str(), user) != 0;
  };
  events.stop_requested = [&] { return stopped; };
  std::call_once(model->packed_once, [&] {
    const Weights& weights = model->model.weights();
    model->packed =
        std::make_shared<PackedWeights>(model->model.config(), weights, weights.head.precision);
  });
  Generator(model->model, tokenizer_of(model, options), model->packed)
      .generate(prompt, config, events, o.adapter == nullptr ? nullptr : &o.adapter->adapter);
  return stopped ? MINILLM_INTERRUPTED : MINILLM_OK;
}

TrainOutcome train(const minillm_training& training, const TrainerEvents& events) {
  // Configured as the tools do it: recipe first, then single settings.
  const ConfiguredStage stage = configure_stage(required(training.stage, "stage"));
  if (training.config != nullptr) read_config_file(stage.fields, training.config);
  for (const std::string& setting : list_of(training.settings))
    set_config_value(stage.fields, setting);
  const auto text_of = [](const char* text) { return text == nullptr ? "" : text; };
  StageOptions options;
  options.train_files = list_of(training.train_files);
  options.eval_files = list_of(training.eval_files);
  options.replay_files = list_of(training.replay_files);
  options.init_from = text_of(training.init_from);
  options.tokenizer = text_of(training.tokenizer);
  options.chat_template = text_of(training.chat_template);
  options.out = required(training.out, "out");
  options.resume = training.resume != 0;
  return stage.run(options, events);
}

}  // namespace

const char* minillm_version(void) { return kVersion; }
const char* minillm_last_error(void) { return t_last_error.c_str(); }

minillm_model* minillm_load(const char* path) {
  minillm_model* model = nullptr;
  guarded([&] {
    model = new minillm_model(Checkpoint::open(required(path, "path")));
    return MINILLM_OK;
  });
  return model;
}

void minillm_free(minillm_model* model) { delete model; }

minillm_adapter* minillm_load_adapter(const minillm_model* model, const char* path, double weight,
                                      int force) {
  minillm_adapter* adapter = nullptr;
  guarded([&] {
    require_model(model);
    MINILLM_CHECK_USAGE(model->checkpoint.base() == nullptr,
                        "argument 'model': is an adapter with its base: expected the base");
    const Checkpoint::AdapterArgument one[] = {{required(path, "path"), weight}};
    const Checkpoint checkpoint = model->checkpoint.with_adapters(one, force != 0);
    MINILLM_CHECK_USAGE(checkpoint.model_config() == model->model.config(),
                        "adapter '{}': has a score head, which no text comes from: expected one of "
                        "a language model",
                        path);
    adapter = new minillm_adapter{checkpoint.load_adapter(model->model), checkpoint.tokenizer()};
    return MINILLM_OK;
  });
  return adapter;
}

void minillm_free_adapter(minillm_adapter* adapter) { delete adapter; }

int64_t minillm_vocab_size(const minillm_model* model) {
  return number_of(model, [](const Model& own) { return own.config().vocab_size; });
}
int64_t minillm_context_length(const minillm_model* model) {
  return number_of(model, [](const Model& own) { return own.positions(); });
}
int64_t minillm_parameter_count(const minillm_model* model) {
  return number_of(model, [](const Model& own) { return own.config().parameter_count(); });
}

int64_t minillm_encode(const minillm_model* model, const char* text, int32_t* ids,
                       int64_t capacity) {
  int64_t count = -1;
  guarded([&] {
    require_model(model);
    const std::vector<Token> tokens = model->tokenizer.encode(required(text, "text"));
    MINILLM_CHECK_USAGE(capacity >= 0, "argument 'capacity': expected 0 or more, got {}", capacity);
    if (capacity > 0) require(ids, "ids");
    count = std::ssize(tokens);
    std::copy_n(tokens.begin(), std::min(capacity, count), ids);
    return MINILLM_OK;
  });
  return count;
}

int64_t minillm_decode(const minillm_model* model, const int32_t* ids, int64_t count, char* text,
                       int64_t capacity) {
  int64_t size = -1;
  guarded([&] {
    require_model(model);
    const std::string decoded = model->tokenizer.decode(ids_of(ids, count));
    MINILLM_CHECK_USAGE(capacity >= 0, "argument 'capacity': expected 0 or more, got {}", capacity);
    if (capacity > 0) {
      require(text, "text");
      const size_t written = decoded.copy(text, static_cast<size_t>(capacity) - 1);
      text[written] = '\0';
    }
    size = std::ssize(decoded);
    return MINILLM_OK;
  });
  return size;
}

int minillm_evaluate(const minillm_model* model, const char* text, double* loss) {
  return guarded([&] {
    require_model(model);
    const std::string document = required(text, "text");
    require(loss, "loss");
    const EvaluationText evaluated =
        make_evaluation_text(std::span(&document, 1), model->tokenizer, model->model.positions());
    *loss = evaluate_text(model->model, evaluated, model->tokenizer.eos()).loss();
    return MINILLM_OK;
  });
}

minillm_generation minillm_generation_defaults(void) {
  const GenerationConfig config;
  minillm_generation options = {};
  options.size = sizeof(options);
  options.max_tokens = config.max_tokens;
  options.temperature = config.sampling.temperature;
  options.top_k = config.sampling.top_k;
  options.top_p = config.sampling.top_p;
  options.repetition_penalty = config.sampling.repetition_penalty;
  options.seed = config.seed;
  options.min_p = config.sampling.min_p;
  return options;
}

int minillm_generate(const minillm_model* model, const char* prompt,
                     const minillm_generation* options, minillm_on_text on_text, void* user) {
  return guarded([&] {
    require_model(model);
    const auto ids = encode_raw_prompt(model->tokenizer, required(prompt, "prompt"));
    return speak(model, ids, false, options, on_text, user);
  });
}

int minillm_chat(const minillm_model* model, const char* question,
                 const minillm_generation* options, minillm_on_text on_text, void* user) {
  return guarded([&] {
    require_model(model);
    std::vector<Message> messages;
    const char* system = taken(options, minillm_generation_defaults()).system;
    if (system != nullptr && *system != '\0') messages.push_back({Role::kSystem, system});
    messages.push_back({Role::kUser, required(question, "question")});
    return speak(model, render_prompt(tokenizer_of(model, options), messages), true, options,
                 on_text, user);
  });
}

int minillm_chat_messages(const minillm_model* model, const minillm_message* messages, size_t count,
                          const minillm_generation* options, minillm_on_text on_text, void* user) {
  return guarded([&] {
    require_model(model);
    if (count > 0) require(messages, "messages");
    std::vector<Message> conversation;
    for (size_t i = 0; i < count; ++i) {
      conversation.push_back({role_of(required(messages[i].role, "messages.role"), i),
                              required(messages[i].content, "messages.content")});
    }
    MINILLM_CHECK_USAGE(!conversation.empty() && conversation.back().role == Role::kUser,
                        "messages: expected the last one to be the user's");
    return speak(model, render_prompt(tokenizer_of(model, options), conversation), true, options,
                 on_text, user);
  });
}

int minillm_generate_ids(const minillm_model* model, const int32_t* ids, int64_t count,
                         const minillm_generation* options, minillm_on_text on_text, void* user) {
  return guarded([&] {
    require_model(model);
    return speak(model, ids_of(ids, count), false, options, on_text, user);
  });
}

minillm_training minillm_training_defaults(void) {
  minillm_training training = {};
  training.size = sizeof(training);
  return training;
}

int minillm_train(const minillm_training* training) {
  return guarded([&] {
    MINILLM_CHECK_USAGE(training != nullptr, "argument 'training': expected options, got NULL");
    const minillm_training t = taken(training, minillm_training_defaults());
    bool stopped = false;
    TrainerEvents events;
    events.on_step = [&](const StepReport& report) {
      const minillm_step step = {report.step,        report.steps,         report.loss,
                                 report.grad_norm,   report.learning_rate, report.tokens_per_second,
                                 report.seconds_left};
      if (t.on_step != nullptr) stopped = t.on_step(&step, t.user) != 0;
    };
    events.on_message = [&](const std::string& message) {
      if (t.on_message != nullptr) t.on_message(message.c_str(), t.user);
    };
    events.stop_requested = [&] { return stopped; };
    return train(t, events) == TrainOutcome::kInterrupted ? MINILLM_INTERRUPTED : MINILLM_OK;
  });
}
