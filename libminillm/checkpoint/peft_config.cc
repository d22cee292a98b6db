#include "libminillm/checkpoint/peft_config.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "libminillm/core/check.h"
#include "libminillm/core/strict_json.h"

namespace minillm {
namespace {

using nlohmann::json;

constexpr int64_t kMaxRank = 65536;
constexpr const char* kMethods[] = {"LORA", "PROMPT_TUNING", "PREFIX_TUNING", "PARALLEL_ADAPTER"};

constexpr size_t kMostNames = 4096;  // of targets, and in a pattern

std::string last_word(const std::string& name) { return name.substr(name.rfind('.') + 1); }

double alpha_of(const AdapterShape::Update& update, bool rslora) {
  const double rank = static_cast<double>(update.rank);
  return update.scale * (rslora ? std::sqrt(rank) : rank);
}
json number(double value) {
  return value == std::floor(value) && std::abs(value) < 1e15 ? json(static_cast<int64_t>(value))
                                                              : json(value);
}

// The value that most updates have.
template <typename Value>
Value most_frequent(const std::vector<Value>& values) {
  std::map<Value, int> counts;
  for (const Value& value : values) ++counts[value];
  return std::ranges::max_element(counts, {}, &std::map<Value, int>::value_type::second)->first;
}

// Names without their layers, if every layer has the same ones; else all names.
std::vector<std::string> target_modules(const AdapterShape& shape, const ModelConfig& model) {
  std::set<std::string> words, names;
  for (const AdapterShape::Update& update : shape.updates) {
    words.insert(last_word(path_in_block(update.module)));
    names.insert(module_name(update));
  }
  const bool in_all =
      std::ssize(names) == std::ssize(words) * static_cast<std::ptrdiff_t>(model.num_hidden_layers);
  const std::set<std::string>& set = in_all ? words : names;
  return {set.begin(), set.end()};
}

json token_indices(const AdapterShape& shape, const ModelConfig& model) {
  if (shape.tokens.empty()) return nullptr;
  if (model.tie_word_embeddings || !model.has_lm_head()) return shape.tokens;
  return {{"embed_tokens", shape.tokens}, {"lm_head", shape.tokens}};
}

[[noreturn]] void refuse(const JsonObject& config, const std::string& key, const char* why) {
  throw Error(fmt::format("{}: '{}': got {}: {}", config.subject(), key,
                          config.object().at(key).dump(), why));
}
bool is_set(const JsonObject& config, const char* key) {
  const json* value = config.find(key);
  return value != nullptr && *value != false && !(value->is_structured() && value->empty());
}

// What an adapter may ask for beyond A and B.
void refuse_other_methods(const JsonObject& config) {
  for (const char* key :
       {"use_dora", "use_qalora", "alora_invocation_tokens", "lora_bias", "target_parameters",
        "layer_replication", "megatron_config", "fan_in_fan_out", "exclude_modules", "use_bdlora",
        "arrow_config", "eva_config", "corda_config", "layers_pattern"})
    if (is_set(config, key)) refuse(config, key, "expected none (plain LoRA)");
  if (config.string_or("bias", "none") != "none") refuse(config, "bias", "expected \"none\"");
  const json* start = config.find("init_lora_weights");
  if (start != nullptr && start->is_string()) {
    const std::string name = *start;
    for (const char* changes : {"pissa", "olora", "corda", "loftq", "lora_ga"})
      if (name.starts_with(changes))
        refuse(config, "init_lora_weights",
               "it changes the base, and the adapter does not fit the original one");
  }
  if (const json* saved = config.find("modules_to_save"); saved != nullptr) {
    MINILLM_CHECK(saved->is_array(), "{}: 'modules_to_save': expected a list", config.subject());
    for (const json& name : *saved)
      if (name != "score" && name != "classifier")
        refuse(config, "modules_to_save",
               "expected none, or a score head (merge such an adapter where it was made)");
  }
}

// PEFT's patterns are regular expressions that match the end of a module's name; ours are names.
template <typename Value>
std::map<std::string, Value> read_pattern(const JsonObject& config, const char* key) {
  std::map<std::string, Value> pattern;
  const json* object = config.find(key);
  if (object == nullptr) return pattern;
  MINILLM_CHECK(object->is_object() && object->size() <= kMostNames,
                "{}: '{}': expected an object of at most {} names", config.subject(), key,
                kMostNames);
  for (const auto& [name, value] : object->items()) {
    MINILLM_CHECK(name.find_first_of("*+?()[]{}|^$\\") == std::string::npos,
                  "{}: '{}': '{}' is an expression: expected names of modules", config.subject(),
                  key, name);
    const bool fits = std::is_integral_v<Value> ? value.is_number_integer() : value.is_number();
    MINILLM_CHECK(fits, "{}: '{}': '{}': expected a number, got {}", config.subject(), key, name,
                  value.dump());
    pattern[name] = value.template get<Value>();
  }
  return pattern;
}
// A list, or a list for each of the embedding and the head, which must be the same.
std::vector<Token> read_token_indices(const JsonObject& config) {
  const json* value = config.find("trainable_token_indices");
  if (value == nullptr) return {};
  json list = *value;
  if (value->is_object()) {
    for (const auto& [name, indices] : value->items()) {
      MINILLM_CHECK(
          (name == "embed_tokens" || name == "lm_head") && indices == value->begin().value(),
          "{}: 'trainable_token_indices': expected one list, or the same for embed_tokens "
          "and lm_head, got {}",
          config.subject(), value->dump());
      list = indices;
    }
  }
  std::set<Token> tokens;
  MINILLM_CHECK(list.is_array(), "{}: 'trainable_token_indices': expected a list",
                config.subject());
  for (const json& id : list) {
    MINILLM_CHECK(id.is_number_integer() && id >= 0 && id <= std::numeric_limits<Token>::max(),
                  "{}: 'trainable_token_indices': expected token ids, got {}", config.subject(),
                  id.dump());
    tokens.insert(id.get<Token>());
  }
  MINILLM_CHECK(list == json(tokens),
                "{}: 'trainable_token_indices': expected ids in ascending order, each once",
                config.subject());
  return {tokens.begin(), tokens.end()};
}

}  // namespace

std::string module_name(const AdapterShape::Update& update) {
  return fmt::format("model.layers.{}.{}", update.layer, path_in_block(update.module));
}
bool names_end(const std::string& name, const std::string& end) {
  return name == end || name.ends_with("." + end);
}

std::string all_modules() {
  std::vector<std::string> words;
  for (int m = 0; m < kMatrixModules; ++m)
    words.push_back(last_word(path_in_block(static_cast<Module>(m))));
  return fmt::format("{}", fmt::join(words, ", "));
}

namespace {

PeftMethod method_of(const AdapterShape& shape) {
  if (shape.virtual_tokens > 0) return shape.prefix ? PeftMethod::kPrefix : PeftMethod::kPrompt;
  const auto parallel = std::ranges::count_if(
      shape.updates, [](const AdapterShape::Update& u) { return is_parallel(u.module); });
  MINILLM_CHECK(parallel == 0 || parallel == std::ssize(shape.updates),
                "adapters: a sum of LoRA and parallel adapters: expected one kind (a file has one "
                "method)");
  return parallel == 0 ? PeftMethod::kLora : PeftMethod::kParallel;
}

// Source: PEFT's PromptLearningConfig; of a prefix, heads are those of keys and values.
void add_virtual_tokens(json& config, const AdapterShape& shape, const ModelConfig& model) {
  config["num_virtual_tokens"] = shape.virtual_tokens;
  config["num_transformer_submodules"] = 1;
  config["num_layers"] = model.num_hidden_layers;
  if (shape.prefix) {
    const Index width = model.num_key_value_heads * model.head_dim;
    config["num_attention_heads"] = model.num_key_value_heads;
    config["token_dim"] = config["encoder_hidden_size"] = width;
    config["prefix_projection"] = false;
  } else {
    config["num_attention_heads"] = model.num_attention_heads;
    config["token_dim"] = model.hidden_size;
    config["prompt_tuning_init"] = "RANDOM";  // what they begin as is in the file
    config["prompt_tuning_init_text"] = config["tokenizer_name_or_path"] = nullptr;
  }
}

void add_parallel(json& config, const AdapterShape& shape) {
  const AdapterShape::Update& first = shape.updates.front();
  for (const AdapterShape::Update& update : shape.updates)
    MINILLM_CHECK(update.rank == first.rank && update.scale == first.scale,
                  "adapters: parallel ones of several widths or scales: expected one of each");
  config["width"] = first.rank;
  config["scale"] = first.scale;
}

void add_lora(json& config, const AdapterShape& shape) {
  std::vector<int64_t> ranks;
  std::vector<double> alphas;
  for (const AdapterShape::Update& update : shape.updates) {
    ranks.push_back(update.rank);
    alphas.push_back(alpha_of(update, shape.rslora));
  }
  const int64_t rank = most_frequent(ranks);
  const double alpha = most_frequent(alphas);
  json rank_pattern = json::object(), alpha_pattern = json::object();
  for (size_t i = 0; i < ranks.size(); ++i) {
    const std::string name = module_name(shape.updates[i]);
    if (ranks[i] != rank) rank_pattern[name] = ranks[i];
    if (alphas[i] != alpha) alpha_pattern[name] = number(alphas[i]);
  }
  config.update({{"alpha_pattern", alpha_pattern},
                 {"bias", "none"},
                 {"fan_in_fan_out", false},
                 {"init_lora_weights", true},
                 {"layers_pattern", nullptr},
                 {"layers_to_transform", nullptr},
                 {"lora_alpha", number(alpha)},
                 {"lora_dropout", 0.0},
                 {"r", rank},
                 {"rank_pattern", rank_pattern},
                 {"use_dora", false},
                 {"use_rslora", shape.rslora}});
}

}  // namespace

std::string peft_config_json(const Adapter& adapter, const ModelConfig& model) {
  const AdapterShape& shape = adapter.shape();
  const PeftMethod method = method_of(shape);
  const json base = adapter.base_path.empty() ? json() : json(adapter.base_path);
  json config = {{"auto_mapping", nullptr},
                 {"base_model_name_or_path", base},
                 {"inference_mode", true},
                 {"modules_to_save", shape.score ? json({"score"}) : json()},
                 {"peft_type", kMethods[static_cast<size_t>(method)]},
                 {"revision", nullptr},
                 {"task_type", model.heads == Heads::kScore ? "SEQ_CLS" : "CAUSAL_LM"}};
  if (method == PeftMethod::kPrompt || method == PeftMethod::kPrefix) {
    add_virtual_tokens(config, shape, model);
    return config.dump(2) + "\n";
  }
  config["target_modules"] = target_modules(shape, model);
  config["trainable_token_indices"] = token_indices(shape, model);
  if (method == PeftMethod::kLora)
    add_lora(config, shape);
  else
    add_parallel(config, shape);
  return config.dump(2) + "\n";
}

namespace {

PeftMethod read_method(const JsonObject& config) {
  const std::string name = config.string("peft_type");
  const auto found = std::ranges::find(kMethods, name);
  MINILLM_CHECK(found != std::end(kMethods), "{}: 'peft_type': expected one of {}, got \"{}\"",
                config.subject(), fmt::join(kMethods, ", "), name);
  return static_cast<PeftMethod>(found - std::begin(kMethods));
}

double finite_or(const JsonObject& config, const char* key, double absent) {
  const double value = config.number_or(key, absent);
  MINILLM_CHECK(std::isfinite(value), "{}: '{}': expected a finite number", config.subject(), key);
  return value;
}

std::vector<std::string> read_targets(const JsonObject& config) {
  const json* targets = config.find("target_modules");
  if (targets == nullptr || targets->is_string()) return {};
  std::vector<std::string> names = config.strings("target_modules");
  MINILLM_CHECK(names.size() <= kMostNames, "{}: 'target_modules': expected at most {} names",
                config.subject(), kMostNames);
  for (const std::string& name : names)
    MINILLM_CHECK(
        !names_end(name, "embed_tokens") && !names_end(name, "lm_head"),
        "{}: 'target_modules': '{}': expected matrices of the blocks ({}): a head that is "
        "tied to the embedding is one matrix with two uses",
        config.subject(), name, all_modules());
  return names;
}

}  // namespace

PeftConfig read_peft_config(const std::string& path) {
  const json j = read_json_file(path);
  const JsonObject config(j, fmt::format("file '{}'", path));
  PeftConfig result;
  result.method = read_method(config);
  refuse_other_methods(config);
  result.base = config.string_or("base_model_name_or_path", "");
  const std::string task = config.string_or("task_type", "CAUSAL_LM");
  MINILLM_CHECK(task == "CAUSAL_LM" || task == "SEQ_CLS",
                "{}: 'task_type': expected \"CAUSAL_LM\" or \"SEQ_CLS\", got \"{}\"",
                config.subject(), task);
  result.classifies = task == "SEQ_CLS";
  if (result.method == PeftMethod::kPrompt || result.method == PeftMethod::kPrefix) {
    result.virtual_tokens = config.integer_in("num_virtual_tokens", 1, kMaxRank);
    return result;
  }
  result.tokens = read_token_indices(config);
  result.targets = read_targets(config);
  if (result.method == PeftMethod::kParallel) {
    result.rank = config.integer_in("width", 1, kMaxRank);
    result.alpha = finite_or(config, "scale", 1) * static_cast<double>(result.rank);
    return result;
  }
  result.rank = config.find("r") == nullptr ? 8 : config.integer_in("r", 1, kMaxRank);
  result.alpha = finite_or(config, "lora_alpha", 8);
  result.rslora = config.boolean_or("use_rslora", false);
  result.rank_pattern = read_pattern<int64_t>(config, "rank_pattern");
  result.alpha_pattern = read_pattern<double>(config, "alpha_pattern");
  return result;
}

}  // namespace minillm
