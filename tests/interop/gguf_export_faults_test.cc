// Exports to GGUF that fail: nothing is left of them, and the error says why.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "libminillm/core/file.h"
#include "libminillm/interop/gguf_export.h"
#include "tests/interop/export_sample.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/file_size_limit.h"
#include "tests/testing/test_data.h"

namespace minillm {
namespace {

using minillm_testing::ExportSample;
using minillm_testing::TempDir;

std::vector<std::string> names_in(const TempDir& dir) { return list_directory(dir.path()); }

TEST(GgufExport, AFullDiskLeavesTheOldFileAndNothingElse) {
  const ExportSample sample;
  sample.dir().write("model.gguf", "old");
  const Checkpoint checkpoint = sample.checkpoint();
  {
    const minillm_testing::FileSizeLimit limit(4096);
    EXPECT_ERROR(export_gguf(checkpoint, sample.file("model.gguf"), WeightEncoding::kF32),
                 "File too large");
  }
  EXPECT_EQ(read_file(sample.file("model.gguf")), "old");
  EXPECT_EQ(names_in(sample.dir()), (std::vector<std::string>{"checkpoint", "model.gguf"}));
}

TEST(GgufExport, AnInterruptedOneLeavesNothing) {
  const ExportSample sample;
  ExportEvents events;
  events.on_progress = [](uint64_t written, uint64_t total) {
    EXPECT_LE(written, total);
    throw Error("stop");
  };
  EXPECT_ERROR(export_gguf(sample.checkpoint(), sample.file("g"), WeightEncoding::kF32, events),
               "stop");
  EXPECT_EQ(names_in(sample.dir()), std::vector<std::string>{"checkpoint"});
}

TEST(GgufExport, RefusesPathsThatCannotBeWritten) {
  const ExportSample sample;
  EXPECT_ERROR(export_gguf(sample.checkpoint(), sample.path(), WeightEncoding::kF32),
               "cannot write: it is a directory");
  EXPECT_ERROR(export_gguf(sample.checkpoint(), sample.file("no/where.gguf"), WeightEncoding::kF32),
               "No such file or directory");
}

TEST(GgufExport, RefusesUnigramTokenizers) {
  MINILLM_REQUIRE_TEST_DATA("weights/spm_test_model.model");
  TempDir dir;
  const Tokenizer tokenizer =
      Tokenizer::load(minillm_testing::test_data_path("weights/spm_test_model.model"));
  ModelConfig config = minillm_testing::toy_config();
  config.vocab_size = tokenizer.vocab_size();
  Model model(config);
  model.initialize(1);
  write_checkpoint(dir.file("c"), {&model, &tokenizer, {}, {}});
  EXPECT_ERROR(export_gguf(Checkpoint::open(dir.file("c")), dir.file("g"), WeightEncoding::kF32),
               "cannot be exported to GGUF: expected BPE with byte fallback, got unigram");
  EXPECT_EQ(names_in(dir), std::vector<std::string>{"c"});
}

// Numbers are checked as they are copied: others' checkpoints may hold anything.
TEST(GgufExport, RefusesNumbersThatAreNotFinite) {
  const ExportSample sample;
  std::filesystem::remove(sample.path() + "/MANIFEST.json");
  std::string weights = read_file(sample.path() + "/model.safetensors");
  const float nan = NAN;
  std::memcpy(weights.data() + weights.size() - 4, &nan, 4);
  write_file_atomic(sample.path() + "/model.safetensors", weights);
  EXPECT_ERROR(export_gguf(sample.checkpoint(), sample.file("g"), WeightEncoding::kF32),
               "tensor 'model.norm.weight': element 31 is nan: expected finite numbers");
  EXPECT_FALSE(file_exists(sample.file("g")));
}

}  // namespace
}  // namespace minillm
