// GGUF files become models: our own exports to the bit, what others write, and what is refused.

#include "libminillm/interop/gguf_import.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "libminillm/core/file.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/interop/gguf_architecture.h"
#include "libminillm/interop/gguf_export.h"
#include "libminillm/interop/gguf_reader.h"
#include "libminillm/interop/gguf_rope.h"
#include "libminillm/interop/gguf_tokenizer.h"
#include "libminillm/interop/rope_order.h"
#include "libminillm/nn/model_family.h"
#include "tests/interop/export_sample.h"
#include "tests/interop/gguf_bytes.h"
#include "tests/interop/gguf_reader.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/test_data.h"
#include "tests/testing/tiny_model.h"

namespace minillm {
namespace {

using minillm_testing::ExportSample;
using minillm_testing::gguf_array;
using minillm_testing::gguf_f32;
using minillm_testing::gguf_raw;
using minillm_testing::gguf_string;
using minillm_testing::gguf_text;
using minillm_testing::gguf_u32;
using minillm_testing::GgufBytes;
using minillm_testing::TempDir;
using minillm_testing::tiny_gguf_model;
using minillm_testing::toy_tokenizer;

const std::vector<std::string> kTexts = {"the cooper has a goat",
                                         " and  the goat\n\n has a name ",
                                         "<|im_start|>user</s><0x41>",
                                         "été 日本語 🙂 \xe2\x96\x81",
                                         "",
                                         "0123456789\t{}"};

// What the file cannot say is as a config has it that nobody set.
ModelConfig without_initializer(ModelConfig config) {
  config.initializer_range = ModelConfig().initializer_range;
  return config;
}

void expect_same_tokenizer(const Tokenizer& actual, const Tokenizer& expected) {
  ASSERT_EQ(actual.vocab_size(), expected.vocab_size());
  for (Token id = 0; id < expected.vocab_size(); ++id) {
    EXPECT_EQ(actual.piece(id), expected.piece(id)) << id;
    EXPECT_EQ(actual.is_control(id), expected.is_control(id)) << id;
    EXPECT_EQ(actual.token_bytes(id), expected.token_bytes(id)) << id;
  }
  for (const std::string& text : kTexts) EXPECT_EQ(actual.encode(text), expected.encode(text));
  EXPECT_EQ(actual.bos(), expected.bos());
  EXPECT_EQ(actual.eos(), expected.eos());
  EXPECT_EQ(actual.pad(), expected.pad());
  EXPECT_EQ(actual.unk(), expected.unk());
  EXPECT_EQ(actual.adds_bos(), expected.adds_bos());
  EXPECT_EQ(actual.adds_leading_space(), expected.adds_leading_space());
  EXPECT_EQ(actual.end_tokens(), expected.end_tokens());
  EXPECT_EQ(actual.jinja(), expected.jinja());
  EXPECT_EQ(actual.chat_template(), expected.chat_template());
}

TEST(GgufImport, TakesBackWhatWasExportedInF32) {
  for (const bool tied : {true, false}) {
    const ExportSample sample(tied);
    export_gguf(sample.checkpoint(), sample.file("f.gguf"), WeightEncoding::kF32);
    const GgufModel again = import_gguf(sample.file("f.gguf"));
    EXPECT_EQ(again.model.config(), without_initializer(sample.model().config()));
    EXPECT_TRUE(std::ranges::equal(again.model.parameters(), sample.model().parameters()));
    ASSERT_TRUE(again.tokenizer);
    expect_same_tokenizer(*again.tokenizer, toy_tokenizer());

    // As a checkpoint it is the same model, and exported again the same file.
    write_checkpoint(sample.file("again"), {.model = &again.model,
                                            .tokenizer = &*again.tokenizer,
                                            .optimizer = {},
                                            .state = sample.checkpoint().state().value()});
    const Checkpoint checkpoint = Checkpoint::open(sample.file("again"));
    expect_same_tokenizer(checkpoint.tokenizer(), toy_tokenizer());
    export_gguf(checkpoint, sample.file("g.gguf"), WeightEncoding::kF32);
    EXPECT_EQ(read_file(sample.file("f.gguf")), read_file(sample.file("g.gguf")));
  }
}

// Exactly what readers of the file compute, by the test's own reader.
TEST(GgufImport, WidensOtherEncodingsExactly) {
  for (const WeightEncoding encoding :
       {WeightEncoding::kF16, WeightEncoding::kBf16, WeightEncoding::kQ8_0}) {
    SCOPED_TRACE(weight_encoding_name(encoding));
    const ExportSample sample(false);
    export_gguf(sample.checkpoint(), sample.file("f.gguf"), encoding);
    const auto file = minillm_testing::parse_gguf(read_file(sample.file("f.gguf")));
    const GgufModel again = import_gguf(sample.file("f.gguf"));
    for (const TensorInfo& t : again.model.tensors().tensors()) {
      const std::vector<float> stored =
          minillm_testing::gguf_numbers(file.tensors.at(ggml_name(t.name)));
      const auto values = tensor_span(again.model.parameters(), t);
      ASSERT_EQ(stored.size(), values.size());
      const Index cols = t.shape.back();
      for (Index i = 0; i < t.size; ++i) {
        const Index row = i / cols;
        const Index from =
            is_rotated(t.name) ? interleaved_row(row, again.model.config().head_dim) : row;
        ASSERT_EQ(values[static_cast<size_t>(i)],
                  static_cast<Real>(stored[static_cast<size_t>(from * cols + i % cols)]))
            << t.name << " " << i;
      }
    }
  }
}

TEST(GgufImport, TakesBackModelsOfAllFamilies) {
  for (const ModelFamily& family : model_families()) {
    ModelConfig config = minillm_testing::as_family(minillm_testing::toy_config(), family.name);
    const TempDir dir;
    if (family.has_no_rope) {
      const Model other(config);
      write_checkpoint(dir.file("other"), {&other, nullptr, {}, {}});
      EXPECT_ERROR(
          export_gguf(Checkpoint::open(dir.file("other")), dir.file("f"), WeightEncoding::kF32),
          "layers without RoPE: expected one of 4, which readers of GGUF take for granted, got one "
          "of 2");
      config.num_hidden_layers = 4;
      config.extras.no_rope_interval = 4;
    }
    const Model model = minillm_testing::random_model(config);
    write_checkpoint(dir.file("c"), {&model, &toy_tokenizer(), {}, {}});
    export_gguf(Checkpoint::open(dir.file("c")), dir.file("f"), WeightEncoding::kF32);
    const GgufModel again = import_gguf(dir.file("f"));
    EXPECT_EQ(again.model.config(), without_initializer(config)) << family.name;
    EXPECT_TRUE(std::ranges::equal(again.model.parameters(), model.parameters())) << family.name;
  }
}

TEST(GgufImport, TakesBackScaledRotations) {
  for (const char* type : {"linear", "llama3"}) {
    ModelConfig config = minillm_testing::toy_config();
    config.rope_scaling = {type, 4};
    if (config.rope_scaling.type == "llama3") config.rope_scaling.original_context = 16;
    Model model(config);
    model.initialize(5);
    const TempDir dir;
    write_checkpoint(dir.file("c"), {&model, nullptr, {}, {}});
    export_gguf(Checkpoint::open(dir.file("c")), dir.file("f"), WeightEncoding::kF32);
    const GgufModel again = import_gguf(dir.file("f"));
    EXPECT_EQ(again.model.config(), without_initializer(config)) << type;
    EXPECT_FALSE(again.tokenizer);
  }
}

TEST(GgufRope, RecoversPublishedScalings) {
  // Llama 3.1 8B, Llama 3.2 1B and 3B.
  for (const auto& [head_dim, factor] : {std::pair<Index, double>{128, 8}, {64, 32}, {128, 32}}) {
    const RopeScaling scaling = {"llama3", factor, 1, 4, 8192};
    EXPECT_EQ(scaling_of_divisors(frequency_divisors(head_dim, 500000, scaling), 500000), scaling);
  }
  const RopeScaling other = {"llama3", 2.5, 1, 6.5, 3000};
  EXPECT_EQ(scaling_of_divisors(frequency_divisors(128, 10000, other), 10000), other);
}

// Twice the context with twice the turns is the same scaling.
TEST(GgufRope, RecoversTheDivisorsWhateverTheNumbersWere) {
  const RopeScaling scaling = {"llama3", 8, 2, 8, 16384};
  const auto found = scaling_of_divisors(frequency_divisors(128, 500000, scaling), 500000);
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, (RopeScaling{"llama3", 8, 1, 4, 8192}));
}

TEST(GgufRope, KnowsWhatIsNoScalingOfOurs) {
  EXPECT_EQ(scaling_of_divisors(std::vector<Real>(32, 1), 10000), RopeScaling());
  EXPECT_EQ(scaling_of_divisors(std::vector<Real>(32, 3), 10000), (RopeScaling{"linear", 3}));
  std::vector<Real> divisors = frequency_divisors(64, 500000, {"llama3", 8, 1, 4, 8192});
  divisors[20] *= Real(1.01);
  EXPECT_EQ(scaling_of_divisors(divisors, 500000), std::nullopt);
  EXPECT_EQ(scaling_of_divisors(std::vector<Real>(32, Real(0.5)), 10000), std::nullopt);
}

// --- files put together by hand

class GgufImportOfHand : public testing::Test {
 protected:
  GgufModel read(const GgufBytes& file) const {
    return import_gguf(dir_.write("m.gguf", file.bytes()));
  }
  // The same with another value for a key, or a new one.
  GgufModel with(const std::string& key, const std::string& value) const {
    GgufBytes file = tiny_gguf_model();
    const auto found = std::find_if(file.pairs.begin(), file.pairs.end(),
                                    [&](const auto& pair) { return pair.first == key; });
    if (found == file.pairs.end())
      file.pairs.push_back({key, value});
    else
      found->second = value;
    return read(file);
  }
  GgufModel without(const std::string& key) const {
    GgufBytes file = tiny_gguf_model();
    std::erase_if(file.pairs, [&](const auto& pair) { return pair.first == key; });
    return read(file);
  }
  TempDir dir_;
};

TEST_F(GgufImportOfHand, FillsInWhatTheFileLeavesOut) {
  const GgufModel read_model = read(tiny_gguf_model());
  const ModelConfig& config = read_model.model.config();
  EXPECT_EQ(config.vocab_size, 5);
  EXPECT_EQ(config.head_dim, 2);
  EXPECT_EQ(config.rms_norm_eps, 1e-6);
  EXPECT_EQ(config.rope_theta, 500000);
  EXPECT_TRUE(config.tie_word_embeddings);
  EXPECT_FALSE(read_model.tokenizer);
  EXPECT_EQ(without("llama.rope.freq_base").model.config().rope_theta, 10000);
  EXPECT_EQ(without("tokenizer.ggml.model").tokenizer, std::nullopt);
  const auto& model = read_model.model;
  EXPECT_EQ(tensor_span(model.parameters(), *model.tensors().find("model.norm.weight"))[0], 1);
  EXPECT_EQ(tensor_span(model.parameters(), *model.tensors().find("model.embed_tokens.weight"))[19],
            24);
}

TEST_F(GgufImportOfHand, RefusesOtherModelsByName) {
  EXPECT_ERROR(with("general.architecture", gguf_text("mamba")),
               "m.gguf': 'general.architecture': expected llama, qwen2, qwen3, smollm3, granite, "
               "got 'mamba'");
  EXPECT_ERROR(without("general.architecture"), "'general.architecture': expected llama, ");
  EXPECT_ERROR(without("llama.block_count"), "'llama.block_count': expected a number, got nothing");
  EXPECT_ERROR(with("llama.block_count", gguf_text("1")),
               "'llama.block_count': expected a whole number, got a text");
  EXPECT_ERROR(with("llama.block_count", gguf_u32(0)), "num_hidden_layers");
  EXPECT_ERROR(with("llama.block_count", gguf_u32(4000000000)), "num_hidden_layers");
  EXPECT_ERROR(with("llama.attention.head_count", gguf_u32(0)), "num_attention_heads");
  EXPECT_ERROR(with("llama.rope.dimension_count", gguf_u32(3)), "head_dim");
  EXPECT_ERROR(with("llama.expert_count", gguf_u32(8)),
               "'llama.expert_count': expected none, got 8");
  EXPECT_ERROR(with("llama.logit_scale", gguf_f32(2)), "'llama.logit_scale': expected none, got 2");
  EXPECT_ERROR(with("tokenizer.ggml.model", gguf_text("t5")),
               "'tokenizer.ggml.model': expected llama (sentencepiece's BPE), gpt2");
  GgufBytes file = tiny_gguf_model();
  file.pairs.push_back({"llama.attention.key_length", gguf_u32(2)});
  file.pairs.push_back({"llama.rope.dimension_count", gguf_u32(4)});
  EXPECT_ERROR(read(file),
               "'llama.rope.dimension_count' is 4, but 'llama.attention.key_length' is "
               "2: expected the same");
}

TEST_F(GgufImportOfHand, RefusesOtherScalingsByName) {
  EXPECT_ERROR(with("llama.rope.scaling.type", gguf_text("yarn")),
               "'llama.rope.scaling.type': expected none, linear, or Llama 3's tensor");
  EXPECT_EQ(with("llama.rope.scale_linear", gguf_f32(4)).model.config().rope_scaling,
            (RopeScaling{"linear", 4}));
  EXPECT_EQ(with("llama.rope.scaling.factor", gguf_f32(2.5f)).model.config().rope_scaling,
            (RopeScaling{"linear", 2.5}));
  GgufBytes file = tiny_gguf_model();
  file.tensors.push_back({"rope_freqs.weight", {1}, 0, 0, gguf_raw(0.5f)});
  file.tensors.back().offset = file.tensors[10].offset + 96;
  EXPECT_ERROR(read(file), "tensor 'rope_freqs.weight': expected the divisors of Llama 3's");
  file.pairs.push_back({"llama.rope.scaling.factor", gguf_f32(2)});
  EXPECT_ERROR(read(file), "expected 1 divisors and no linear scaling beside them");
}

TEST_F(GgufImportOfHand, RefusesTensorsThatAreNotTheModels) {
  GgufBytes file = tiny_gguf_model();
  file.tensors.pop_back();
  EXPECT_ERROR(read(file), "has no tensor 'blk.0.ffn_down.weight': expected one of shape [4, 6]");
  file = tiny_gguf_model();
  file.tensors.back().ne = {4, 6};
  EXPECT_ERROR(read(file), "'blk.0.ffn_down.weight': expected shape [4, 6], got [6, 4]");
  file = tiny_gguf_model();
  file.tensors.push_back({"blk.0.attn_q.bias", {4}, 0, 0, std::string(16, '\0')});
  file.tensors.back().offset = file.tensors[10].offset + 96;
  EXPECT_ERROR(read(file), "tensor 'blk.0.attn_q.bias': expected none of that name");
  file = tiny_gguf_model();
  file.tensors[10].data.replace(0, 4, gguf_raw<uint32_t>(0x7fc00000));
  EXPECT_ERROR(read(file), "tensor 'blk.0.ffn_down.weight'");
  file.tensors.clear();
  EXPECT_ERROR(read(file), "has no tensor 'token_embd.weight': expected a model, got a vocabulary");
}

// Quantised for good: nothing is read before that is known.
TEST_F(GgufImportOfHand, RefusesOtherQuantizationsByName) {
  GgufBytes file = tiny_gguf_model();
  file.pairs[2].second = gguf_u32(256);
  for (GgufBytes::Tensor& t : file.tensors)
    for (uint64_t& n : t.ne)
      if (n == 4 && (&n == &t.ne[0] || t.name.find("output.") != std::string::npos)) n = 256;
  uint64_t offset = 0;
  for (GgufBytes::Tensor& t : file.tensors) {
    uint64_t size = 4;
    for (const uint64_t n : t.ne) size *= n;
    t.type = t.name == "token_embd.weight" ? 14 : 0;
    if (t.type == 14) size = size / 4 / 256 * 210;
    t.data.assign(size, '\0');
    t.offset = offset;
    offset += (size + 31) / 32 * 32;
  }
  EXPECT_ERROR(read(file), "tensor 'token_embd.weight' is Q6_K: expected F32, F16, BF16 or Q8_0");
}

// --- tokenizers

// llama.cpp's own vocabulary files, and the ids that it tells for their texts.
void expect_ids_of_llama_cpp(const Tokenizer& tokenizer, const std::string& path) {
  std::string texts = read_file(path + ".inp"), ids = read_file(path + ".out");
  const std::string mark = "\n__ggml_vocab_test__\n";
  int compared = 0;
  while (!texts.empty()) {
    const size_t end = texts.find(mark), line = ids.find('\n');
    const std::vector<Token> encoded = tokenizer.encode(texts.substr(0, end));
    std::string actual;
    for (const Token id : encoded) actual += fmt::format(" {}", id);
    const std::string expected = ids.substr(0, line);
    EXPECT_EQ(actual, expected.starts_with(' ') || expected.empty() ? expected : " " + expected);
    ++compared;
    ids.erase(0, line + 1);
    if (end == std::string::npos) break;
    texts.erase(0, end + mark.size());
  }
  EXPECT_GT(compared, 40);
}

TEST(GgufTokenizer, SplitsTextsAsLlamaCppDoes) {
  const std::string name = "weights/ggml-vocab-llama-spm.gguf";
  MINILLM_REQUIRE_TEST_DATA(name);
  const std::string path = minillm_testing::test_data_path(name);
  const auto tokenizer = read_gguf_tokenizer(GgufFile(path), path);
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->bos(), 1);
  EXPECT_EQ(tokenizer->eos(), 2);
  EXPECT_TRUE(tokenizer->adds_leading_space());
  expect_ids_of_llama_cpp(*tokenizer, path);
}

TEST(GgufTokenizer, SplitsTextsIntoBytesAsLlamaCppDoes) {
  const std::string name = "weights/ggml-vocab-gpt-2.gguf";
  MINILLM_REQUIRE_TEST_DATA(name);
  const std::string path = minillm_testing::test_data_path(name);
  const auto tokenizer = read_gguf_tokenizer(GgufFile(path), path);
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->eos(), 50256);
  EXPECT_FALSE(tokenizer->adds_bos());
  expect_ids_of_llama_cpp(*tokenizer, path);
}

TEST(GgufTokenizer, KeepsAChatTemplateThatIsNotKnown) {
  const ExportSample sample;
  export_gguf(sample.checkpoint(), sample.file("f.gguf"), WeightEncoding::kF32);
  std::string bytes = read_file(sample.file("f.gguf"));
  const std::string key = "tokenizer.chat_template";
  const size_t at = bytes.find(key) + key.size() + 4;
  const size_t length = chat_template_named(kChatTemplateId).jinja.size();
  const std::string other = "{{ unheard_of(messages) }}" + std::string(length - 26, ' ');
  bytes.replace(at + 8, length, other);
  const GgufModel read = import_gguf(sample.dir().write("g.gguf", bytes));
  EXPECT_EQ(read.tokenizer->chat_template(), nullptr);
  EXPECT_EQ(read.tokenizer->jinja(), other);
  EXPECT_EQ(read.tokenizer->end_tokens(), toy_tokenizer().end_tokens());
  write_checkpoint(sample.file("c"), {&read.model, &*read.tokenizer, {}, {}});
  EXPECT_EQ(Checkpoint::open(sample.file("c")).tokenizer().jinja(), other);
  export_gguf(Checkpoint::open(sample.file("c")), sample.file("h.gguf"), WeightEncoding::kF32);
  EXPECT_EQ(import_gguf(sample.file("h.gguf")).tokenizer->jinja(), other);
}

TEST(GgufTokenizer, LeavesOutRowsBeyondTheTokenizer) {
  const TempDir dir;
  ModelConfig config = minillm_testing::toy_config();
  config.vocab_size = 304;
  Model model(config);
  model.initialize(1);
  write_checkpoint(dir.file("c"), {&model, &toy_tokenizer(), {}, {}});
  export_gguf(Checkpoint::open(dir.file("c")), dir.file("g"), WeightEncoding::kF32);
  const GgufModel read = import_gguf(dir.file("g"));
  EXPECT_EQ(read.tokenizer->vocab_size(), 300);
  EXPECT_EQ(read.model.config().vocab_size, 304);
}

TEST_F(GgufImportOfHand, RefusesPiecesThatAreNoVocabulary) {
  const auto with_tokens = [&](uint64_t scores, int32_t type, const std::string& last) {
    GgufBytes file = tiny_gguf_model();
    file.pairs.pop_back();
    file.pairs.push_back({"tokenizer.ggml.model", gguf_text("llama")});
    std::string texts, numbers, types;
    for (const std::string& text :
         {std::string("<unk>"), std::string("<s>"), std::string("</s>"), std::string("a"), last}) {
      texts += gguf_string(text);
      numbers += gguf_raw(0.0f);
      types += gguf_raw<int32_t>(text == "<unk>" ? 2 : text == "a" ? 1 : text == last ? type : 3);
    }
    numbers.resize(scores * 4, '\0');
    file.pairs.push_back({"tokenizer.ggml.tokens", gguf_array(8, 5, texts)});
    file.pairs.push_back({"tokenizer.ggml.scores", gguf_array(6, scores, numbers)});
    file.pairs.push_back({"tokenizer.ggml.token_type", gguf_array(5, 5, types)});
    return read(file);
  };
  EXPECT_EQ(with_tokens(5, 1, "b").tokenizer->encode("b").back(), 4);
  EXPECT_ERROR(with_tokens(4, 1, "b"), "got 5 tokens, 4 scores and 5 types");
  EXPECT_ERROR(with_tokens(5, 7, "b"), "token 4 has the type 7: expected 1 to 6");
  EXPECT_ERROR(with_tokens(5, 1, "a"), "piece 4 'a' appears twice");
  EXPECT_ERROR(with_tokens(5, 1, ""), "piece 4 has a bad length");
}

}  // namespace
}  // namespace minillm
