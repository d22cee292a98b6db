#include "libminillm/interop/hf_export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "libminillm/checkpoint/half_float.h"
#include "libminillm/checkpoint/hf_tokenizer_files.h"
#include "libminillm/core/file.h"
#include "libminillm/nn/model_family.h"
#include "tests/interop/export_sample.h"
#include "tests/testing/compare.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/file_size_limit.h"
#include "tests/testing/test_data.h"
#include "tests/testing/tiny_model.h"

namespace minillm {
namespace {

using minillm_testing::ExportSample;
using minillm_testing::TempDir;
using minillm_testing::toy_config;
using ::testing::ElementsAre;

TEST(HfExport, HoldsWhatOthersReadAndNothingOfTheTraining) {
  const ExportSample sample;
  const ExportReport report =
      export_hf(sample.checkpoint(), sample.file("hf"), WeightEncoding::kF32);
  EXPECT_THAT(list_directory(sample.file("hf")),
              ElementsAre("chat_template.jinja", "config.json", "generation_config.json",
                          "model.safetensors", "special_tokens_map.json", "tokenizer.model",
                          "tokenizer_config.json"));
  uint64_t bytes = 0;
  for (const std::string& name : list_directory(sample.file("hf"))) {
    bytes += file_size(sample.file("hf/" + name));
    if (name == "model.safetensors") continue;  // another header
    EXPECT_EQ(read_file(sample.file("hf/" + name)), read_file(sample.path() + "/" + name)) << name;
  }
  EXPECT_EQ(report.bytes, bytes);
  EXPECT_THAT(report.warnings, ElementsAre());
}

TEST(HfExport, LoadsAgainWithTheRoundedWeights) {
  using Narrow = float (*)(float);
  const std::vector<std::tuple<WeightEncoding, const char*, Narrow>> cases = {
      {WeightEncoding::kF32, "float32", [](float x) { return x; }},
      {WeightEncoding::kF16, "float16",
       [](float x) { return float16_to_float(float_to_float16(x)); }},
      {WeightEncoding::kBf16, "bfloat16",
       [](float x) { return bfloat16_to_float(float_to_bfloat16(x)); }}};
  for (const bool tied : {true, false}) {
    const ExportSample sample(tied);
    for (const auto& [encoding, torch_dtype, round] : cases) {
      const std::string path = sample.file(torch_dtype);
      export_hf(sample.checkpoint(), path, encoding);
      const Checkpoint checkpoint = Checkpoint::open(path);
      EXPECT_FALSE(checkpoint.state().has_value());
      EXPECT_EQ(checkpoint.model_config(), sample.model().config());
      EXPECT_EQ(checkpoint.tokenizer().hash(), minillm_testing::toy_tokenizer().hash());
      const auto weights = sample.model().parameters();
      std::vector<Real> expected(weights.begin(), weights.end());
      for (Real& x : expected) x = round(x);
      minillm_testing::expect_same_bits(checkpoint.load_model().parameters(), expected,
                                        torch_dtype);
      const auto config = nlohmann::json::parse(read_file(path + "/config.json"));
      EXPECT_EQ(config["torch_dtype"], torch_dtype);
    }
  }
}

// Another program's directory, in version 5's words: what we do not read stays.
TEST(HfExport, KeepsWhatOthersWroteInTheirConfig) {
  const ExportSample sample;
  const std::string foreign = sample.file("foreign");
  export_hf(sample.checkpoint(), foreign, WeightEncoding::kF32);
  auto config = nlohmann::json::parse(read_file(foreign + "/config.json"));
  config.erase("torch_dtype");
  config["dtype"] = "float32";
  config["eos_token_id"] = {2, 5};
  config["of_others"] = "kept";
  write_file_atomic(foreign + "/config.json", config.dump());
  write_file_atomic(foreign + "/tokenizer.json", "{}");
  export_hf(Checkpoint::open(foreign), sample.file("again"), WeightEncoding::kBf16);
  const auto again = nlohmann::json::parse(read_file(sample.file("again/config.json")));
  EXPECT_EQ(again["dtype"], "bfloat16");
  EXPECT_FALSE(again.contains("torch_dtype"));
  EXPECT_EQ(again["of_others"], "kept");
  EXPECT_EQ(again["eos_token_id"], config["eos_token_id"]);
  EXPECT_EQ(read_file(sample.file("again/tokenizer.json")), "{}");
}

// Who only reads a model keeps the bfloat16 of its file, and computes the same.
TEST(HfExport, AFrozenModelIsKeptAsItsFileHasIt) {
  const ExportSample sample;
  export_hf(sample.checkpoint(), sample.file("bf16"), WeightEncoding::kBf16);
  const Checkpoint checkpoint = Checkpoint::open(sample.file("bf16"));
  const Model any = checkpoint.load_model(),
              frozen = checkpoint.load_model(Checkpoint::Use::kFrozen);
  EXPECT_EQ(any.store().storage(), Storage::kReal);
  EXPECT_EQ(frozen.store().storage(), Storage::kBfloat16);
  minillm_testing::expect_same_bits(copy_of(frozen, Storage::kReal).parameters(), any.parameters(),
                                    "parameters");
  EXPECT_EQ(sample.checkpoint().load_model(Checkpoint::Use::kFrozen).store().storage(),
            Storage::kReal)
      << "float32 is not rounded";
  EXPECT_ERROR(write_checkpoint(sample.file("saved"), {&frozen, nullptr, {}, {}}),
               "kept in bfloat16: expected one that was loaded to be saved");
}

TEST(HfExport, RefusesADirectoryThatExistsAndEightBits) {
  const ExportSample sample;
  EXPECT_ERROR(export_hf(sample.checkpoint(), sample.path(), WeightEncoding::kF32),
               "already exists (remove it, or choose another name)");
  EXPECT_ERROR(export_hf(sample.checkpoint(), sample.file("hf"), WeightEncoding::kQ8_0),
               "expected f32, bf16 or f16");
}

TEST(HfExport, AFullDiskLeavesNothing) {
  const ExportSample sample;
  const Checkpoint checkpoint = sample.checkpoint();
  const minillm_testing::FileSizeLimit limit(4096);
  EXPECT_ERROR(export_hf(checkpoint, sample.file("hf"), WeightEncoding::kF32), "File too large");
  EXPECT_THAT(list_directory(sample.dir().path()), ElementsAre("checkpoint"));
}

// --- read by another program: hf_reader.py is a forward pass in numpy

// Runs it on `directory`, with the adapter in `adapter` if that is not empty; what it printed, by
// its exit code.
std::pair<int, std::string> run_hf_reader(const std::string& directory, const std::string& expected,
                                          const std::string& adapter = "") {
  const std::string command =
      "PATH=/usr/bin:$PATH python3 '" MINILLM_SOURCE_DIR "/tests/interop/hf_reader.py' '" +
      directory + "' '" + expected + "'" + (adapter.empty() ? "" : " '" + adapter + "'") + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  std::string output;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) output += static_cast<char>(c);
  const int status = pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, output};
}

// The largest difference between a model's log-probabilities and numpy's from the directory;
// nothing if there is no numpy.
std::optional<double> numpy_difference(const TempDir& dir, const std::string& directory,
                                       const Model& model, const std::vector<Token>& tokens,
                                       const std::string& adapter = "") {
  const nlohmann::json expected = {{"tokens", tokens},
                                   {"logprobs", token_log_probs(model, tokens)}};
  const auto [code, output] =
      run_hf_reader(directory, dir.write("expected.json", expected.dump()), adapter);
  if (code == 77 || code == 127) return std::nullopt;
  EXPECT_EQ(code, 0) << output;
  return code == 0 ? std::stod(output) : 1e9;
}

constexpr const char* kNoNumpy = "needs python3 with numpy (Debian's python3-numpy)";

TEST(HfExport, NumpyReadsTheSameModel) {
  for (const bool tied : {true, false}) {
    const ExportSample sample(tied);
    for (const auto encoding :
         {WeightEncoding::kF32, WeightEncoding::kF16, WeightEncoding::kBf16}) {
      const std::string path = sample.file(weight_encoding_name(encoding));
      export_hf(sample.checkpoint(), path, encoding);
      const auto difference =
          numpy_difference(sample.dir(), path, Checkpoint::open(path).load_model(),
                           minillm_testing::random_tokens(24, 5));
      if (!difference) GTEST_SKIP() << kNoNumpy;
      EXPECT_LT(*difference, 2e-5) << path;
    }
  }
}

TEST(HfExport, NumpyReadsModelsOfAllFamilies) {
  for (const ModelFamily& family : model_families()) {
    TempDir dir;
    const Model model =
        minillm_testing::random_model(minillm_testing::as_family(toy_config(), family.name));
    write_checkpoint(dir.file("model"), {&model, &minillm_testing::toy_tokenizer(), {}, {}});
    const auto difference =
        numpy_difference(dir, dir.file("model"), model, minillm_testing::random_tokens(24, 5));
    if (!difference) GTEST_SKIP() << kNoNumpy;
    EXPECT_LT(*difference, 2e-5) << family.name;
    minillm_testing::expect_same_bits(Checkpoint::open(dir.file("model")).load_model().parameters(),
                                      model.parameters(), family.name);
  }
}

// PEFT's directory, as we write it, on the base: ranks and scales that differ, replaced rows.
TEST(HfExport, NumpyReadsTheSameAdapter) {
  for (const bool tied : {true, false}) {
    const ExportSample sample(tied);
    Model model = sample.checkpoint().load_model();
    const auto adapter = minillm_testing::random_adapter(model.config());
    adapter->base_path = sample.path();
    model.adapt(adapter);
    write_checkpoint(sample.file("adapter"), {&model, nullptr, {}, {}});
    const auto difference =
        numpy_difference(sample.dir(), sample.path(), model, minillm_testing::random_tokens(24, 5),
                         sample.file("adapter"));
    if (!difference) GTEST_SKIP() << kNoNumpy;
    EXPECT_LT(*difference, 2e-5) << tied;
  }
}

TEST(HfExport, NumpyReadsAModelOfOthers) {
  MINILLM_REQUIRE_TEST_DATA("weights/stories260K_hf");
  TempDir dir;
  const Checkpoint checkpoint =
      Checkpoint::open(minillm_testing::test_data_path("weights/stories260K_hf"));
  export_hf(checkpoint, dir.file("hf"), WeightEncoding::kF32);
  const std::vector<Token> tokens = {1, 403, 407, 261, 378, 400, 315, 263, 298, 411};
  const auto difference = numpy_difference(dir, dir.file("hf"), checkpoint.load_model(), tokens);
  if (!difference) GTEST_SKIP() << kNoNumpy;
  EXPECT_LT(*difference, 2e-5);
}

// The check works: with another model's numbers the difference is large.
TEST(HfExport, NumpyTellsAnotherModelApart) {
  const ExportSample sample;
  export_hf(sample.checkpoint(), sample.file("hf"), WeightEncoding::kF32);
  const auto difference =
      numpy_difference(sample.dir(), sample.file("hf"), minillm_testing::toy_model(77),
                       minillm_testing::random_tokens(24, 5));
  if (!difference) GTEST_SKIP() << kNoNumpy;
  EXPECT_GT(*difference, 0.1);
}

}  // namespace
}  // namespace minillm
