// A checkpoint with a tokenizer.json, exported: GGUF's "gpt2" vocabulary.

#include <gtest/gtest.h>

#include <filesystem>

#include "libminillm/core/file.h"
#include "libminillm/interop/gguf_export.h"
#include "libminillm/interop/gguf_import.h"
#include "libminillm/interop/hf_export.h"
#include "libminillm/interop/llama2c.h"
#include "tests/checkpoint/sample_checkpoint.h"
#include "tests/data/small_tokenizer_json.h"
#include "tests/interop/gguf_reader.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace minillm {
namespace {

using minillm_testing::GgufFile;
using minillm_testing::SampleCheckpoint;
using minillm_testing::small_llama2_json;
using minillm_testing::small_tokenizer_json;
using minillm_testing::TempDir;
using nlohmann::json;

class JsonTokenizerExport : public testing::Test {
 protected:
  // A checkpoint of 300 ids with this tokenizer.
  Checkpoint checkpoint(const json& file) {
    const SampleCheckpoint sample;
    const Tokenizer tokenizer = Tokenizer::from_bytes(file.dump(), "t");
    CheckpointContents contents = sample.contents();
    contents.tokenizer = &tokenizer;
    const std::string path = directory_.file("checkpoint");
    std::filesystem::remove_all(path);
    write_checkpoint(path, contents);
    return Checkpoint::open(path);
  }
  GgufFile exported(const json& file, std::vector<std::string>& warnings) {
    const std::string path = directory_.file("model.gguf");
    std::filesystem::remove(path);
    warnings = export_gguf(checkpoint(file), path, WeightEncoding::kF32).warnings;
    return minillm_testing::parse_gguf(read_file(path));
  }
  TempDir directory_;
};

TEST_F(JsonTokenizerExport, GgufHoldsTokensMergesAndHowWordsAreCut) {
  std::vector<std::string> warnings;
  GgufFile file = exported(small_tokenizer_json(), warnings);
  EXPECT_TRUE(warnings.empty());
  EXPECT_EQ(file.values.at("tokenizer.ggml.model").text, "gpt2");
  EXPECT_EQ(file.values.at("tokenizer.ggml.pre").text, "llama-bpe");
  const std::vector<std::string>& tokens = file.values.at("tokenizer.ggml.tokens").texts;
  const std::vector<double>& types = file.values.at("tokenizer.ggml.token_type").numbers;
  ASSERT_EQ(tokens.size(), 300u);
  ASSERT_EQ(types.size(), 300u);
  EXPECT_EQ(tokens[258], "\xc4\xa0the");
  EXPECT_EQ(types[258], 1);
  EXPECT_EQ(tokens[263], "<|im_end|>");
  EXPECT_EQ(types[263], 3);  // control
  EXPECT_EQ(types[264], 4);  // user-defined
  EXPECT_EQ(tokens[299], "[PAD299]");
  EXPECT_EQ(types[299], 5);  // unused
  EXPECT_EQ(file.values.at("tokenizer.ggml.merges").texts,
            (std::vector<std::string>{"\xc4\xa0 t", "h e", "\xc4\xa0t he", "1 2", "12 3"}));
  EXPECT_FALSE(file.values.contains("tokenizer.ggml.scores"));
  EXPECT_EQ(file.values.at("tokenizer.ggml.bos_token_id").number, 261);
  EXPECT_EQ(file.values.at("tokenizer.ggml.eot_token_id").number, 263);
  EXPECT_EQ(file.values.at("tokenizer.ggml.add_space_prefix").number, 0);

  for (const char* pre : {"gpt-2", "smollm"}) {
    file = exported(small_tokenizer_json(pre), warnings);
    EXPECT_EQ(file.values.at("tokenizer.ggml.pre").text, pre);
  }
}

// What goes out comes in again: the same ids, and the same file when it goes out once more.
TEST_F(JsonTokenizerExport, GgufBringsTheTokenizerBack) {
  std::vector<std::string> warnings;
  for (const char* pre : {"llama-bpe", "gpt-2", "smollm", "qwen2"}) {
    SCOPED_TRACE(pre);
    exported(small_tokenizer_json(pre), warnings);
    const std::string path = directory_.file("model.gguf"), bytes = read_file(path);
    const Tokenizer before = Checkpoint::open(directory_.file("checkpoint")).tokenizer();
    const GgufModel read = import_gguf(path);
    ASSERT_TRUE(read.tokenizer);
    ASSERT_EQ(read.tokenizer->vocab_size(), before.vocab_size());
    for (Token id = 0; id < before.vocab_size(); ++id) {
      EXPECT_EQ(read.tokenizer->token_bytes(id), before.token_bytes(id)) << id;
      EXPECT_EQ(read.tokenizer->is_control(id), before.is_control(id)) << id;
    }
    for (const char* text : {"the 123 he<|im_end|> the", " \n\n it's \xc3\xa9<tool>12", "  t h e"})
      EXPECT_EQ(read.tokenizer->encode(text), before.encode(text)) << text;
    EXPECT_EQ(read.tokenizer->bos(), before.bos());
    // A file names an EOS: where the tokenizer has none, what ends an answer.
    EXPECT_EQ(read.tokenizer->eos(), before.end_tokens().front());
    EXPECT_EQ(read.tokenizer->adds_bos(), before.adds_bos());
    EXPECT_EQ(read.tokenizer->end_tokens(), before.end_tokens());

    const std::string again = directory_.file("again");
    std::filesystem::remove_all(again);
    write_checkpoint(again, {.model = &read.model,
                             .tokenizer = &*read.tokenizer,
                             .optimizer = {},
                             .state = SampleCheckpoint().contents().state});
    export_gguf(Checkpoint::open(again), path, WeightEncoding::kF32);
    EXPECT_EQ(read_file(path), bytes);
  }
}

// A file may call one of its ordinary tokens BOS: then it is one, and no text gives it.
TEST_F(JsonTokenizerExport, WhatGgufCallsBosIsAControlToken) {
  std::vector<std::string> warnings;
  exported(small_tokenizer_json(), warnings);
  const std::string path = directory_.file("model.gguf"), key = "tokenizer.ggml.bos_token_id";
  std::string bytes = read_file(path);
  const size_t at = bytes.find(key) + key.size() + 4;
  bytes.replace(at, 4, std::string("\x02\x01\0\0", 4));  // 258, "\u0120the"
  const GgufModel read = import_gguf(directory_.write("other.gguf", bytes));
  EXPECT_EQ(read.tokenizer->bos(), 258);
  EXPECT_TRUE(read.tokenizer->is_control(258));
  for (const Token id : read.tokenizer->encode("a the the")) EXPECT_NE(id, 258);
}

TEST_F(JsonTokenizerExport, WhatGgufCannotSayIsToldOrRefused) {
  std::vector<std::string> warnings;
  if (json file = small_tokenizer_json("qwen2"); true) {
    EXPECT_EQ(exported(file, warnings).values.at("tokenizer.ggml.pre").text, "qwen2");
    ASSERT_EQ(warnings.size(), 1u);
    EXPECT_NE(warnings[0].find("normalization form C"), std::string::npos);
  }
  json other = small_tokenizer_json();
  other["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "\\p{L}+";
  EXPECT_ERROR(exported(other, warnings), "its pre_tokenizer is none that has a name there");
  EXPECT_ERROR(exported(small_llama2_json(), warnings), "expected byte-level BPE");
}

TEST_F(JsonTokenizerExport, HuggingFaceDirectoriesHoldTheFileAndLlama2cRefusesIt) {
  const Checkpoint with_json = checkpoint(small_tokenizer_json());
  const std::string path = directory_.file("exported");
  EXPECT_TRUE(export_hf(with_json, path, WeightEncoding::kF32, {}).warnings.empty());
  EXPECT_EQ(read_file(join_path(path, "tokenizer.json")), with_json.tokenizer().bytes());
  EXPECT_ERROR(llama2c_tokenizer(with_json.tokenizer(), "checkpoint"),
               "cannot be exported to llama2.c: expected a sentencepiece model");
}

}  // namespace
}  // namespace minillm
