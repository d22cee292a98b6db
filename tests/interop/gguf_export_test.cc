#include "libminillm/interop/gguf_export.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "libminillm/checkpoint/half_float.h"
#include "libminillm/core/file.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/interop/gguf_writer.h"
#include "libminillm/interop/rope_order.h"
#include "libminillm/nn/parameters.h"
#include "tests/interop/export_sample.h"
#include "tests/interop/gguf_reader.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/file_size_limit.h"
#include "tests/testing/test_data.h"

namespace minillm {
namespace {

using minillm_testing::ExportSample;
using minillm_testing::gguf_numbers;
using minillm_testing::GgufFile;
using minillm_testing::GgufTensorInfo;
using minillm_testing::GgufValue;
using minillm_testing::InterleavedWeights;
using minillm_testing::parse_gguf;
using minillm_testing::TempDir;
using minillm_testing::toy_tokenizer;

GgufFile exported(const ExportSample& sample, WeightEncoding encoding) {
  const std::string path = sample.file("model.gguf");
  const ExportReport report = export_gguf(sample.checkpoint(), path, encoding);
  EXPECT_EQ(report.bytes, file_size(path));
  GgufFile file = parse_gguf(read_file(path));
  EXPECT_EQ(report.tensors, static_cast<Index>(file.tensors.size()));
  return file;
}

// The format's name for one of our tensors, written a second time.
std::string name_in_gguf(std::string name) {
  const std::vector<std::pair<std::string, std::string>> replacements = {
      {"model.embed_tokens", "token_embd"},
      {"model.norm", "output_norm"},
      {"lm_head", "output"},
      {"model.layers", "blk"},
      {"input_layernorm", "attn_norm"},
      {"post_attention_layernorm", "ffn_norm"},
      {"self_attn.o_proj", "attn_output"},
      {"self_attn.q_proj", "attn_q"},
      {"self_attn.k_proj", "attn_k"},
      {"self_attn.v_proj", "attn_v"},
      {"mlp.gate_proj", "ffn_gate"},
      {"mlp.up_proj", "ffn_up"},
      {"mlp.down_proj", "ffn_down"}};
  for (const auto& [ours, theirs] : replacements)
    if (const size_t at = name.find(ours); at != std::string::npos)
      name.replace(at, ours.size(), theirs);
  return name;
}

// The rows of q and k change places; all others stay.
std::vector<float> in_file_order(const ExportSample& sample, const TensorInfo& info) {
  const auto values = sample.tensor(info.name);
  std::vector<float> out(values.begin(), values.end());
  if (!info.name.ends_with("q_proj.weight") && !info.name.ends_with("k_proj.weight")) return out;
  const Index cols = info.shape[1];
  for (Index row = 0; row < info.shape[0]; ++row) {
    const Index to = interleaved_row(row, sample.model().config().head_dim);
    std::copy_n(values.begin() + row * cols, cols, out.begin() + to * cols);
  }
  return out;
}

InterleavedWeights weights_of(const ExportSample& sample, const GgufFile& file) {
  InterleavedWeights weights;
  for (const TensorInfo& info : sample.model().tensors().tensors())
    weights[info.name] = gguf_numbers(file.tensors.at(name_in_gguf(info.name)));
  return weights;
}

TEST(GgufExport, HoldsEveryTensorBitForBitInF32) {
  for (const bool tied : {true, false}) {
    const ExportSample sample(tied);
    const GgufFile file = exported(sample, WeightEncoding::kF32);
    const auto& tensors = sample.model().tensors().tensors();
    EXPECT_EQ(file.tensors.size(), tensors.size());
    EXPECT_EQ(file.tensors.contains("output.weight"), !tied);
    for (const TensorInfo& info : tensors) {
      SCOPED_TRACE(info.name);
      const GgufTensorInfo& tensor = file.tensors.at(name_in_gguf(info.name));
      EXPECT_EQ(tensor.type, 0u);
      ASSERT_EQ(tensor.ne.size(), info.shape.size());
      for (size_t i = 0; i < info.shape.size(); ++i)
        EXPECT_EQ(tensor.ne[i], static_cast<uint64_t>(info.shape[info.shape.size() - 1 - i]));
      const std::vector<float> expected = in_file_order(sample, info);
      ASSERT_EQ(tensor.bytes.size(), 4 * expected.size());
      EXPECT_EQ(std::memcmp(tensor.bytes.data(), expected.data(), tensor.bytes.size()), 0);
    }
  }
}

TEST(GgufExport, RoundsMatricesAndKeepsGainsInF32) {
  const ExportSample sample;
  const auto round_f16 = [](float x) { return float16_to_float(float_to_float16(x)); };
  const auto round_bf16 = [](float x) { return bfloat16_to_float(float_to_bfloat16(x)); };
  for (const bool f16 : {true, false}) {
    const GgufFile file = exported(sample, f16 ? WeightEncoding::kF16 : WeightEncoding::kBf16);
    for (const TensorInfo& info : sample.model().tensors().tensors()) {
      const GgufTensorInfo& tensor = file.tensors.at(name_in_gguf(info.name));
      std::vector<float> expected = in_file_order(sample, info);
      const bool gain = info.shape.size() == 1;
      EXPECT_EQ(tensor.type, gain ? 0u : f16 ? 1u : 30u) << info.name;
      if (!gain)
        for (float& x : expected) x = f16 ? round_f16(x) : round_bf16(x);
      EXPECT_EQ(gguf_numbers(tensor), expected) << info.name;
    }
  }
}

// The toy model's F is 48: rows of ffn_down are not whole blocks.
TEST(GgufExport, QuantizesRowsOfWholeBlocksAndRoundsTheOthersToF16) {
  const ExportSample sample;
  const GgufFile file = exported(sample, WeightEncoding::kQ8_0);
  for (const TensorInfo& info : sample.model().tensors().tensors()) {
    SCOPED_TRACE(info.name);
    const GgufTensorInfo& tensor = file.tensors.at(name_in_gguf(info.name));
    const bool gain = info.shape.size() == 1, down = info.name.ends_with("down_proj.weight");
    ASSERT_EQ(tensor.type, gain ? 0u : down ? 1u : 8u);
    const std::vector<float> exact = in_file_order(sample, info), read = gguf_numbers(tensor);
    ASSERT_EQ(read.size(), exact.size());
    for (size_t begin = 0; begin < exact.size() && tensor.type == 8; begin += 32) {
      float largest = 0;
      for (size_t i = begin; i < begin + 32; ++i) largest = std::max(largest, std::fabs(exact[i]));
      // Half a step, and the rounding of the step itself to 11 bits.
      for (size_t i = begin; i < begin + 32; ++i)
        ASSERT_NEAR(read[i], exact[i], largest / 127 * 0.5 + largest / 2048) << i;
    }
  }
  EXPECT_EQ(file.values.at("general.file_type").number, 7);
  EXPECT_EQ(file.values.at("general.quantization_version").number, 2);
  EXPECT_EQ(file.values.at("general.quantization_version").type, 4u);
}

// Interleaved RoPE on the exported rows is our RoPE on ours, with more query heads than key heads.
TEST(GgufExport, ReadersComputeTheModelsLogProbabilities) {
  for (const bool tied : {true, false}) {
    const ExportSample sample(tied);
    ASSERT_NE(sample.model().config().num_attention_heads,
              sample.model().config().num_key_value_heads);
    const GgufFile file = exported(sample, WeightEncoding::kF32);
    minillm_testing::expect_same_model(sample.model(), weights_of(sample, file), 2e-5);
  }
}

// Rotations that were slowed down: one factor for all, or a tensor with one per pair.
TEST(GgufExport, ReadersSlowTheRotationsDownAsTheModelDoes) {
  for (const char* type : {"linear", "llama3"}) {
    SCOPED_TRACE(type);
    ModelConfig config = minillm_testing::toy_config();
    config.rope_scaling = {type, 4, 1, 4, 16};
    Model model(config);
    model.initialize(5);
    const TempDir dir;
    write_checkpoint(dir.file("checkpoint"), {&model, &toy_tokenizer(), {}, {}});
    export_gguf(Checkpoint::open(dir.file("checkpoint")), dir.file("f"), WeightEncoding::kF32);
    const GgufFile file = parse_gguf(read_file(dir.file("f")));
    InterleavedWeights weights;
    for (const TensorInfo& info : model.tensors().tensors())
      weights[info.name] = gguf_numbers(file.tensors.at(name_in_gguf(info.name)));
    std::vector<float>& divisors = weights["rope_freqs"];
    if (std::string(type) == "linear") {
      EXPECT_EQ(file.values.at("llama.rope.scaling.type").text, "linear");
      divisors.assign(static_cast<size_t>(config.head_dim / 2),
                      static_cast<float>(file.values.at("llama.rope.scaling.factor").number));
    } else {
      divisors = gguf_numbers(file.tensors.at("rope_freqs.weight"));
    }
    ASSERT_EQ(std::ssize(divisors), config.head_dim / 2);
    minillm_testing::expect_same_model(model, weights, 2e-5);
    // The unscaled model gives different numbers.
    Model unscaled(minillm_testing::toy_config());
    std::ranges::copy(model.parameters(), unscaled.parameters().begin());
    const std::vector<Token> tokens = {1, 5, 9, 200, 40, 41, 42, 43, 44, 45};
    EXPECT_GT(
        std::fabs(token_log_probs(model, tokens).back() - token_log_probs(unscaled, tokens).back()),
        1e-4);
  }
}

TEST(GgufExport, MetadataHasTheTypesThatReadersAskFor) {
  const ExportSample sample;
  const GgufFile file = exported(sample, WeightEncoding::kF32);
  const ModelConfig& c = sample.model().config();
  const auto expect_number = [&](const std::string& key, uint32_t type, double expected) {
    ASSERT_TRUE(file.values.contains(key)) << key;
    EXPECT_EQ(file.values.at(key).type, type) << key;
    EXPECT_EQ(file.values.at(key).number, expected) << key;
  };
  EXPECT_EQ(file.values.at("general.architecture").text, "llama");
  expect_number("general.file_type", 4, 0);
  expect_number("llama.vocab_size", 4, c.vocab_size);
  expect_number("llama.context_length", 4, c.max_position_embeddings);
  expect_number("llama.embedding_length", 4, c.hidden_size);
  expect_number("llama.block_count", 4, c.num_hidden_layers);
  expect_number("llama.feed_forward_length", 4, c.intermediate_size);
  expect_number("llama.attention.head_count", 4, c.num_attention_heads);
  expect_number("llama.attention.head_count_kv", 4, c.num_key_value_heads);
  expect_number("llama.attention.key_length", 4, c.head_dim);
  expect_number("llama.attention.value_length", 4, c.head_dim);
  expect_number("llama.rope.dimension_count", 4, c.head_dim);
  expect_number("llama.attention.layer_norm_rms_epsilon", 6, static_cast<float>(c.rms_norm_eps));
  expect_number("llama.rope.freq_base", 6, 10000);
  expect_number("tokenizer.ggml.bos_token_id", 4, 1);
  expect_number("tokenizer.ggml.eos_token_id", 4, 2);
  expect_number("tokenizer.ggml.unknown_token_id", 4, 0);
  expect_number("tokenizer.ggml.padding_token_id", 4, 3);
  expect_number("tokenizer.ggml.eot_token_id", 4, toy_tokenizer().control("<|im_end|>"));
  expect_number("tokenizer.ggml.add_bos_token", 7, 1);
  expect_number("tokenizer.ggml.add_eos_token", 7, 0);
  expect_number("tokenizer.ggml.add_space_prefix", 7, 0);
  EXPECT_FALSE(file.values.contains("general.quantization_version"));
}

TEST(GgufExport, HoldsTheTokenizerAndTheChatTemplate) {
  const ExportSample sample;
  const GgufFile file = exported(sample, WeightEncoding::kF32);
  EXPECT_EQ(file.values.at("tokenizer.ggml.model").text, "llama");
  EXPECT_EQ(file.values.at("tokenizer.chat_template").text,
            chat_template_named(kChatTemplateId).jinja);
  const GgufValue& tokens = file.values.at("tokenizer.ggml.tokens");
  const GgufValue& scores = file.values.at("tokenizer.ggml.scores");
  const GgufValue& types = file.values.at("tokenizer.ggml.token_type");
  EXPECT_EQ(tokens.type, 8u);
  EXPECT_EQ(scores.type, 6u);
  EXPECT_EQ(types.type, 5u);
  ASSERT_EQ(tokens.texts.size(), 300u);
  ASSERT_EQ(scores.numbers.size(), 300u);
  ASSERT_EQ(types.numbers.size(), 300u);
  for (Token id = 0; id < 300; ++id)
    EXPECT_EQ(tokens.texts[static_cast<size_t>(id)], toy_tokenizer().piece(id));
  EXPECT_EQ(types.numbers[0], 2);  // unknown
  for (size_t id = 1; id < 6; ++id) EXPECT_EQ(types.numbers[id], 3) << id;
  for (size_t id = 6; id < 262; ++id) EXPECT_EQ(types.numbers[id], 6) << id;
  for (size_t id = 262; id < 300; ++id) {
    EXPECT_EQ(types.numbers[id], 1) << id;
    EXPECT_EQ(scores.numbers[id], 262 - static_cast<double>(id))
        << "merges in the order of training";
  }
}

TEST(GgufExport, IsTheSameToTheByteEveryTime) {
  const ExportSample sample;
  export_gguf(sample.checkpoint(), sample.file("a.gguf"), WeightEncoding::kQ8_0);
  export_gguf(sample.checkpoint(), sample.file("b.gguf"), WeightEncoding::kQ8_0);
  EXPECT_EQ(read_file(sample.file("a.gguf")), read_file(sample.file("b.gguf")));
}

TEST(GgufExport, GivesRowsBeyondTheTokenizerNamesOfTheirOwn) {
  TempDir dir;
  ModelConfig config = minillm_testing::toy_config();
  config.vocab_size = 304;
  Model model(config);
  model.initialize(1);
  write_checkpoint(dir.file("c"), {&model, &toy_tokenizer(), {}, {}});
  export_gguf(Checkpoint::open(dir.file("c")), dir.file("g"), WeightEncoding::kF32);
  const GgufFile file = parse_gguf(read_file(dir.file("g")));
  const GgufValue& tokens = file.values.at("tokenizer.ggml.tokens");
  ASSERT_EQ(tokens.texts.size(), 304u);
  EXPECT_EQ(tokens.texts[300], "[PAD300]");
  EXPECT_EQ(tokens.texts[303], "[PAD303]");
  EXPECT_EQ(file.values.at("tokenizer.ggml.token_type").numbers[303], 5);  // unused
}

TEST(GgufExport, WithoutATokenizerSaysSo) {
  TempDir dir;
  const Model model = minillm_testing::toy_model();
  write_checkpoint(dir.file("c"), {&model, nullptr, {}, {}});
  const ExportReport report =
      export_gguf(Checkpoint::open(dir.file("c")), dir.file("g"), WeightEncoding::kF32);
  ASSERT_EQ(report.warnings.size(), 1u);
  EXPECT_NE(report.warnings[0].find("has no tokenizer"), std::string::npos);
  EXPECT_EQ(parse_gguf(read_file(dir.file("g"))).values.at("tokenizer.ggml.model").text, "none");
}

// --- what other programs make of the same tokenizer

class LlamaTokenizerExport : public ::testing::Test {
 protected:
  void SetUp() override {
    MINILLM_REQUIRE_TEST_DATA("weights/llama_tokenizer.model");
    ModelConfig config = minillm_testing::toy_config();
    config.vocab_size = 32000;
    Model model(config);
    model.initialize(1);
    const Tokenizer tokenizer =
        Tokenizer::load(minillm_testing::test_data_path("weights/llama_tokenizer.model"));
    write_checkpoint(dir_.file("c"), {&model, &tokenizer, {}, {}});
    report_ = export_gguf(Checkpoint::open(dir_.file("c")), dir_.file("g"), WeightEncoding::kF16);
  }
  TempDir dir_;
  ExportReport report_;
};

TEST_F(LlamaTokenizerExport, EqualsLlamaCppsOwnVocabularyFile) {
  MINILLM_REQUIRE_TEST_DATA("weights/ggml-vocab-llama-spm.gguf");
  const std::string path = minillm_testing::test_data_path("weights/ggml-vocab-llama-spm.gguf");
  const GgufFile theirs = parse_gguf(read_file(path)), ours = parse_gguf(read_file(dir_.file("g")));
  for (const std::string key : {"tokens", "scores", "token_type"}) {
    const GgufValue& a = ours.values.at("tokenizer.ggml." + key);
    const GgufValue& b = theirs.values.at("tokenizer.ggml." + key);
    EXPECT_EQ(a.type, b.type) << key;
    EXPECT_TRUE(a.texts == b.texts) << key;
    EXPECT_TRUE(a.numbers == b.numbers) << key;
  }
  for (const std::string key : {"model", "pre", "bos_token_id", "eos_token_id", "unknown_token_id",
                                "add_bos_token", "add_eos_token"}) {
    EXPECT_EQ(ours.values.at("tokenizer.ggml." + key).number,
              theirs.values.at("tokenizer.ggml." + key).number)
        << key;
    EXPECT_EQ(ours.values.at("tokenizer.ggml." + key).text,
              theirs.values.at("tokenizer.ggml." + key).text)
        << key;
  }
  EXPECT_EQ(ours.values.at("tokenizer.ggml.add_space_prefix").number, 1);  // Llama's adds one
}

}  // namespace
}  // namespace minillm
