#include "libminillm/checkpoint/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "libminillm/core/file.h"
#include "tests/checkpoint/sample_checkpoint.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/file_size_limit.h"
#include "tests/testing/temp_dir.h"

namespace minillm {
namespace {

using minillm_testing::sample_state;
using minillm_testing::SampleCheckpoint;
using minillm_testing::TempDir;
using minillm_testing::toy_tokenizer;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

bool same_bits(std::span<const Real> a, std::span<const Real> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

class CheckpointTest : public testing::Test {
 protected:
  std::string written() {
    if (!file_exists(path_)) write_checkpoint(path_, sample_.contents());
    return path_;
  }
  std::string file(const std::string& name) { return join_path(written(), name); }
  void overwrite(const std::string& name, const std::string& bytes) {
    dir_.write("checkpoint/" + name, bytes);
  }
  // Changes bits of one byte of a file, keeping its size.
  void flip(const std::string& name, size_t position, unsigned char mask = 1) {
    std::string bytes = read_file(file(name));
    bytes.at(position) = static_cast<char>(bytes.at(position) ^ mask);
    overwrite(name, bytes);
  }

  TempDir dir_;
  std::string path_ = dir_.file("checkpoint");
  SampleCheckpoint sample_;
};

TEST_F(CheckpointTest, GivesBackWeightsMomentsAndStateToTheBit) {
  for (bool tied : {true, false}) {
    const SampleCheckpoint sample(3, tied);
    const std::string path = dir_.file(tied ? "tied" : "untied");
    write_checkpoint(path, sample.contents(42));
    const Checkpoint checkpoint = Checkpoint::open(path);
    EXPECT_EQ(checkpoint.path(), path);
    EXPECT_THAT(checkpoint.warnings(), IsEmpty());
    EXPECT_EQ(checkpoint.model_config(), sample.model.config());
    EXPECT_TRUE(same_bits(checkpoint.load_model().parameters(), sample.model.parameters()));

    ASSERT_TRUE(checkpoint.has_moments());
    std::vector<Real> exp_avg(sample.exp_avg.size()), exp_avg_sq(sample.exp_avg.size());
    checkpoint.load_moments(sample.model.tensors(), exp_avg, exp_avg_sq);
    EXPECT_TRUE(same_bits(exp_avg, sample.exp_avg));
    EXPECT_TRUE(same_bits(exp_avg_sq, sample.exp_avg_sq));
    EXPECT_EQ(checkpoint.state(), sample_state(42));
    EXPECT_EQ(checkpoint.tokenizer().bytes(), toy_tokenizer().bytes());
  }
}

TEST_F(CheckpointTest, HoldsTheFilesOfAHuggingFaceDirectory) {
  EXPECT_THAT(list_directory(written()),
              UnorderedElementsAre(
                  "MANIFEST.json", "chat_template.jinja", "config.json", "generation_config.json",
                  "model.safetensors", "optimizer.safetensors", "special_tokens_map.json",
                  "tokenizer.model", "tokenizer_config.json", "trainer_state.json"));
}

TEST_F(CheckpointTest, CanBeWithoutTokenizerAndMoments) {
  CheckpointContents contents;
  contents.model = &sample_.model;
  write_checkpoint(path_, contents);
  EXPECT_THAT(list_directory(path_),
              UnorderedElementsAre("MANIFEST.json", "config.json", "model.safetensors",
                                   "trainer_state.json"));
  const Checkpoint checkpoint = Checkpoint::open(path_);
  EXPECT_FALSE(checkpoint.has_tokenizer());
  EXPECT_ERROR(checkpoint.tokenizer(), "has no tokenizer: expected tokenizer.model");
  EXPECT_FALSE(checkpoint.has_moments());
  std::vector<Real> m(sample_.exp_avg.size());
  EXPECT_ERROR(checkpoint.load_moments(sample_.model.tensors(), m, m), "has no optimizer state");
}

TEST_F(CheckpointTest, NamesEqualWeightsByEqualHashes) {
  const std::string hash = Checkpoint::open(written()).weights_hash();
  EXPECT_EQ(hash, sha256_file(file("model.safetensors")));
  write_checkpoint(dir_.file("later"), sample_.contents(8));
  EXPECT_EQ(Checkpoint::open(dir_.file("later")).weights_hash(), hash);
  write_checkpoint(dir_.file("other"), SampleCheckpoint(9).contents());
  EXPECT_NE(Checkpoint::open(dir_.file("other")).weights_hash(), hash);
}

TEST_F(CheckpointTest, NeverHoldsNumbersThatAreNotFinite) {
  const std::string name = "model.layers.1.mlp.up_proj.weight";
  tensor_span(sample_.model.parameters(), *sample_.model.tensors().find(name))[5] = NAN;
  EXPECT_ERROR(write_checkpoint(path_, sample_.contents()),
               "not written: tensor '" + name + "': element 5 is nan: expected finite numbers");
  sample_ = SampleCheckpoint();
  sample_.exp_avg_sq.back() = INFINITY;
  EXPECT_ERROR(write_checkpoint(path_, sample_.contents()),
               "tensor 'exp_avg_sq.model.norm.weight': element 31 is inf");
  EXPECT_THAT(list_directory(dir_.path()), IsEmpty());
}

TEST_F(CheckpointTest, LeavesNothingBehindOnAFullDisk) {
  const minillm_testing::FileSizeLimit limit(
      40000);  // config.json fits, model.safetensors does not
  EXPECT_ERROR(write_checkpoint(path_, sample_.contents()),
               "model.safetensors': cannot write: File too large");
  EXPECT_THAT(list_directory(dir_.path()), IsEmpty());
}

TEST_F(CheckpointTest, DoesNotReplaceADirectory) {
  EXPECT_ERROR(write_checkpoint(written(), sample_.contents()), "checkpoint': already exists");
  EXPECT_NO_THROW(Checkpoint::open(path_));
}

TEST_F(CheckpointTest, DetectsEveryKindOfDamage) {
  for (const std::string& name : list_directory(written())) {
    const std::string intact = read_file(file(name));
    const std::string what = name == "MANIFEST.json" ? "MANIFEST.json" : name + "': damaged";
    for (size_t position : {size_t{0}, intact.size() / 2, intact.size() - 2}) {
      flip(name, position);
      EXPECT_ERROR(Checkpoint::open(path_), name);
      overwrite(name, intact);
    }
    overwrite(name, intact.substr(0, intact.size() - 1));
    EXPECT_ERROR(Checkpoint::open(path_), what);
    overwrite(name, "");
    EXPECT_ERROR(Checkpoint::open(path_), what);
    overwrite(name, intact);
    EXPECT_NO_THROW(Checkpoint::open(path_));
    if (name == "MANIFEST.json") continue;
    remove_all(file(name));
    EXPECT_ERROR(Checkpoint::open(path_), name + "': missing, though the manifest lists it");
    overwrite(name, intact);
  }
}

TEST_F(CheckpointTest, DetectsAFlipOfAnyBitOfTheWeightsItSamples) {
  const size_t size = file_size(file("model.safetensors"));
  for (size_t position = 0; position < size; position += size / 97) {
    const auto mask = static_cast<unsigned char>(1 << position % 8);
    flip("model.safetensors", position, mask);
    EXPECT_ERROR(Checkpoint::open(path_), "model.safetensors': damaged: expected sha256 ");
    flip("model.safetensors", position, mask);
  }
  EXPECT_NO_THROW(Checkpoint::open(path_));
}

TEST_F(CheckpointTest, RefusesAManifestItDoesNotUnderstand) {
  nlohmann::json manifest = nlohmann::json::parse(read_file(file("MANIFEST.json")));
  const auto open_with = [&](const nlohmann::json& changed) {
    nlohmann::ordered_json ordered;
    ordered["format_version"] = changed["format_version"];
    ordered["files"] = changed["files"];
    overwrite("MANIFEST.json", ordered.dump(2) + "\n");
    Checkpoint::open(path_);
  };
  nlohmann::json changed = manifest;
  changed["format_version"] = 2;
  EXPECT_ERROR(open_with(changed),
               "format_version: expected 1, got 2 (written by another version of this library)");
  for (const char* name : {"../config.json", "/etc/passwd", "", ".."}) {
    changed = manifest;
    changed["files"][name] = {{"bytes", 1}, {"sha256", "x"}};
    EXPECT_ERROR(open_with(changed), "is not the name of a file in this directory");
  }
  changed = manifest;
  changed["files"].erase("config.json");
  EXPECT_ERROR(open_with(changed), "the manifest does not list config.json");
  EXPECT_NO_THROW(open_with(manifest));
  overwrite("MANIFEST.json", manifest.dump());  // says the same
  EXPECT_ERROR(Checkpoint::open(path_), "damaged: expected the bytes that this library writes");
}

TEST_F(CheckpointTest, LoadsOnlyIntoItsOwnModel) {
  ModelConfig other = sample_.model.config();
  other.rope_theta = 5000;
  Model model(other);
  EXPECT_ERROR(Checkpoint::open(written()).load_parameters(model),
               "its config.json does not describe this model");
}

TEST_F(CheckpointTest, SaysWhatAPathIsThatIsNone) {
  EXPECT_ERROR(Checkpoint::open(dir_.file("no")), "no': no such directory");
  EXPECT_ERROR(Checkpoint::open(dir_.write("file", "")), "file': not a directory");
  EXPECT_ERROR(Checkpoint::open(dir_.path()),
               "neither a checkpoint (it has no config.json) nor a run directory");
}

TEST_F(CheckpointTest, RefusesATokenizerLargerThanTheModel) {
  ModelConfig config = sample_.model.config();
  config.vocab_size = 299;
  Model model(config);
  model.initialize(1);
  EXPECT_ERROR(write_checkpoint(path_, {&model, &toy_tokenizer(), {}, {}}),
               "tokenizer has 300 pieces: expected at most the model's vocab_size = 299");
  config.vocab_size = 304;  // padding rows are fine
  Model padded(config);
  write_checkpoint(path_, {&padded, &toy_tokenizer(), {}, {}});
  EXPECT_EQ(Checkpoint::open(path_).tokenizer().vocab_size(), 300);
  // In a directory of others: before the tokenizer is built.
  const std::string config_path = join_path(path_, "config.json");
  std::filesystem::remove(join_path(path_, "MANIFEST.json"));
  std::string text = read_file(config_path);
  text.replace(text.find("304"), 3, "299");
  write_file_atomic(config_path, text);
  ModelConfig small = config;
  small.vocab_size = 299;
  Model other(small);
  other.initialize(1);
  write_checkpoint(dir_.file("other"), {&other, nullptr, {}, {}});
  write_file_atomic(join_path(path_, "model.safetensors"),
                    read_file(join_path(dir_.file("other"), "model.safetensors")));
  EXPECT_ERROR(Checkpoint::open(path_).tokenizer(),
               "tokenizer.model': has 300 pieces: expected at most the model's vocab_size = 299");
}

TEST_F(CheckpointTest, LooksAtHeadersBeforeItHashes) {
  // A terabyte of nothing: hashing it would take hours.
  const auto grow = [&](const char* name) {
    std::filesystem::resize_file(join_path(path_, name), uint64_t{1} << 40);
  };
  write_checkpoint(path_, {&sample_.model, &toy_tokenizer(), {}, {}});
  grow("model.safetensors");
  EXPECT_ERROR(Checkpoint::open(path_), "model.safetensors': damaged: expected ");
  std::string manifest = read_file(join_path(path_, "MANIFEST.json"));
  const std::string key = "\"model.safetensors\": {\n      \"bytes\": ";
  const size_t at = manifest.find(key) + key.size();
  ASSERT_GT(at, key.size());
  manifest.replace(at, manifest.find(',', at) - at, std::to_string(uint64_t{1} << 40));
  write_file_atomic(join_path(path_, "MANIFEST.json"), manifest);
  EXPECT_ERROR(Checkpoint::open(path_), "model.safetensors': ");
  std::filesystem::remove(join_path(path_, "MANIFEST.json"));
  EXPECT_ERROR(Checkpoint::open(path_), "model.safetensors': ");
}

}  // namespace
}  // namespace minillm
