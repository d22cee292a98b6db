#include "libminillm/checkpoint/hf_config.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/core/strict_json.h"
#include "libminillm/nn/model_family.h"

namespace minillm {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

// The version whose files ours resemble; read by transformers, meaningless to others.
constexpr const char* kTransformersVersion = "4.40.0";
constexpr std::string_view kLanguageModel = "ForCausalLM",
                           kClassifier = "ForSequenceClassification";
constexpr const char* kScoreHead = "score_head";  // ours: beside a language model's head

ordered_json id_or_null(Token id) { return id < 0 ? ordered_json() : ordered_json(id); }

// What ends a text; several ids only where the model's source has several.
ordered_json end_ids(const Tokenizer& tokenizer) {
  const std::vector<Token>& ends = tokenizer.special().config_ends;
  return ends.size() > 1 ? ordered_json(ends) : id_or_null(tokenizer.eos());
}

constexpr const char* kMultipliers[] = {"embedding_multiplier", "residual_multiplier",
                                        "attention_multiplier", "logits_scaling"};

// Mistral's is a Llama's, but for its window of attention.
constexpr const char* kMistral = "mistral";

std::string family_names() {
  std::string names = fmt::format("'{}'", kMistral);
  for (const ModelFamily& family : model_families())
    names = fmt::format("'{}', {}", family.name, names);
  return names;
}

// What a Llama-shaped file may ask for that this library's one architecture does not have.
const ModelFamily& expect_known_architecture(const JsonObject& config) {
  const auto refuse_unless = [&](bool supported, const char* key, const char* expected) {
    MINILLM_CHECK(supported, "{}: '{}': expected {}, got {} (this library has one architecture)",
                  config.subject(), key, expected,
                  config.find(key) == nullptr ? "nothing" : config.find(key)->dump());
  };
  const std::string type = config.string_or("model_type", "");
  const ModelFamily* family = find_family(type == kMistral ? "llama" : type);
  refuse_unless(family != nullptr, "model_type", ("one of " + family_names()).c_str());
  refuse_unless(config.string_or("hidden_act", "silu") == "silu", "hidden_act", "\"silu\"");
  refuse_unless(!config.boolean_or("attention_bias", false), "attention_bias", "false");
  refuse_unless(!config.boolean_or("mlp_bias", false), "mlp_bias", "false");
  refuse_unless(config.number_or("partial_rotary_factor", 1) == 1, "partial_rotary_factor", "1");
  refuse_unless(!config.boolean_or("use_sliding_window", false), "use_sliding_window", "false");
  for (const char* key : {"attn_logit_softcapping", "final_logit_softcapping", "clip_qkv"})
    refuse_unless(config.find(key) == nullptr, key, "none");
  for (const char* key : kMultipliers)
    refuse_unless(family->has_multipliers || config.find(key) == nullptr, key, "none");
  refuse_unless(family->has_no_rope || config.find("no_rope_layers") == nullptr, "no_rope_layers",
                "none");
  if (const json* types = config.find("layer_types"))
    refuse_unless(types->is_array() &&
                      std::ranges::all_of(
                          *types, [](const json& layer) { return layer == "full_attention"; }),
                  "layer_types", "\"full_attention\" of all layers");
  refuse_unless(config.integer_or("pretraining_tp", 1) <= 1, "pretraining_tp", "1");
  refuse_unless(config.find("quantization_config") == nullptr, "quantization_config", "none");
  return *family;
}

// `rope` is rope_scaling (version 4) or rope_parameters (version 5); "type" is the older key.
RopeScaling read_rope_scaling(const JsonObject& rope) {
  const std::string older = rope.string_or("type", "default");
  const std::string type = rope.string_or("rope_type", older);
  MINILLM_CHECK(type == older || rope.find("type") == nullptr,
                "{}: 'rope_type' is '{}' and 'type' is '{}': expected the same", rope.subject(),
                type, older);
  const double rotary = rope.number_or("partial_rotary_factor", 1);
  MINILLM_CHECK(rotary == 1, "{}: 'partial_rotary_factor': expected 1, got {}", rope.subject(),
                rotary);
  MINILLM_CHECK(rope.find("rope_type") != nullptr || rope.find("type") != nullptr ||
                    rope.find("factor") == nullptr,
                "{}: 'factor' without a 'rope_type': expected 'default', 'linear' or 'llama3'",
                rope.subject());
  for (const auto& [key, value] : rope.object().items())
    MINILLM_CHECK(!value.is_object(),
                  "{}: '{}': parameters for each kind of layer are not supported: expected one set",
                  rope.subject(), key);
  RopeScaling scaling;
  if (type == "default") return scaling;
  scaling.type = type;
  if (type == "linear" || type == "llama3") scaling.factor = rope.number("factor");
  if (type == "llama3") {
    scaling.low_freq_factor = rope.number("low_freq_factor");
    scaling.high_freq_factor = rope.number("high_freq_factor");
    scaling.original_context = rope.integer("original_max_position_embeddings");
  }
  return scaling;
}

// RoPE's parameters are at the top level (version 4), in `rope_parameters` (version 5), or both.
void read_rope(ModelConfig& model, const JsonObject& config) {
  model.rope_theta = config.number_or("rope_theta", 10000);
  if (config.find("rope_scaling") != nullptr)
    model.rope_scaling = read_rope_scaling(config.member("rope_scaling"));
  if (config.find("rope_parameters") == nullptr) return;
  const JsonObject rope = config.member("rope_parameters");
  const double theta = rope.number_or("rope_theta", model.rope_theta);
  MINILLM_CHECK(config.find("rope_theta") == nullptr || theta == model.rope_theta,
                "{}: 'rope_theta' is {} and 'rope_parameters' says {}: expected the same",
                config.subject(), model.rope_theta, theta);
  const RopeScaling scaling = read_rope_scaling(rope);
  MINILLM_CHECK(config.find("rope_scaling") == nullptr || scaling == model.rope_scaling,
                "{}: 'rope_scaling' and 'rope_parameters' differ: expected the same",
                config.subject());
  model.rope_theta = theta;
  model.rope_scaling = scaling;
}

ordered_json rope_scaling_json(const RopeScaling& scaling) {
  if (scaling.type == "none") return nullptr;
  ordered_json j = {{"rope_type", scaling.type}, {"factor", scaling.factor}};
  if (scaling.type == "llama3") {
    j["low_freq_factor"] = scaling.low_freq_factor;
    j["high_freq_factor"] = scaling.high_freq_factor;
    j["original_max_position_embeddings"] = scaling.original_context;
  }
  return j;
}

// One id, a list of ids, or null.
std::vector<Token> read_token_ids(const JsonObject& config, const char* key, Token absent,
                                  Index vocab_size) {
  if (!config.object().contains(key)) return {absent};
  const json* value = config.find(key);
  if (value == nullptr) return {};
  std::vector<Token> ids;
  for (const json& id : value->is_array() ? *value : json::array({*value})) {
    MINILLM_CHECK(id.is_number_integer(), "{}: '{}': expected token ids, got {}", config.subject(),
                  key, value->dump());
    // -1 means none; one outside the vocabulary, left over from a resized model, is never sampled.
    const auto number = id.get<int64_t>();
    if (0 <= number && number < vocab_size) ids.push_back(id.get<Token>());
  }
  return ids;
}

Heads read_heads(const JsonObject& config) {
  const json* names = config.find("architectures");
  const bool classifies =
      names != nullptr && names->is_array() && std::ranges::any_of(*names, [](const json& name) {
        return name.is_string() && name.get<std::string>().ends_with(kClassifier);
      });
  if (classifies) return Heads::kScore;
  return config.boolean_or(kScoreHead, false) ? Heads::kBoth : Heads::kLanguageModel;
}

// SmolLM3's list says of every layer whether it turns (1) or not (0); without one the interval
// does.
int64_t read_no_rope_interval(const JsonObject& config, int64_t layers) {
  const int64_t interval = config.integer_or("no_rope_layer_interval", 4);
  MINILLM_CHECK(interval > 0, "{}: 'no_rope_layer_interval': expected at least 1, got {}",
                config.subject(), interval);
  const json* listed = config.find("no_rope_layers");
  if (listed == nullptr) return interval;
  const bool complete = listed->is_array() && std::cmp_equal(listed->size(), layers);
  if (complete && std::ranges::count(*listed, json(1)) == layers) return 0;
  int64_t layer = 0;
  const auto as_expected = [&](const json& turns) {
    return turns == (++layer % interval != 0 ? 1 : 0);
  };
  MINILLM_CHECK(complete && std::ranges::all_of(*listed, as_expected),
                "{}: 'no_rope_layers': expected 0 for every {}th of {} layers "
                "(no_rope_layer_interval) and 1 for all others, got {}",
                config.subject(), interval, layers, listed->dump());
  return interval;
}

ModelExtras read_extras(const JsonObject& config, const ModelFamily& family, int64_t layers) {
  ModelExtras extras;
  extras.qkv_bias = family.has_qkv_bias;
  extras.qk_norm = family.has_qk_norm;
  if (family.has_no_rope) extras.no_rope_interval = read_no_rope_interval(config, layers);
  if (family.has_multipliers) {
    extras.embedding_multiplier = config.number_or("embedding_multiplier", 1);
    extras.residual_multiplier = config.number_or("residual_multiplier", 1);
    extras.attention_multiplier = config.number_or("attention_multiplier", 1);
    extras.logits_scaling = config.number_or("logits_scaling", 1);
  }
  return extras;
}

// Every field of the model; the defaults are those of transformers' configs, not ours.
ModelConfig read_dimensions(const JsonObject& config, const ModelFamily& family) {
  ModelConfig model;
  model.vocab_size = config.integer_or("vocab_size", 32000);
  model.hidden_size = config.integer_or("hidden_size", 4096);
  model.intermediate_size = config.integer_or("intermediate_size", 11008);
  model.num_hidden_layers = config.integer_or("num_hidden_layers", 32);
  model.num_attention_heads = config.integer_or("num_attention_heads", 32);
  MINILLM_CHECK(model.num_attention_heads > 0,
                "{}: 'num_attention_heads': expected at least 1, got {}", config.subject(),
                model.num_attention_heads);
  model.num_key_value_heads = config.integer_or("num_key_value_heads", model.num_attention_heads);
  model.head_dim = config.integer_or(
      "head_dim", family.has_qk_norm ? 128 : model.hidden_size / model.num_attention_heads);
  model.max_position_embeddings = config.integer_or("max_position_embeddings", 2048);
  model.rms_norm_eps = config.number_or("rms_norm_eps", 1e-6);
  model.tie_word_embeddings = config.boolean_or("tie_word_embeddings", family.has_no_rope);
  model.extras = read_extras(config, family, model.num_hidden_layers);
  // Only fresh weights would need it.
  const double range = config.number_or("initializer_range", 0.02);
  if (range > 0 && range < 10) model.initializer_range = range;
  model.heads = read_heads(config);
  read_rope(model, config);
  // Beyond the window, our full attention would give different numbers. In a Llama's config the key
  // has no meaning.
  if (config.string_or("model_type", "") == kMistral) {
    const int64_t window = config.integer_or("sliding_window", model.max_position_embeddings);
    model.max_position_embeddings = std::min(model.max_position_embeddings, window);
  }
  return model;
}

}  // namespace

std::string hf_config_json(const ModelConfig& config, const Tokenizer* tokenizer) {
  ordered_json j;
  const ModelFamily& family = family_of(config);
  j["architectures"] = {
      fmt::format("{}{}", family.class_name, config.has_lm_head() ? kLanguageModel : kClassifier)};
  j["model_type"] = family.name;
  j["vocab_size"] = config.vocab_size;
  j["hidden_size"] = config.hidden_size;
  j["intermediate_size"] = config.intermediate_size;
  j["num_hidden_layers"] = config.num_hidden_layers;
  j["num_attention_heads"] = config.num_attention_heads;
  j["num_key_value_heads"] = config.num_key_value_heads;
  j["head_dim"] = config.head_dim;
  j["hidden_act"] = "silu";
  j["max_position_embeddings"] = config.max_position_embeddings;
  j["rms_norm_eps"] = config.rms_norm_eps;
  j["rope_theta"] = config.rope_theta;
  j["rope_scaling"] = rope_scaling_json(config.rope_scaling);
  // llama.cpp's converter looks for it here.
  if (config.rope_scaling.type == "llama3")
    j["original_max_position_embeddings"] = config.rope_scaling.original_context;
  if (family.has_no_rope) {
    j["no_rope_layer_interval"] = config.extras.no_rope_interval;
    for (Index l = 0; l < config.num_hidden_layers; ++l)
      j["no_rope_layers"].push_back(config.has_rope(l) ? 1 : 0);
  }
  if (family.has_multipliers) {
    const double usual = 1 / std::sqrt(static_cast<double>(config.head_dim)),
                 scale = config.extras.attention_multiplier;
    j["embedding_multiplier"] = config.extras.embedding_multiplier;
    j["residual_multiplier"] = config.extras.residual_multiplier;
    j["attention_multiplier"] = scale == 0 ? usual : scale;
    j["logits_scaling"] = config.extras.logits_scaling;
  }
  if (family.has_qkv_bias || family.has_qk_norm) j["use_sliding_window"] = false;
  j["attention_bias"] = false;
  j["mlp_bias"] = false;
  j["attention_dropout"] = 0.0;
  j["initializer_range"] = config.initializer_range;
  j["tie_word_embeddings"] = config.tie_word_embeddings;
  j["bos_token_id"] = tokenizer != nullptr ? id_or_null(tokenizer->bos()) : ordered_json(1);
  j["eos_token_id"] = tokenizer != nullptr ? end_ids(*tokenizer) : ordered_json(2);
  j["pad_token_id"] = tokenizer != nullptr ? id_or_null(tokenizer->pad()) : ordered_json();
  j["use_cache"] = true;
  j["pretraining_tp"] = 1;
  if (!config.has_lm_head()) {  // one number for a text, not one of two labels
    j["id2label"] = {{"0", "LABEL_0"}};
    j["label2id"] = {{"LABEL_0", 0}};
    j["problem_type"] = "regression";
  }
  if (config.heads == Heads::kBoth) j[kScoreHead] = true;
  j["torch_dtype"] = "float32";
  j["transformers_version"] = kTransformersVersion;
  return j.dump(2) + "\n";
}

HfConfig read_hf_config(const std::string& path) {
  const json parsed = read_json_file(path);
  const JsonObject object(parsed, fmt::format("file '{}'", path));
  const ModelFamily& family = expect_known_architecture(object);
  HfConfig config;
  config.model = read_dimensions(object, family);
  config.tie_is_said = object.find("tie_word_embeddings") != nullptr;
  try {
    config.model.validate();
  } catch (const Error& e) {  // its errors name the key, but not the file
    throw Error(fmt::format("{}: {}", object.subject(), e.what()));
  }
  config.eos_token_ids = read_token_ids(object, "eos_token_id", 2, config.model.vocab_size);
  return config;
}

}  // namespace minillm
