#include "libminillm/interop/llama2c.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "libminillm/checkpoint/hf_config.h"
#include "libminillm/core/file.h"
#include "tests/interop/export_sample.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/file_size_limit.h"
#include "tests/testing/test_data.h"

namespace minillm {
namespace {

using minillm_testing::ExportSample;
using minillm_testing::InterleavedWeights;
using minillm_testing::TempDir;
using minillm_testing::test_data_path;

// The file as run.c maps it: seven ints, then one pointer after another.
struct RunFile {
  std::array<int32_t, 7> header;  // dim, hidden, layers, heads, kv heads, vocabulary, length
  std::vector<float> numbers;
  InterleavedWeights weights;
  size_t tables = 0;  // where in `numbers` the two RoPE tables begin

  explicit RunFile(const std::string& bytes) {
    std::memcpy(header.data(), bytes.data(), sizeof(header));
    numbers.resize((bytes.size() - sizeof(header)) / 4);
    std::memcpy(numbers.data(), bytes.data() + sizeof(header), 4 * numbers.size());
    const int dim = header[0], hidden = header[1], layers = header[2], heads = header[3];
    const int kv_heads = header[4], vocabulary = header[5], length = header[6];
    const bool shared = vocabulary > 0;
    const int kv_dim = dim / heads * kv_heads;
    size_t at = 0;
    const auto take = [&](const std::string& name, int rows, int cols) {
      const auto begin = numbers.begin() + static_cast<std::ptrdiff_t>(at);
      at += static_cast<size_t>(rows) * static_cast<size_t>(cols);
      ASSERT_LE(at, numbers.size());
      weights[name].assign(begin, numbers.begin() + static_cast<std::ptrdiff_t>(at));
    };
    const auto take_layers = [&](const std::string& name, int rows, int cols) {
      for (int l = 0; l < layers; ++l)
        take("model.layers." + std::to_string(l) + "." + name + ".weight", rows, cols);
    };
    take("model.embed_tokens.weight", std::abs(vocabulary), dim);
    take_layers("input_layernorm", 1, dim);
    take_layers("self_attn.q_proj", dim, dim);
    take_layers("self_attn.k_proj", kv_dim, dim);
    take_layers("self_attn.v_proj", kv_dim, dim);
    take_layers("self_attn.o_proj", dim, dim);
    take_layers("post_attention_layernorm", 1, dim);
    take_layers("mlp.gate_proj", hidden, dim);
    take_layers("mlp.down_proj", dim, hidden);
    take_layers("mlp.up_proj", hidden, dim);
    take("model.norm.weight", 1, dim);
    tables = at;
    at += static_cast<size_t>(length * (dim / heads));
    if (!shared) take("lm_head.weight", -vocabulary, dim);
    EXPECT_EQ(at, numbers.size());
  }
};

TEST(Llama2c, ReadersComputeTheModelsLogProbabilities) {
  for (const bool tied : {true, false}) {
    const ExportSample sample(tied);
    const ExportReport report = export_llama2c(sample.checkpoint(), sample.file("model.bin"));
    EXPECT_EQ(report.bytes, file_size(sample.file("model.bin")));
    EXPECT_EQ(report.tensors, static_cast<Index>(sample.model().tensors().tensors().size()));
    const RunFile file(read_file(sample.file("model.bin")));
    EXPECT_EQ(file.header, (std::array<int32_t, 7>{32, 48, 2, 4, 2, tied ? 300 : -300, 64}));
    minillm_testing::expect_same_model(sample.model(), file.weights, 2e-5);
    // What is not permuted has the model's bits.
    for (const char* name : {"model.embed_tokens.weight", "model.layers.1.self_attn.v_proj.weight",
                             "model.layers.0.mlp.up_proj.weight", "model.norm.weight"}) {
      const auto expected = sample.tensor(name);
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), file.weights.at(name).begin(),
                             file.weights.at(name).end()))
          << name;
    }
  }
}

// karpathy's own file, made by llama2.c's export from the model whose Hugging Face form we read.
// Header and weights are equal to the byte. The RoPE tables, which every reader skips, were
// computed with PyTorch's cosine: one in twenty differs in the last bit.
TEST(Llama2c, Stories260KIsTheOriginalFile) {
  MINILLM_REQUIRE_TEST_DATA("weights/stories260K_hf");
  MINILLM_REQUIRE_TEST_DATA("weights/stories260K.bin");
  TempDir dir;
  export_llama2c(Checkpoint::open(test_data_path("weights/stories260K_hf")), dir.file("m.bin"));
  const std::string actual = read_file(dir.file("m.bin"));
  const std::string expected = read_file(test_data_path("weights/stories260K.bin"));
  ASSERT_EQ(actual.size(), expected.size());
  const RunFile ours(actual), theirs(expected);
  const size_t before = Llama2cHeader::kBytes + 4 * ours.tables;
  EXPECT_TRUE(actual.compare(0, before, expected, 0, before) == 0);
  size_t differing = 0;
  for (size_t i = ours.tables; i < ours.numbers.size(); ++i) {
    EXPECT_NEAR(ours.numbers[i], theirs.numbers[i], 6e-8) << i;
    differing += ours.numbers[i] != theirs.numbers[i];
  }
  EXPECT_LE(differing, (ours.numbers.size() - ours.tables) / 20);
}

TEST(Llama2c, TokenizerIsTheOriginalFile) {
  MINILLM_REQUIRE_TEST_DATA("weights/llama_tokenizer.model");
  const Tokenizer tokenizer = Tokenizer::load(test_data_path("weights/llama_tokenizer.model"));
  EXPECT_TRUE(llama2c_tokenizer(tokenizer, "x") ==
              read_file(test_data_path("weights/llama_tokenizer.bin")));
}

TEST(Llama2c, RefusesVocabulariesThatRunWouldMisread) {
  EXPECT_ERROR(llama2c_tokenizer(minillm_testing::toy_tokenizer(), "checkpoint 'c'"),
               "checkpoint 'c': its vocabulary does not fit llama2.c's run.c: expected id 3 for "
               "<0x00>, got '<pad>'");
}

TEST(Llama2c, RefusesModelsThatRunComputesOtherwise) {
  TempDir dir;
  int count = 0;
  const auto expect_refused = [&](auto change, const std::string& text) {
    ModelConfig config = minillm_testing::toy_config();
    change(config);
    Model model(config);
    model.initialize(1);
    const std::string path = dir.file("c" + std::to_string(count++));
    write_checkpoint(path, {&model, nullptr, {}, {}});
    EXPECT_ERROR(export_llama2c(Checkpoint::open(path), dir.file("m.bin")), text);
    EXPECT_FALSE(file_exists(dir.file("m.bin")));
  };
  expect_refused(
      [](ModelConfig& c) {
        c.rope_scaling = {"linear", 2, 1, 4, 64};
      },
      "'rope_scaling': llama2.c's run.c expects none, got linear");
  expect_refused([](ModelConfig& c) { c.rope_theta = 500000; },
                 "'rope_theta': llama2.c's run.c expects 10000, got 500000");
  expect_refused([](ModelConfig& c) { c.rms_norm_eps = 1e-6; },
                 "'rms_norm_eps': llama2.c's run.c expects 1e-05, got 1e-06");
}

// run.c would multiply 64 layers, 2 key heads, 8 numbers and 4,194,304 positions in 32 bits.
TEST(Llama2c, RefusesSizesWhoseProductsOverflow) {
  const ExportSample sample;
  ModelConfig config = sample.model().config();
  config.num_hidden_layers = 64;
  config.max_position_embeddings = 1 << 22;
  const TempDir dir;
  dir.write("config.json", hf_config_json(config, nullptr));
  dir.write("model.safetensors", read_file(sample.path() + "/model.safetensors"));
  EXPECT_ERROR(export_llama2c(Checkpoint::open(dir.path()), dir.file("m.bin")),
               "'max_position_embeddings': llama2.c's run.c expects at most 2097151, got 4194304");
}

TEST(Llama2c, AFullDiskLeavesNothing) {
  const ExportSample sample;
  const Checkpoint checkpoint = sample.checkpoint();
  const minillm_testing::FileSizeLimit limit(4096);
  EXPECT_ERROR(export_llama2c(checkpoint, sample.file("m.bin")), "File too large");
  EXPECT_EQ(list_directory(sample.dir().path()), std::vector<std::string>{"checkpoint"});
}

}  // namespace
}  // namespace minillm
