// Checkpoints of earlier versions, stored in golden/<version>/: every later version loads them,
// with the same meaning. A new version adds a directory (the disabled test writes it) and
// removes none.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/core/file.h"
#include "libminillm/core/rng.h"
#include "tests/checkpoint/sample_checkpoint.h"
#include "tests/testing/compare.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace minillm {
namespace {

using minillm_testing::sample_state;
using minillm_testing::TempDir;
using minillm_testing::toy_tokenizer;
using testing::ElementsAre;

std::string golden(const std::string& version) {
  return std::string(MINILLM_SOURCE_DIR "/tests/checkpoint/golden/") + version;
}

ModelConfig golden_config() {
  ModelConfig config = minillm_testing::toy_config();
  config.hidden_size = 8;
  config.intermediate_size = 8;
  config.num_hidden_layers = 1;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 1;
  config.head_dim = 4;
  config.tie_word_embeddings = false;
  return config;
}

// Whole numbers over 64: the same in every format and on every machine.
std::vector<Real> golden_values(Index size, uint64_t seed) {
  Rng rng(seed);
  std::vector<Real> values(static_cast<size_t>(size));
  for (Real& value : values) value = static_cast<Real>(static_cast<int>(rng.below(65)) - 32) / 64;
  return values;
}

TEST(GoldenCheckpoint, DISABLED_Write) {
  Model model(golden_config());
  std::ranges::copy(golden_values(model.tensors().size(), 1), model.parameters().begin());
  std::vector<Real> first = golden_values(model.tensors().size(), 2),
                    second = golden_values(model.tensors().size(), 3);
  write_checkpoint(golden(kVersion), {&model, &toy_tokenizer(),
                                      minillm::moments_in_memory(first, second), sample_state(7)});
}

TEST(GoldenCheckpoint, OfVersion010LoadsAsItWasWritten) {
  const Checkpoint checkpoint = Checkpoint::open(golden("0.1.0"));
  EXPECT_TRUE(checkpoint.warnings().empty());
  EXPECT_EQ(checkpoint.model_config(), golden_config());
  const Model model = checkpoint.load_model();
  EXPECT_TRUE(std::ranges::equal(model.parameters(), golden_values(model.tensors().size(), 1)));
  std::vector<Real> first(model.parameters().size()), second(first.size());
  checkpoint.load_moments(model.tensors(), first, second);
  EXPECT_EQ(first, golden_values(model.tensors().size(), 2));
  EXPECT_EQ(second, golden_values(model.tensors().size(), 3));
  TrainerState expected = sample_state(7);
  for (LineageEntry& entry : expected.lineage) entry.library_version = "0.1.0";
  EXPECT_EQ(*checkpoint.state(), expected);
  EXPECT_EQ(checkpoint.tokenizer().hash(), toy_tokenizer().hash());
  EXPECT_EQ(checkpoint.tokenizer().decode(checkpoint.tokenizer().encode("the goat")), "the goat");
}

TEST(GoldenCheckpoint, OfAnUnknownFormatIsRefusedByName) {
  const TempDir dir;
  std::filesystem::copy(golden("0.1.0"), dir.file("later"));
  std::string manifest = read_file(dir.file("later/MANIFEST.json"));
  manifest.replace(manifest.find("\"format_version\": 1"), 19, "\"format_version\": 2");
  dir.write("later/MANIFEST.json", manifest);
  EXPECT_ERROR(Checkpoint::open(dir.file("later")),
               "format_version: expected 1, got 2 (written by another version of this library)");
}

}  // namespace
}  // namespace minillm
