// Adapters as checkpoints: PEFT's directory, ours and others', and the base that belongs to it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/checkpoint/peft_files.h"
#include "libminillm/core/file.h"
#include "libminillm/nn/adapter_composition.h"
#include "tests/checkpoint/sample_checkpoint.h"
#include "tests/testing/compare.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/tiny_model.h"

namespace minillm {
namespace {

using minillm_testing::expect_same_bits;
using minillm_testing::random_adapter;
using minillm_testing::random_batch;
using minillm_testing::run_forward;
using minillm_testing::sample_state;
using minillm_testing::SampleCheckpoint;
using minillm_testing::TempDir;
using minillm_testing::toy_tokenizer;
using nlohmann::json;
using testing::Contains;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

class AdapterCheckpoint : public testing::Test {
 protected:
  AdapterCheckpoint() { write_checkpoint(base_, sample_.contents()); }

  // A model on the base with an adapter.
  Model adapted(uint64_t seed = 1, unsigned targets = 127) const {
    const Checkpoint base = Checkpoint::open(base_);
    Model model = base.load_model();
    const auto adapter = random_adapter(model.config(), seed, targets);
    adapter->base_path = base.path(), adapter->base_hash = base.weights_hash();
    model.adapt(adapter);
    return model;
  }
  // Saves its adapter.
  std::string saved(const Model& model, const std::string& name = "adapter") const {
    std::vector<Real> moments(model.adapter()->parameters().size(), Real{0.5});
    const std::string path = dir_.file(name);
    write_checkpoint(path, {&model, &toy_tokenizer(), minillm::moments_in_memory(moments, moments),
                            sample_state(3)});
    return path;
  }
  std::vector<Real> log_probs(const Model& model) const {
    return run_forward(model, random_batch({9, 4}, model.config().vocab_size)).logp;
  }

  TempDir dir_;
  const std::string base_ = dir_.file("base");
  const SampleCheckpoint sample_;
};

TEST_F(AdapterCheckpoint, GivesBackTheAdapterOnItsBase) {
  const Model model = adapted();
  const Checkpoint checkpoint = Checkpoint::open(saved(model));
  ASSERT_NE(checkpoint.base(), nullptr);
  EXPECT_EQ(checkpoint.base()->weights_hash(), model.adapter()->base_hash);
  EXPECT_NE(checkpoint.weights_hash(), checkpoint.base()->weights_hash());
  TrainerState state = sample_state(3);
  state.base_path = "../base";
  EXPECT_EQ(checkpoint.state(), state);
  EXPECT_EQ(checkpoint.tokenizer().bytes(), toy_tokenizer().bytes());
  const Model again = checkpoint.load_model();
  ASSERT_NE(again.adapter(), nullptr);
  EXPECT_EQ(again.adapter()->shape(), model.adapter()->shape());
  expect_same_bits(again.adapter()->parameters(), model.adapter()->parameters(), "adapter");
  expect_same_bits(log_probs(again), log_probs(model), "log-probabilities");
  std::vector<Real> first(model.adapter()->parameters().size()), second = first;
  checkpoint.load_moments(model.adapter()->tensors(), first, second);
  EXPECT_THAT(first, testing::Each(Real{0.5}));
}

TEST_F(AdapterCheckpoint, OfEveryKindAndHeadIsTheSame) {
  for (const auto kind : minillm_testing::kAdapterKinds) {
    for (const Heads heads : {Heads::kLanguageModel, Heads::kScore, Heads::kBoth}) {
      Model model = with_heads(Checkpoint::open(base_).load_model(), heads);
      const auto adapter = random_adapter(kind, model.config());
      adapter->base_path = base_, adapter->base_hash = Checkpoint::open(base_).weights_hash();
      model.adapt(adapter);
      const std::string path =
          saved(model, minillm_testing::name_of(kind) + std::to_string(static_cast<int>(heads)));
      const Checkpoint checkpoint = Checkpoint::open(path);
      Model again = checkpoint.load_model();
      EXPECT_EQ(again.config(), model.config());
      EXPECT_EQ(again.adapter()->shape(), adapter->shape());
      expect_same_bits(again.adapter()->parameters(), adapter->parameters(), path);
      std::ranges::fill(again.adapter()->parameters(), Real{0});
      checkpoint.load_parameters(again);
      expect_same_bits(again.adapter()->parameters(), adapter->parameters(), path);
      again.adapt(std::make_shared<Adapter>(model.config(), AdapterShape{.virtual_tokens = 1}));
      EXPECT_ERROR(checkpoint.load_parameters(again), "does not describe this adapter");
    }
  }
}

TEST_F(AdapterCheckpoint, HoldsPeftsFilesAndNoneOfTheBase) {
  const std::string path = saved(adapted());
  EXPECT_THAT(
      list_directory(path),
      UnorderedElementsAre("MANIFEST.json", "adapter_config.json", "adapter_model.safetensors",
                           "chat_template.jinja", "generation_config.json", "optimizer.safetensors",
                           "special_tokens_map.json", "tokenizer.model", "tokenizer_config.json",
                           "trainer_state.json"));
  const SafetensorsFile file(join_path(path, "adapter_model.safetensors"));
  for (const SafetensorsTensor& tensor : file.tensors())
    EXPECT_THAT(tensor.name, testing::StartsWith("base_model.model."));
  EXPECT_NE(file.find("base_model.model.model.layers.1.mlp.down_proj.lora_B.weight"), nullptr);
}

TEST_F(AdapterCheckpoint, OfAnUntiedModelAndOfARewardModelIsTheSame) {
  for (const bool tied : {true, false}) {
    const SampleCheckpoint sample(3, tied);
    const std::string base = dir_.file(tied ? "tied" : "untied");
    write_checkpoint(base, sample.contents());
    for (const Heads heads : {Heads::kLanguageModel, Heads::kScore, Heads::kBoth}) {
      Model model = with_heads(Checkpoint::open(base).load_model(), heads);
      const auto adapter = random_adapter(model.config());
      adapter->base_path = base;
      model.adapt(adapter);
      const std::string path =
          saved(model, std::string(tied ? "a" : "b") + std::to_string(static_cast<int>(heads)));
      const Model again = Checkpoint::open(path).load_model();
      EXPECT_EQ(again.config(), model.config());
      expect_same_bits(again.adapter()->parameters(), adapter->parameters(), path);
    }
  }
}

TEST_F(AdapterCheckpoint, IsFoundWithItsBaseInATreeThatWasMoved) {
  const Model model = adapted();
  saved(model);
  const std::string moved = dir_.file("moved");
  std::filesystem::create_directory(moved);
  for (const char* name : {"base", "adapter"})
    std::filesystem::rename(dir_.file(name), join_path(moved, name));
  expect_same_bits(log_probs(Checkpoint::open(join_path(moved, "adapter")).load_model()),
                   log_probs(model), "log-probabilities");
  std::filesystem::remove_all(join_path(moved, "base"));
  EXPECT_ERROR(Checkpoint::open(join_path(moved, "adapter")),
               "its base '" + base_ + "' is not here");
}

TEST_F(AdapterCheckpoint, RefusesAnotherBaseOfTheSameShape) {
  const std::string path = saved(adapted()), other = dir_.file("other");
  write_checkpoint(other, SampleCheckpoint(9).contents());
  const Checkpoint::AdapterArgument argument[] = {{path, 1}};
  const Checkpoint base = Checkpoint::open(other);
  EXPECT_ERROR(base.with_adapters(argument), "was trained on another base: expected weights " +
                                                 Checkpoint::open(base_).weights_hash());
  EXPECT_NE(base.with_adapters(argument, true).load_model().adapter(), nullptr);
  // Its own base, replaced by another model since.
  std::filesystem::remove_all(base_);
  std::filesystem::rename(other, base_);
  EXPECT_ERROR(Checkpoint::open(path), "was trained on another base");
}

TEST_F(AdapterCheckpoint, OfSeveralIsTheirSum) {
  const Model one = adapted(1), two = adapted(2, 0b11u);
  const Checkpoint::AdapterArgument both[] = {{saved(one, "one"), 0.5}, {saved(two, "two"), 2}};
  const Checkpoint sum = Checkpoint::open(base_).with_adapters(both);
  const Model model = sum.load_model();
  EXPECT_EQ(model.adapter()->shape().updates.size(),
            one.adapter()->shape().updates.size() + two.adapter()->shape().updates.size());
  const Checkpoint::AdapterArgument swapped[] = {{both[0].path, 2}, {both[1].path, 0.5}};
  EXPECT_NE(Checkpoint::open(base_).with_adapters(swapped).weights_hash(), sum.weights_hash());
  // Onto an adapter that is opened by itself.
  const Checkpoint::AdapterArgument second[] = {both[1]};
  const Model on = Checkpoint::open(both[0].path).with_adapters(second).load_model();
  EXPECT_EQ(on.adapter()->shape().updates.size(), model.adapter()->shape().updates.size());
}

TEST_F(AdapterCheckpoint, SaysRanksAndScalesThatDifferAsPeftsPatterns) {
  Model model = adapted();
  AdapterShape shape;
  shape.rslora = true;
  shape.updates = {{0, Module::kQ, 4, 2.0}, {0, Module::kV, 4, 2.0}, {1, Module::kQ, 9, 2.0}};
  model.adapt(std::make_shared<Adapter>(model.config(), shape));
  const json config = json::parse(peft_config_json(*model.adapter(), model.config()));
  EXPECT_EQ(config["r"], 4);
  EXPECT_EQ(config["lora_alpha"], 4);  // 2 sqrt(4)
  EXPECT_EQ(config["use_rslora"], true);
  EXPECT_EQ(config["rank_pattern"], json({{"model.layers.1.self_attn.q_proj", 9}}));
  EXPECT_EQ(config["alpha_pattern"], json({{"model.layers.1.self_attn.q_proj", 6}}));
  EXPECT_EQ(config["target_modules"],
            json({"model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.v_proj",
                  "model.layers.1.self_attn.q_proj"}));
  model.adapter()->base_path = base_;
  const Model again = Checkpoint::open(saved(model)).load_model();
  EXPECT_EQ(again.adapter()->shape(), shape);
}

// --- directories of others, written here by hand

class PeftDirectory : public AdapterCheckpoint {
 protected:
  PeftDirectory() : model_(Checkpoint::open(base_).load_model()) {
    const Index C = model_.config().hidden_size;
    const Index q = model_.config().num_attention_heads * model_.config().head_dim;
    for (Index layer = 0; layer < model_.config().num_hidden_layers; ++layer) {
      const std::string name =
          "base_model.model.model.layers." + std::to_string(layer) + ".self_attn.q_proj.lora_";
      add(name + "A.weight", {2, C});
      add(name + "B.weight", {q, 2});
    }
  }
  void add(const std::string& name, std::vector<Index> shape) {
    std::vector<Real> values;
    for (Index i = 0; i < shape[0] * shape[1]; ++i)
      values.push_back(static_cast<Real>(i % 7) - 3 + static_cast<Real>(tensors_.size()));
    tensors_[name] = {shape, values};
  }
  // A foreign directory: no manifest, no state.
  std::string written() const {
    std::vector<NamedTensor> named;
    for (const auto& [name, tensor] : tensors_)
      named.push_back({name, tensor.first, tensor.second});
    std::string bytes;
    const SafetensorsImage image(named, {{"format", "pt"}});
    for (const std::string_view piece : image.pieces()) bytes += piece;
    std::filesystem::create_directories(dir_.file("peft"));
    dir_.write("peft/adapter_model.safetensors", bytes);
    dir_.write("peft/adapter_config.json", config_.dump());
    return dir_.file("peft");
  }
  Adapter read() const {
    const std::string path = written();
    return read_peft_adapter(path, read_peft_config(join_path(path, kPeftConfigName)),
                             model_.config());
  }

  const Model model_;
  json config_ = {
      {"peft_type", "LORA"}, {"task_type", "CAUSAL_LM"},     {"r", 2},
      {"lora_alpha", 16},    {"lora_dropout", 0.05},         {"base_model_name_or_path", base_},
      {"bias", "none"},      {"target_modules", {"q_proj"}}, {"inference_mode", true},
      {"a_new_key", 7}};
  std::map<std::string, std::pair<std::vector<Index>, std::vector<Real>>> tensors_;
};

TEST_F(PeftDirectory, IsReadWithItsFactorsWhereTheyBelong) {
  const Adapter adapter = read();
  EXPECT_EQ(adapter.shape().updates[0].scale, 8);
  const LowRank& update = adapter.updates()[Adapter::kUpdates];  // layer 1's qkv
  const auto& [shape, values] =
      tensors_.at("base_model.model.model.layers.1.self_attn.q_proj.lora_B.weight");
  EXPECT_EQ(update.parts.at(0).bt(1, 3), values[3 * 2 + 1]);
  EXPECT_EQ(update.a(1, 2),
            tensors_.at("base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight")
                .second[static_cast<size_t>(model_.config().hidden_size) + 2]);
  const Checkpoint checkpoint = Checkpoint::open(written());
  EXPECT_THAT(checkpoint.warnings(), Contains(HasSubstr("does not say what its base was")));
  EXPECT_NE(checkpoint.load_model().adapter(), nullptr);
}

TEST_F(PeftDirectory, HasTheScaleThatItsConfigMeans) {
  const auto scale = [&] { return read().shape().updates.back().scale; };
  config_["use_rslora"] = true;
  EXPECT_DOUBLE_EQ(scale(), 16 / std::sqrt(2.0));
  config_["use_rslora"] = false;
  config_["alpha_pattern"] = {{"layers.1.self_attn.q_proj", 5}};
  EXPECT_DOUBLE_EQ(scale(), 2.5);
  config_["alpha_pattern"] = {{"q_proj", 3}};
  EXPECT_DOUBLE_EQ(scale(), 1.5);
  config_["alpha_pattern"] = {{"_proj", 3}};  // no whole word
  EXPECT_DOUBLE_EQ(scale(), 8);
  config_["alpha_pattern"] = {{".*q_proj", 3}};
  EXPECT_ERROR(read(), "'alpha_pattern': '.*q_proj' is an expression: expected names");
}

TEST_F(PeftDirectory, TakesTargetsAsAListAnExpressionOrAll) {
  for (const json& targets : {json("all-linear"), json(".*q_proj"), json({"self_attn.q_proj"})}) {
    config_["target_modules"] = targets;
    EXPECT_EQ(read().shape().updates.size(), 2u) << targets;
  }
}

TEST_F(PeftDirectory, NamesWhatItLacksOrHasTooMuch) {
  config_["target_modules"] = {"q_proj", "vproj"};
  EXPECT_ERROR(read(),
               "no tensor is of 'vproj', which target_modules names (a model has q_proj, "
               "k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj)");
  config_["target_modules"] = {"q_proj", "lm_head"};
  EXPECT_ERROR(read(), "'lm_head': expected matrices of the blocks");
  config_["target_modules"] = {"v_proj"};
  EXPECT_ERROR(read(), "q_proj.lora_A.weight' is of no module in target_modules");
  config_["target_modules"] = {"q_proj"};
  config_["r"] = 3;
  EXPECT_ERROR(read(), "q_proj.lora_A.weight': expected 3 rows, as adapter_config.json has it");
  config_["r"] = 2;
  const auto whole = tensors_;
  const std::string name = "base_model.model.model.layers.1.self_attn.q_proj.lora_B.weight";
  tensors_.erase(name);
  EXPECT_ERROR(read(), "tensor 'model.layers.1.self_attn.q_proj.lora_B.weight' is missing");
  tensors_ = whole;
  tensors_[name].first = {4, static_cast<Index>(tensors_[name].second.size()) / 4};
  EXPECT_ERROR(read(), "lora_B.weight': expected shape");
  tensors_ = whole;
  for (const char* more : {"model.layers.7.self_attn.q_proj.lora_A.weight",
                           "model.layers.0.self_attn.x_proj.lora_A.weight", "lm_head.weight",
                           "model.layers.0.self_attn.q_proj.lora_C.weight"}) {
    tensors_ = whole;
    add(std::string("base_model.model.") + more, {2, 4});
    EXPECT_ERROR(read(), std::string("tensor '") + more + "' belongs to no matrix of this model");
  }
  tensors_ = whole;
  add("base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector", {1, 4});
  EXPECT_ERROR(read(), "is DoRA's: expected plain LoRA");
  tensors_.clear();
  config_.erase("target_modules");
  add("base_model.model.score.weight", {1, model_.config().hidden_size});
  EXPECT_ERROR(read(), "holds no updates");
}

TEST_F(PeftDirectory, RefusesByNameWhatIsNoPlainLora) {
  const json plain = config_;
  for (const auto& [key, value, what] : std::vector<std::tuple<const char*, json, const char*>>{
           {"peft_type", "IA3", "got \"IA3\""},
           {"use_dora", true, "'use_dora': got true: expected none"},
           {"bias", "all", "'bias': got \"all\": expected \"none\""},
           {"lora_bias", true, "'lora_bias'"},
           {"modules_to_save", {"embed_tokens"}, "'modules_to_save': got [\"embed_tokens\"]"},
           {"layer_replication", {{0, 1}}, "'layer_replication'"},
           {"init_lora_weights", "pissa_niter_4", "it changes the base"},
           {"task_type", "SEQ_2_SEQ_LM", "'task_type': expected \"CAUSAL_LM\" or \"SEQ_CLS\""},
           {"r", 0, "'r': expected"},
           {"lora_alpha", "8", "'lora_alpha': expected"},
           {"rank_pattern", {{"q_proj", 2.5}}, "'q_proj': expected a number, got 2.5"},
           {"trainable_token_indices", {3, 3}, "expected ids in ascending order"},
           {"trainable_token_indices",
            {{"embed_tokens", {1}}, {"lm_head", {2}}},
            "expected one list"},
           {"trainable_token_indices", {100000}, "trains the row of token 100000"}}) {
    config_ = plain;
    config_[key] = value;
    EXPECT_ERROR(read(), what);
  }
  config_ = plain;
  config_["fan_in_fan_out"] = false;
  config_["layers_to_transform"] = nullptr;
  config_["modules_to_save"] = json::array();
  config_["init_lora_weights"] = "gaussian";
  EXPECT_EQ(read().shape().updates.size(), 2u);
}

TEST_F(PeftDirectory, ThatIsNoAdapterIsSaidToBeNone) {
  const Checkpoint::AdapterArgument argument[] = {{base_, 1}};
  EXPECT_ERROR(Checkpoint::open(base_).with_adapters(argument),
               "holds no adapter: expected adapter_config.json");
  const Checkpoint::AdapterArgument nothing[] = {{dir_.file("nowhere"), 1}};
  EXPECT_ERROR(Checkpoint::open(base_).with_adapters(nothing), "no such directory");
  const Checkpoint::AdapterArgument nan[] = {{written(), NAN}};
  EXPECT_ERROR(Checkpoint::open(base_).with_adapters(nan), "expected a finite weight");
}

// --- virtual tokens, as PEFT writes them: one tensor that has nothing in front of its name

class PeftVirtualTokens : public PeftDirectory {
 protected:
  PeftVirtualTokens() {
    tensors_.clear();
    config_ = {{"peft_type", "PREFIX_TUNING"},
               {"task_type", "CAUSAL_LM"},
               {"base_model_name_or_path", base_},
               {"num_virtual_tokens", 3},
               {"token_dim", kv_},
               {"num_attention_heads", model_.config().num_key_value_heads},
               {"num_layers", layers_},
               {"num_transformer_submodules", 1},
               {"encoder_hidden_size", kv_},
               {"prefix_projection", false},
               {"inference_mode", true}};
    add("prompt_embeddings", {3, layers_ * 2 * kv_});
  }
  const Index layers_ = model_.config().num_hidden_layers;
  const Index kv_ = model_.config().num_key_value_heads * model_.config().head_dim;
};

// Column (2l + {0: key, 1: value}) * K*D + head * D + d; heads are those of keys and values, not of
// queries.
TEST_F(PeftVirtualTokens, OfAPrefixAreKeysAndValuesByLayer) {
  const Adapter adapter = read();
  EXPECT_EQ(adapter.virtual_tokens(), 3);
  EXPECT_TRUE(adapter.shape().prefix);
  const std::vector<Real>& file = tensors_["prompt_embeddings"].second;
  ASSERT_EQ(std::ssize(adapter.prefixes()), layers_);
  for (Index l = 0; l < layers_; ++l)
    for (Index i = 0; i < 3; ++i)
      for (Index c = 0; c < kv_; ++c) {
        const auto at = [&](Index part) {
          return file[static_cast<size_t>((i * layers_ + l) * 2 * kv_ + part * kv_ + c)];
        };
        EXPECT_EQ(adapter.prefixes()[static_cast<size_t>(l)].keys(i, c), at(0));
        EXPECT_EQ(adapter.prefixes()[static_cast<size_t>(l)].values(i, c), at(1));
      }
}

TEST_F(PeftVirtualTokens, OfAPromptAreEmbeddings) {
  const Index C = model_.config().hidden_size;
  config_ = {{"peft_type", "PROMPT_TUNING"}, {"base_model_name_or_path", base_},
             {"num_virtual_tokens", 3},      {"token_dim", C},
             {"prompt_tuning_init", "TEXT"}, {"prompt_tuning_init_text", "Answer:"}};
  tensors_.clear();
  add("prompt_embeddings", {3, C});
  const Adapter adapter = read();
  EXPECT_FALSE(adapter.shape().prefix);
  EXPECT_TRUE(std::ranges::equal(adapter.parameters(), tensors_["prompt_embeddings"].second));
}

TEST_F(PeftVirtualTokens, SayWhatDoesNotFit) {
  config_["num_virtual_tokens"] = 4;
  EXPECT_ERROR(read(),
               "tensor 'prompt_embeddings': expected 4 rows, as adapter_config.json has it");
  config_["num_virtual_tokens"] = 0;
  EXPECT_ERROR(read(), "'num_virtual_tokens': expected 1 to");
  config_["num_virtual_tokens"] = 3;
  config_["peft_type"] = "PROMPT_TUNING";
  EXPECT_ERROR(read(), "tensor 'prompt_embeddings': expected shape [3, ");
  config_["peft_type"] = "P_TUNING";
  EXPECT_ERROR(read(),
               "'peft_type': expected one of LORA, PROMPT_TUNING, PREFIX_TUNING, "
               "PARALLEL_ADAPTER, got \"P_TUNING\"");
  config_["peft_type"] = "PREFIX_TUNING";
  add("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", {2, 2});
  EXPECT_ERROR(read(), "belongs to no matrix of this model");
  tensors_.clear();
  add("base_model.score.weight", {1, model_.config().hidden_size});
  EXPECT_ERROR(read(), "tensor 'prompt_embeddings' is missing");
}

TEST_F(PeftVirtualTokens, AreWrittenAsPeftReadsThem) {
  const auto prefix = random_adapter(minillm_testing::AdapterKind::kPrefix, model_.config());
  const json config = json::parse(peft_config_json(*prefix, model_.config()));
  EXPECT_EQ(config["peft_type"], "PREFIX_TUNING");
  EXPECT_EQ(config["token_dim"], kv_);
  EXPECT_EQ(config["num_attention_heads"], model_.config().num_key_value_heads);
  EXPECT_EQ(config["num_layers"], layers_);
  EXPECT_EQ(config["num_virtual_tokens"], 3);
  EXPECT_EQ(PeftTensors(*prefix).tensors.front().name, "prompt_embeddings");
  const auto prompt = random_adapter(minillm_testing::AdapterKind::kPrompt, model_.config());
  EXPECT_EQ(json::parse(peft_config_json(*prompt, model_.config()))["token_dim"],
            model_.config().hidden_size);
}

TEST_F(AdapterCheckpoint, OfAMixtureOfKindsIsNotWritten) {
  Model model = adapted();
  const auto parallel = random_adapter(minillm_testing::AdapterKind::kParallel, model.config());
  const WeightedAdapter both[] = {{model.adapter(), 1}, {parallel.get(), 1}};
  const Adapter sum = composed(Checkpoint::open(base_).load_model(), both);
  EXPECT_ERROR(peft_config_json(sum, model.config()), "a sum of LoRA and parallel adapters");
}

}  // namespace
}  // namespace minillm
