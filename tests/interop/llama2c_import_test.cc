// llama2.c's files, read: what others wrote, what we wrote ourselves, and broken ones.

#include "libminillm/interop/llama2c_import.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/core/file.h"
#include "libminillm/data/tokenizer.h"
#include "libminillm/generate/generator.h"
#include "libminillm/interop/llama2c.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/test_data.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::TempDir;
using minillm_testing::test_data_path;

template <typename T>
std::string raw(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

// A file of the legacy layout: dim 4, hidden 6, 1 layer, 2 heads, 1 kv head, 5 tokens, length 3.
// Its numbers count up from 1.
std::string legacy_file(std::array<int32_t, 7> header = {4, 6, 1, 2, 1, 5, 3}) {
  std::string bytes;
  for (const int32_t number : header) bytes += raw(number);
  const int numbers = 20 + 4 + 16 + 8 + 8 + 16 + 4 + 24 + 24 + 24 + 4 + 3 + 3;
  for (int i = 1; i <= numbers; ++i) bytes += raw(static_cast<float>(i));
  return bytes;
}

class Llama2cImport : public ::testing::Test {
 protected:
  Model read(const std::string& bytes) const {
    dir_.write("model.bin", bytes);
    return import_llama2c(dir_.file("model.bin"));
  }
  static std::vector<Real> tensor(const Model& model, const std::string& name) {
    const auto values = tensor_span(model.parameters(), *model.tensors().find(name));
    return {values.begin(), values.end()};
  }
  TempDir dir_;
};

TEST_F(Llama2cImport, PutsEveryNumberInItsPlace) {
  const Model model = read(legacy_file());
  EXPECT_TRUE(model.config().tie_word_embeddings);
  EXPECT_EQ(model.config().head_dim, 2);
  EXPECT_EQ(model.config().max_position_embeddings, 3);
  EXPECT_EQ(model.config().rms_norm_eps, 1e-5);
  EXPECT_EQ(tensor(model, "model.embed_tokens.weight")[19], 20);
  EXPECT_EQ(tensor(model, "model.layers.0.input_layernorm.weight"),
            (std::vector<Real>{21, 22, 23, 24}));
  // Two rows to a head: one pair, interleaved or not.
  EXPECT_EQ(tensor(model, "model.layers.0.self_attn.q_proj.weight")[15], 40);
  EXPECT_EQ(tensor(model, "model.layers.0.self_attn.k_proj.weight")[0], 41);
  EXPECT_EQ(tensor(model, "model.layers.0.self_attn.v_proj.weight")[0], 49);
  EXPECT_EQ(tensor(model, "model.layers.0.mlp.gate_proj.weight")[0], 77);
  EXPECT_EQ(tensor(model, "model.layers.0.mlp.down_proj.weight")[0], 101);
  EXPECT_EQ(tensor(model, "model.layers.0.mlp.up_proj.weight")[0], 125);
  EXPECT_EQ(tensor(model, "model.norm.weight")[3], 152);
}

TEST_F(Llama2cImport, ReadsVersion1) {
  // The same model: all norms first, no tables, a head of its own.
  std::string bytes = raw<uint32_t>(0x616b3432) + raw<int32_t>(1);
  for (const int32_t number : {4, 6, 1, 2, 1, 5, 3}) bytes += raw(number);
  bytes += '\0';
  bytes.resize(256, '\0');
  const int numbers = 4 + 4 + 4 + 20 + 16 + 8 + 8 + 16 + 24 + 24 + 24 + 20;
  for (int i = 1; i <= numbers; ++i) bytes += raw(static_cast<float>(i));
  const Model model = read(bytes);
  EXPECT_FALSE(model.config().tie_word_embeddings);
  EXPECT_EQ(tensor(model, "model.layers.0.input_layernorm.weight")[0], 1);
  EXPECT_EQ(tensor(model, "model.layers.0.post_attention_layernorm.weight")[0], 5);
  EXPECT_EQ(tensor(model, "model.norm.weight")[0], 9);
  EXPECT_EQ(tensor(model, "model.embed_tokens.weight")[0], 13);
  EXPECT_EQ(tensor(model, "model.layers.0.self_attn.q_proj.weight")[0], 33);
  EXPECT_EQ(tensor(model, "model.layers.0.mlp.up_proj.weight")[0], 129);
  EXPECT_EQ(tensor(model, "lm_head.weight")[0], 153);
  bytes[4] = 2;
  EXPECT_ERROR(read(bytes), "llama2.c version 2: expected the legacy layout or version 1");
  EXPECT_ERROR(read(bytes.substr(0, 200)), "header is cut off after 200 bytes");
}

TEST_F(Llama2cImport, RefusesWhatIsNoModel) {
  EXPECT_ERROR(read(""), "not a llama2.c model: expected at least 28 bytes, got 0");
  EXPECT_ERROR(read(legacy_file() + "x"), "its size does not fit its header");
  EXPECT_ERROR(read(legacy_file().substr(0, 600)), "its size does not fit its header");
  EXPECT_ERROR(read(legacy_file({4, 6, 1, 0, 1, 5, 3})), "expected a width that its heads divide");
  EXPECT_ERROR(read(legacy_file({5, 6, 1, 2, 1, 5, 3})), "expected a width that its heads divide");
  EXPECT_ERROR(read(legacy_file({4, 6, 1, 2, 3, 5, 3})), "num_key_value_heads");
  EXPECT_ERROR(read(legacy_file({4, -6, 1, 2, 1, 5, 3})), "intermediate_size");
  EXPECT_ERROR(read(legacy_file({4, 6, 2000000000, 2, 1, 5, 3})), "num_hidden_layers");
  EXPECT_ERROR(read(legacy_file({4, 6, 1, 2, 1, INT32_MIN, 3})), "vocab_size");
  EXPECT_ERROR(read(legacy_file({65536, 262144, 1024, 1024, 1, 4194304, 131072})),
               "its size does not fit its header");
  EXPECT_ERROR(read(legacy_file({4, 6, 1, 2, 1, 5, 131073})), "a context of at most 131072 tokens");
  std::string bad = legacy_file();
  bad.replace(28 + 4 * 30, 4, raw(std::numeric_limits<float>::quiet_NaN()));
  EXPECT_ERROR(read(bad), "self_attn.q_proj.weight' holds nan: expected finite numbers");
  EXPECT_ERROR(import_llama2c(dir_.file("nowhere.bin")), "nowhere.bin");
}

TEST_F(Llama2cImport, TakesBackWhatWasExported) {
  ModelConfig config = minillm_testing::toy_config();
  config.initializer_range = ModelConfig().initializer_range;  // the file does not say
  for (const bool tied : {true, false}) {
    config.tie_word_embeddings = tied;
    Model model(config);
    model.initialize(3);
    const std::string directory = dir_.file(tied ? "tied" : "untied");
    write_checkpoint(directory,
                     {.model = &model, .tokenizer = nullptr, .optimizer = {}, .state = {}});
    export_llama2c(Checkpoint::open(directory), dir_.file("exported.bin"));
    const Model again = import_llama2c(dir_.file("exported.bin"));
    EXPECT_EQ(again.config(), config);
    EXPECT_TRUE(std::ranges::equal(again.parameters(), model.parameters()));
  }
}

TEST_F(Llama2cImport, RefusesATokenizerThatIsNotTheModels) {
  std::string bytes = raw<uint32_t>(6);
  const auto add = [&](const std::string& text) {
    bytes += raw(0.0f) + raw(static_cast<uint32_t>(text.size())) + text;
  };
  for (const char* text : {"<unk>", "\n<s>\n", "\n</s>\n"}) add(text);
  for (int byte = 0; byte < 256; ++byte) add(fmt::format("<0x{:02X}>", byte));
  add(" a");
  const Tokenizer tokenizer =
      Tokenizer::from_bytes(import_llama2c_tokenizer(bytes, 260, "tok.bin"), "tok.bin");
  EXPECT_EQ(tokenizer.encode("a"), std::vector<Token>{259});
  EXPECT_EQ(tokenizer.decode(std::vector<Token>{259}), "a");
  EXPECT_EQ(tokenizer.bos(), 1);
  EXPECT_EQ(tokenizer.eos(), 2);
  EXPECT_EQ(tokenizer.pad(), -1);
  EXPECT_ERROR(import_llama2c_tokenizer(bytes, 261, "tok.bin"),
               "tokenizer 'tok.bin': cut off at id 260: expected 261 ids");
  EXPECT_ERROR(import_llama2c_tokenizer(bytes, 259, "tok.bin"), "10 bytes after the last id");
  EXPECT_ERROR(import_llama2c_tokenizer(bytes.substr(0, 100), 260, "tok.bin"), "cut off at id");
  EXPECT_ERROR(import_llama2c_tokenizer("", 260, "tok.bin"), "cut off at id 0");
  add(" a");
  EXPECT_ERROR(import_llama2c_tokenizer(bytes, 261, "tok.bin"), "appears twice");
}

class Stories260KBin : public ::testing::Test {
 protected:
  void SetUp() override { MINILLM_REQUIRE_TEST_DATA("weights/stories260K.bin"); }
  static Tokenizer tokenizer() {
    return Tokenizer::from_bytes(
        import_llama2c_tokenizer(read_file(test_data_path("weights/tok512.bin")), 512,
                                 "tok512.bin"),
        "tok512.bin");
  }
};

TEST_F(Stories260KBin, HasTheBitsOfItsHuggingFaceForm) {
  const Model imported = import_llama2c(test_data_path("weights/stories260K.bin"));
  const Model expected = Checkpoint::open(test_data_path("weights/stories260K_hf")).load_model();
  EXPECT_TRUE(std::ranges::equal(imported.parameters(), expected.parameters()));
}

// The text that llama2.c's own documentation shows for `run -t 0.0`.
TEST_F(Stories260KBin, TellsTheStoryThatRunCTells) {
  const Model model = import_llama2c(test_data_path("weights/stories260K.bin"));
  const Tokenizer own = tokenizer();
  GenerationConfig config;
  config.sampling.temperature = 0;
  config.max_tokens = 200;
  const std::string text = Generator(model, own).complete("Once upon a time", config);
  const std::string document = read_file(test_data_path("weights/stories260K.md"));
  const size_t begin = document.find("Once upon a time, there was a little girl");
  ASSERT_NE(begin, std::string::npos);
  EXPECT_EQ(document.substr(begin, 400), ("Once upon a time" + text).substr(0, 400));
}

TEST_F(Stories260KBin, TheTokenizerSplitsAsTheReferenceDoes) {
  const Tokenizer own = tokenizer();
  const auto reference =
      nlohmann::json::parse(read_file(test_data_path("weights/stories260K_reference.json")));
  size_t compared = 0;
  for (const auto& prompt : reference["cases"]) {
    if (!prompt.contains("text") && !prompt.contains("prompt")) continue;
    const std::string text = prompt[prompt.contains("text") ? "text" : "prompt"];
    std::vector<Token> ids = {own.bos()};
    const std::vector<Token> encoded = own.encode(text);
    ids.insert(ids.end(), encoded.begin(), encoded.end());
    EXPECT_EQ(ids, prompt["ids"].get<std::vector<Token>>()) << text;
    EXPECT_EQ(own.decode(encoded), text);
    ++compared;
  }
  EXPECT_GE(compared, 3u);
}

TEST_F(Stories260KBin, Llamas32000PiecesSplitAsTheirSentencepieceModelDoes) {
  const Tokenizer imported = Tokenizer::from_bytes(
      import_llama2c_tokenizer(read_file(test_data_path("weights/llama_tokenizer.bin")), 32000,
                               "llama_tokenizer.bin"),
      "llama_tokenizer.bin");
  const Tokenizer original = Tokenizer::load(test_data_path("weights/llama_tokenizer.model"));
  std::string text = read_file(test_data_path("pretrain/tinystories_v1_train_head.txt"));
  text.resize(100000);
  text += " \xc3\xa9t\xc3\xa9 \xe4\xb8\xad\xe6\x96\x87 \xf0\x9f\x98\x80  two  spaces\t\n\n";
  EXPECT_EQ(imported.encode(text), original.encode(text));
}

}  // namespace
}  // namespace minillm
