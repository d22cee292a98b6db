// Checkpoints that other programs wrote: no manifest, other number formats, shards.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/checkpoint/hf_config.h"
#include "libminillm/checkpoint/safetensors.h"
#include "libminillm/core/file.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/test_data.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::TempDir;
using minillm_testing::toy_config;
using minillm_testing::toy_model;
using testing::IsEmpty;

class ForeignCheckpointTest : public testing::Test {
 protected:
  ForeignCheckpointTest() {
    for (const TensorInfo& t : model_.tensors().tensors()) {
      tensors_.push_back({t.name, t.shape, tensor_span(std::as_const(model_).parameters(), t)});
    }
    write_config(model_.config());
  }
  void write_config(const ModelConfig& config) {
    dir_.write("config.json", hf_config_json(config, nullptr));
  }
  void write_weights(const std::string& name, const std::vector<NamedTensor>& tensors) {
    write_file_atomic(dir_.file(name), SafetensorsImage(tensors, {{"format", "pt"}}).pieces());
  }
  // Tensors [0, middle) and [middle, end) in two shards, and an index that says so.
  nlohmann::json write_shards(size_t middle) {
    const auto split = tensors_.begin() + static_cast<ptrdiff_t>(middle);
    write_weights(kShards[0], {tensors_.begin(), split});
    write_weights(kShards[1], {split, tensors_.end()});
    nlohmann::json index = {{"metadata", {{"total_size", 1}}}};
    for (size_t i = 0; i < tensors_.size(); ++i)
      index["weight_map"][tensors_[i].name] = kShards[i < middle ? 0 : 1];
    write_index(index);
    return index;
  }
  void write_index(const nlohmann::json& index) {
    dir_.write("model.safetensors.index.json", index.dump());
  }
  Model load() const { return Checkpoint::open(dir_.path()).load_model(); }
  void expect_loads() const {
    const Model loaded = load();
    EXPECT_TRUE(std::ranges::equal(loaded.parameters(), model_.parameters()));
  }

  static constexpr const char* kShards[] = {"model-00001-of-00002.safetensors",
                                            "model-00002-of-00002.safetensors"};
  TempDir dir_;
  Model model_ = toy_model();
  std::vector<NamedTensor> tensors_;
};

TEST_F(ForeignCheckpointTest, NeedsNoManifestAndHasNoState) {
  write_weights("model.safetensors", tensors_);
  dir_.write("trainer_state.json", R"({"log_history": [{"loss": NaN}]})");  // Hugging Face's own
  const Checkpoint checkpoint = Checkpoint::open(dir_.path());
  EXPECT_THAT(checkpoint.warnings(), IsEmpty());
  EXPECT_FALSE(checkpoint.state().has_value());
  EXPECT_FALSE(checkpoint.has_moments());
  EXPECT_EQ(checkpoint.weights_hash(), sha256_file(dir_.file("model.safetensors")));
  expect_loads();
}

TEST_F(ForeignCheckpointTest, TakesTensorsInAnyOrderAndPassesOverRotaryConstants) {
  std::reverse(tensors_.begin(), tensors_.end());
  const std::vector<Real> inv_freq = {1, 0.1f};
  tensors_.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", {2}, inv_freq});
  write_weights("model.safetensors", tensors_);
  expect_loads();
}

TEST_F(ForeignCheckpointTest, NamesTensorsThatAreMissingLeftOverOrOfAnotherShape) {
  std::vector<NamedTensor> changed(tensors_.begin(), tensors_.end() - 1);
  write_weights("model.safetensors", changed);
  EXPECT_ERROR(load(), "tensor 'model.norm.weight' is missing: expected shape [32]");

  changed = tensors_;
  changed.push_back({"model.layers.0.self_attn.q_proj.bias", {32}, tensors_.back().values});
  write_weights("model.safetensors", changed);
  EXPECT_ERROR(load(), "tensor 'model.layers.0.self_attn.q_proj.bias' is not part of the model");

  changed = tensors_;
  std::swap(changed[0].shape[0], changed[0].shape[1]);
  write_weights("model.safetensors", changed);
  EXPECT_ERROR(load(),
               "tensor 'model.embed_tokens.weight': expected shape [300, 32], got [32, 300]");
}

TEST_F(ForeignCheckpointTest, TakesNoMemoryForWhatAConfigMerelyClaims) {
  write_weights("model.safetensors", tensors_);
  ModelConfig huge = toy_config();
  huge.vocab_size = 1 << 22;
  huge.hidden_size = 1 << 16;
  huge.num_attention_heads = 1 << 10, huge.num_key_value_heads = 2, huge.head_dim = 64;
  huge.num_hidden_layers = 1 << 10;
  write_config(huge);
  EXPECT_ERROR(
      load(), "tensor 'model.embed_tokens.weight': expected shape [4194304, 65536], got [300, 32]");
}

TEST_F(ForeignCheckpointTest, RefusesWeightsThatAreNotFinite) {
  model_.parameters()[40] = NAN;
  write_weights("model.safetensors", tensors_);
  EXPECT_ERROR(load(), "tensor 'model.embed_tokens.weight': element 40 is nan");
}

TEST_F(ForeignCheckpointTest, AcceptsATiedHeadOnlyIfItIsTheEmbedding) {
  tensors_.push_back({"lm_head.weight", tensors_[0].shape, tensors_[0].values});
  write_weights("model.safetensors", tensors_);
  expect_loads();

  std::vector<Real> other(tensors_[0].values.begin(), tensors_[0].values.end());
  other[7] += 1;
  tensors_.back().values = other;
  write_weights("model.safetensors", tensors_);
  EXPECT_ERROR(load(), "tie_word_embeddings is true, but lm_head.weight differs");

  ModelConfig untied = toy_config();
  untied.tie_word_embeddings = false;
  write_config(untied);
  const Model loaded = load();
  EXPECT_TRUE(std::ranges::equal(
      tensor_span(loaded.parameters(), *loaded.tensors().find("lm_head.weight")), other));
}

TEST_F(ForeignCheckpointTest, ReadsShards) {
  for (size_t middle : {size_t{1}, tensors_.size() / 2, tensors_.size() - 1}) {
    write_shards(middle);
    expect_loads();
  }
  const std::string hash = Checkpoint::open(dir_.path()).weights_hash();
  EXPECT_EQ(hash, sha256(std::string(kShards[0]) + " " + sha256_file(dir_.file(kShards[0])) + "\n" +
                         kShards[1] + " " + sha256_file(dir_.file(kShards[1])) + "\n"));
}

TEST_F(ForeignCheckpointTest, RefusesBrokenShardIndexes) {
  const nlohmann::json index = write_shards(5);
  const std::string norm = "model.norm.weight";
  const auto load_with = [&](const nlohmann::json& changed) {
    write_index(changed);
    load();
  };
  nlohmann::json changed = index;
  changed["weight_map"][norm] = kShards[0];
  EXPECT_ERROR(load_with(changed),
               "tensor 'model.norm.weight' is not in 'model-00001-of-00002.safetensors'");
  changed = index;
  changed["weight_map"].erase(norm);
  EXPECT_ERROR(load_with(changed), "tensor 'model.norm.weight' is not in the index");
  changed = index;
  changed["weight_map"]["extra"] = kShards[0];
  EXPECT_ERROR(load_with(changed), "tensor 'extra' is not in");
  for (const char* path :
       {"../model.safetensors", "/etc/passwd", "a/b.safetensors", "", "config.json"}) {
    changed = index;
    changed["weight_map"][norm] = path;
    EXPECT_ERROR(load_with(changed), "expected the name of a .safetensors file in this directory");
  }
  EXPECT_ERROR(load_with({{"weight_map", nlohmann::json::object()}}), "lists no tensors");
  EXPECT_ERROR(load_with({{"weight_map", 1}}), "'weight_map': expected a JSON object, got 1");
  changed = index;
  changed["weight_map"][norm] = "model-00003.safetensors";
  EXPECT_ERROR(load_with(changed),
               "model-00003.safetensors': cannot open: No such file or directory");

  write_weights(kShards[1], tensors_);
  EXPECT_ERROR(load_with(index), "is in '");
}

TEST_F(ForeignCheckpointTest, SaysWhatIsMissing) {
  EXPECT_ERROR(Checkpoint::open(dir_.path()),
               "has no weights: expected model.safetensors or model.safetensors.index");
  write_weights("model.safetensors", tensors_);
  dir_.write("tokenizer.json", "{}");
  EXPECT_ERROR(Checkpoint::open(dir_.path()).tokenizer(),
               "tokenizer.json': key 'model' is missing");
}

// IEEE binary16 of a number that is exact in it, and zero or normal. (Clang 14 has no _Float16.)
uint16_t float16_bits(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x), sign = bits >> 16 & 0x8000;
  if (x == 0) return static_cast<uint16_t>(sign);
  return static_cast<uint16_t>(sign | ((bits >> 13 & 0x3ffff) - ((127 - 15) << 10)));
}

TEST_F(ForeignCheckpointTest, ReadsHalfPrecision) {
  // The same numbers in BF16 and F16: eighths are exact in both.
  for (const char* dtype : {"BF16", "F16"}) {
    nlohmann::json header;
    std::string payload;
    for (const TensorInfo& t : model_.tensors().tensors()) {
      const size_t begin = payload.size();
      for (Real& x : tensor_span(model_.parameters(), t)) {
        x = std::round(x * 8) / 8;
        const auto half = dtype[0] == 'B'
                              ? static_cast<uint16_t>(std::bit_cast<uint32_t>(float(x)) >> 16)
                              : float16_bits(float(x));
        payload += static_cast<char>(half);
        payload += static_cast<char>(half >> 8);
      }
      header[t.name] = {
          {"dtype", dtype}, {"shape", t.shape}, {"data_offsets", {begin, payload.size()}}};
    }
    const std::string text = header.dump();
    std::string length;
    for (int i = 0; i < 8; ++i) length += static_cast<char>(text.size() >> (8 * i));
    dir_.write("model.safetensors", length + text + payload);
    expect_loads();
  }
}

TEST(ForeignCheckpoint, LoadsStories260K) {
  MINILLM_REQUIRE_TEST_DATA("weights/stories260K_hf/model.safetensors");
  const Checkpoint checkpoint =
      Checkpoint::open(minillm_testing::test_data_path("weights/stories260K_hf"));
  EXPECT_EQ(checkpoint.model_config().num_key_value_heads, 4);
  EXPECT_EQ(checkpoint.model_config().head_dim, 8);
  EXPECT_FALSE(checkpoint.has_tokenizer());
  const Model model = checkpoint.load_model();
  EXPECT_EQ(model.parameters().size(), 260032u);
  double square = 0;
  for (Real x : model.parameters()) square += double(x) * double(x);
  EXPECT_GT(square, 100);
  const std::span<const Real> norm =
      tensor_span(model.parameters(), *model.tensors().find("model.norm.weight"));
  EXPECT_TRUE(std::ranges::all_of(norm, [](Real x) { return 0 < x && x < 50; }));
}

}  // namespace
}  // namespace minillm
