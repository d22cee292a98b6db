#include "libminillm/checkpoint/hf_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "libminillm/nn/model_family.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/tiny_model.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::TempDir;
using minillm_testing::toy_config;
using minillm_testing::toy_tokenizer;
using nlohmann::json;
using testing::ElementsAre;
using testing::IsEmpty;

class HfConfigTest : public testing::Test {
 protected:
  HfConfig read_text(const std::string& text) const {
    return read_hf_config(dir_.write("config.json", text));
  }
  HfConfig read(const json& config) const { return read_text(config.dump()); }
  // A valid file with `key` set to `value`.
  static json with(const std::string& key, const json& value) {
    json config = json::parse(hf_config_json(toy_config(), &toy_tokenizer()));
    config[key] = value;
    return config;
  }
  TempDir dir_;
};

TEST_F(HfConfigTest, RoundTripsToTheBit) {
  ModelConfig config = toy_config();
  config.rms_norm_eps = 1e-6 / 3;
  config.rope_theta = 123456.7890123;
  config.initializer_range = 0.1 + 0.2;
  for (bool tied : {true, false}) {
    config.tie_word_embeddings = tied;
    EXPECT_EQ(read_text(hf_config_json(config, &toy_tokenizer())).model, config);
  }
}

TEST_F(HfConfigTest, WritesWhatOtherProgramsNeed) {
  const json j = json::parse(hf_config_json(toy_config(), &toy_tokenizer()));
  EXPECT_EQ(j.at("architectures"), json({"LlamaForCausalLM"}));
  EXPECT_EQ(j.at("model_type"), "llama");
  EXPECT_EQ(j.at("hidden_act"), "silu");
  EXPECT_EQ(j.at("torch_dtype"), "float32");
  EXPECT_EQ(j.at("num_key_value_heads"), 2);
  EXPECT_EQ(j.at("bos_token_id"), 1);
  EXPECT_EQ(j.at("eos_token_id"), 2);
  EXPECT_EQ(j.at("pad_token_id"), 3);
  EXPECT_TRUE(j.at("rope_scaling").is_null());
  const json without = json::parse(hf_config_json(toy_config(), nullptr));
  EXPECT_EQ(without.at("eos_token_id"), 2);
  EXPECT_TRUE(without.at("pad_token_id").is_null());
}

// A classifier with one label is what transformers calls a reward model. Without "id2label" it
// would expect two.
TEST_F(HfConfigTest, TellsARewardModelFromALanguageModel) {
  ModelConfig config = toy_config();
  for (const Heads heads : {Heads::kLanguageModel, Heads::kScore, Heads::kBoth}) {
    config.heads = heads;
    const std::string text = hf_config_json(config, &toy_tokenizer());
    EXPECT_EQ(read_text(text).model, config);
    const json j = json::parse(text);
    EXPECT_EQ(j.at("architectures"), json({heads == Heads::kScore ? "LlamaForSequenceClassification"
                                                                  : "LlamaForCausalLM"}));
    EXPECT_EQ(j.contains("id2label"), heads == Heads::kScore);
  }
}

TEST_F(HfConfigTest, FillsInLlamaConfigsDefaults) {
  const ModelConfig config = read_text(R"({"model_type": "llama"})").model;
  EXPECT_EQ(config.vocab_size, 32000);
  EXPECT_EQ(config.hidden_size, 4096);
  EXPECT_EQ(config.intermediate_size, 11008);
  EXPECT_EQ(config.num_hidden_layers, 32);
  EXPECT_EQ(config.num_attention_heads, 32);
  EXPECT_EQ(config.num_key_value_heads, 32);
  EXPECT_EQ(config.head_dim, 128);
  EXPECT_EQ(config.max_position_embeddings, 2048);
  EXPECT_EQ(config.rms_norm_eps, 1e-6);
  EXPECT_EQ(config.rope_theta, 10000);
  EXPECT_FALSE(config.tie_word_embeddings);
}

TEST_F(HfConfigTest, DerivesHeadsThatAreAbsentOrNull) {
  json config = with("num_key_value_heads", nullptr);
  config["head_dim"] = nullptr;
  EXPECT_EQ(read(config).model.num_key_value_heads, 4);
  EXPECT_EQ(read(config).model.head_dim, 8);
}

TEST_F(HfConfigTest, ReadsBothSpellingsOfRope) {
  json v5 = with("rope_parameters", {{"rope_type", "default"}, {"rope_theta", 500.5}});
  v5.erase("rope_theta");
  v5.erase("rope_scaling");
  EXPECT_EQ(read(v5).model.rope_theta, 500.5);
  v5["rope_theta"] = 500.5;
  EXPECT_EQ(read(v5).model.rope_theta, 500.5);
  v5["rope_theta"] = 10000;
  EXPECT_ERROR(read(v5),
               "'rope_theta' is 10000 and 'rope_parameters' says 500.5: expected the same");
  EXPECT_EQ(read(with("rope_scaling", {{"type", "default"}})).model.rope_theta, 10000);
}

TEST_F(HfConfigTest, ReadsLinearAndLlama3RopeScalingInBothSpellings) {
  const json linear = {{"factor", 4.0}}, llama3 = {{"factor", 8},
                                                   {"low_freq_factor", 1},
                                                   {"high_freq_factor", 4},
                                                   {"original_max_position_embeddings", 4096}};
  const RopeScaling four{.type = "linear", .factor = 4},
      eight{.type = "llama3", .factor = 8, .original_context = 4096};
  const auto named = [](json scaling, const char* key, const char* type) {
    scaling[key] = type;
    return scaling;
  };
  for (const char* where : {"rope_scaling", "rope_parameters"})
    for (const char* key : {"rope_type", "type"}) {
      EXPECT_EQ(read(with(where, named(linear, key, "linear"))).model.rope_scaling, four);
      EXPECT_EQ(read(with(where, named(llama3, key, "llama3"))).model.rope_scaling, eight);
    }
  json both = with("rope_scaling", named(linear, "type", "linear"));
  both["rope_parameters"] = named(linear, "rope_type", "linear");
  EXPECT_EQ(read(both).model.rope_scaling, four);
  both["rope_parameters"]["factor"] = 5;
  EXPECT_ERROR(read(both), "'rope_scaling' and 'rope_parameters' differ");
  EXPECT_ERROR(read(with("rope_scaling", {{"type", "linear"}, {"rope_type", "llama3"}})),
               "'rope_type' is 'llama3' and 'type' is 'linear': expected the same");
  EXPECT_ERROR(read(with("rope_scaling", {{"type", "linear"}})), "'factor'");
  EXPECT_ERROR(read(with("rope_scaling", {{"type", "linear"}, {"factor", 0.5}})),
               "factor: expected a number of at least 1, got 0.5");
  EXPECT_ERROR(read(with("rope_scaling", named(linear, "rope_type", "llama3"))),
               "'low_freq_factor'");
}

TEST_F(HfConfigTest, WritesRopeScalingSoThatItIsReadBack) {
  ModelConfig config = minillm_testing::toy_config();
  for (const RopeScaling& scaling :
       {RopeScaling{.type = "linear", .factor = 2.5},
        RopeScaling{.type = "llama3", .factor = 8, .original_context = 4096}}) {
    config.rope_scaling = scaling;
    EXPECT_EQ(read_text(hf_config_json(config, nullptr)).model.rope_scaling, scaling);
  }
  // llama.cpp's converter takes it from the top level.
  EXPECT_EQ(json::parse(hf_config_json(config, nullptr))["original_max_position_embeddings"], 4096);
}

TEST_F(HfConfigTest, ReadsOneManyOrNoEndTokens) {
  EXPECT_THAT(read(with("eos_token_id", 5)).eos_token_ids, ElementsAre(5));
  EXPECT_THAT(read(with("eos_token_id", {5, 7})).eos_token_ids, ElementsAre(5, 7));
  EXPECT_THAT(read(with("eos_token_id", nullptr)).eos_token_ids, IsEmpty());
  EXPECT_THAT(read(with("eos_token_id", -1)).eos_token_ids, IsEmpty());
  json absent = with("eos_token_id", 5);
  absent.erase("eos_token_id");
  EXPECT_THAT(read(absent).eos_token_ids, ElementsAre(2));
  EXPECT_THAT(read(with("eos_token_id", {300, 5})).eos_token_ids, ElementsAre(5))
      << "one outside the vocabulary, left over from somewhere, is never sampled";
  EXPECT_ERROR(read(with("eos_token_id", "</s>")), "'eos_token_id': expected token ids");
}

TEST_F(HfConfigTest, RefusesOtherArchitecturesByName) {
  EXPECT_ERROR(read(with("model_type", "gpt2")),
               "'model_type': expected one of 'granite', 'smollm3', 'qwen3', 'qwen2', 'llama', "
               "'mistral', got \"gpt2\"");
  EXPECT_ERROR(read_text("{}"), "'model_type': expected one of");
  EXPECT_ERROR(read(with("embedding_multiplier", 12)),
               "'embedding_multiplier': expected none, got 12");
  EXPECT_ERROR(read(with("no_rope_layers", {1, 0})), "'no_rope_layers': expected none, got [1,0]");
  EXPECT_ERROR(read(with("use_sliding_window", true)),
               "'use_sliding_window': expected false, got true");
  EXPECT_ERROR(read(with("layer_types", {"full_attention", "sliding_attention"})),
               "'layer_types': expected \"full_attention\" of all layers");
  EXPECT_ERROR(read(with("hidden_act", "gelu")), "'hidden_act': expected \"silu\", got \"gelu\"");
  EXPECT_ERROR(read(with("attention_bias", true)), "'attention_bias': expected false, got true");
  EXPECT_ERROR(read(with("mlp_bias", true)), "'mlp_bias': expected false, got true");
  EXPECT_ERROR(read(with("pretraining_tp", 2)), "'pretraining_tp': expected 1, got 2");
  EXPECT_ERROR(read(with("quantization_config", json::object())),
               "'quantization_config': expected none, got {}");
  for (const char* type : {"dynamic", "yarn", "longrope"}) {
    const std::string expected = "RoPE scaling '" + std::string(type) + "' is not supported";
    EXPECT_ERROR(read(with("rope_scaling", {{"rope_type", type}, {"factor", 8}})), expected);
    EXPECT_ERROR(read(with("rope_scaling", {{"type", type}, {"factor", 8}})), expected);
    EXPECT_ERROR(read(with("rope_parameters", {{"rope_type", type}})), expected);
  }
  EXPECT_ERROR(read(with("rope_parameters", {{"partial_rotary_factor", 0.5}})),
               "expected 1, got 0.5");
}

// What Hugging Face's directories of each family say, beside a Llama's keys.
TEST_F(HfConfigTest, ReadsAndWritesEveryFamily) {
  for (const ModelFamily& family : model_families()) {
    const ModelConfig config = minillm_testing::as_family(toy_config(), family.name);
    const json j = json::parse(hf_config_json(config, &toy_tokenizer()));
    EXPECT_EQ(j.at("model_type"), family.name);
    EXPECT_EQ(j.at("architectures"), json({family.class_name + std::string("ForCausalLM")}));
    EXPECT_EQ(read(j).model, config) << family.name;
  }
  json qwen3 = with("model_type", "qwen3");
  qwen3.erase("head_dim");
  EXPECT_EQ(read(qwen3).model.head_dim, 128) << "Qwen3Config's own default";
  json granite = with("model_type", "granite");
  EXPECT_EQ(read(granite).model.extras.attention_multiplier, 1) << "GraniteConfig's own default";
  granite["logits_scaling"] = 0;
  EXPECT_ERROR(read(granite), "logits_scaling: expected a number over 0, got 0");
}

TEST_F(HfConfigTest, ReadsWhichLayersOfSmolLm3DoNotTurn) {
  json smollm3 = with("model_type", "smollm3");
  smollm3["num_hidden_layers"] = 5;
  EXPECT_EQ(read(smollm3).model.extras.no_rope_interval, 4) << "SmolLM3Config's own default";
  smollm3["no_rope_layers"] = {1, 1, 1, 0, 1};
  EXPECT_EQ(read(smollm3).model.extras.no_rope_interval, 4);
  smollm3["no_rope_layers"] = {1, 1, 1, 1, 1};
  EXPECT_EQ(read(smollm3).model.extras.no_rope_interval, 0);
  smollm3["no_rope_layers"] = {1, 0, 1, 0, 1};
  EXPECT_ERROR(read(smollm3), "'no_rope_layers': expected 0 for every 4th of 5 layers");
  smollm3["no_rope_layer_interval"] = 2;
  const ModelConfig config = read(smollm3).model;
  EXPECT_TRUE(config.has_rope(0));
  EXPECT_FALSE(config.has_rope(1));
}

TEST_F(HfConfigTest, KeepsWithinMistralsWindow) {
  json mistral = with("model_type", "mistral");
  mistral["sliding_window"] = 32;
  EXPECT_EQ(read(mistral).model.max_position_embeddings, 32);
  mistral["sliding_window"] = nullptr;
  EXPECT_EQ(read(mistral).model.max_position_embeddings, 64);
}

TEST_F(HfConfigTest, RefusesWrongTypesAndSizes) {
  EXPECT_ERROR(read(with("hidden_size", "32")),
               "config.json': 'hidden_size': expected an integer, got \"32\"");
  EXPECT_ERROR(read(with("hidden_size", 32.5)), "'hidden_size': expected an integer, got 32.5");
  EXPECT_ERROR(read(with("hidden_size", uint64_t{1} << 63)), "'hidden_size': expected an integer");
  EXPECT_ERROR(read(with("tie_word_embeddings", 1)),
               "'tie_word_embeddings': expected true or false, got 1");
  EXPECT_ERROR(read(with("rope_theta", "1e4")), "'rope_theta': expected a number, got \"1e4\"");
  EXPECT_ERROR(read(with("num_attention_heads", 0)),
               "'num_attention_heads': expected at least 1, got 0");
  EXPECT_ERROR(read(with("num_key_value_heads", 3)), "num_key_value_heads");
  EXPECT_ERROR(read(with("head_dim", 7)), "head_dim");
  EXPECT_ERROR(read(with("vocab_size", int64_t{1} << 62)), "vocab_size");
  EXPECT_ERROR(read(with("num_hidden_layers", -1)), "num_hidden_layers");
}

TEST_F(HfConfigTest, RefusesBrokenJsonButNotPythonsNan) {
  EXPECT_ERROR(read_text(""), "config.json': not valid JSON");
  EXPECT_ERROR(read_text("[]"), "expected a JSON object, got []");
  EXPECT_ERROR(read_text(R"({"model_type": "llama", "model_type": "llama"})"),
               "\"model_type\" occurs twice");
  EXPECT_ERROR(read_text(std::string(100, '[') + std::string(100, ']')),
               "nested deeper than 64 levels");
  EXPECT_ERROR(read_text(R"({"rope_theta": 1e999})"), "a number is out of range");
  EXPECT_NO_THROW(
      read_text(R"({"model_type": "llama", "x": [NaN, -Infinity, "a \" NaN"], "y": Infinity})"));
}

}  // namespace
}  // namespace minillm
