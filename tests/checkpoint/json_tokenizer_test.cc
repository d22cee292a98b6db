// A checkpoint whose tokenizer is a tokenizer.json: loaded, saved again, and what its directory
// says of special tokens.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libminillm/checkpoint/hf_tokenizer_files.h"
#include "libminillm/core/file.h"
#include "tests/checkpoint/sample_checkpoint.h"
#include "tests/data/small_tokenizer_json.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace minillm {
namespace {

using minillm_testing::SampleCheckpoint;
using minillm_testing::small_tokenizer_json;
using minillm_testing::TempDir;
using minillm_testing::toy_tokenizer;
using nlohmann::json;
using testing::Contains;
using testing::Not;

class JsonTokenizerTest : public testing::Test {
 protected:
  Tokenizer load(const json& file, const std::map<std::string, json>& others = {}) {
    directory_.write("tokenizer.json", file.dump());
    for (const auto& [name, content] : others) directory_.write(name, content.dump());
    return load_hf_tokenizer(directory_.path());
  }
  TempDir directory_;
};

TEST_F(JsonTokenizerTest, IsSavedAsItWasLoaded) {
  const SampleCheckpoint sample;
  const std::string path = directory_.file("checkpoint");
  CheckpointContents contents = sample.contents();
  const Tokenizer tokenizer =
      load(small_tokenizer_json(),
           {{"tokenizer_config.json", {{"eos_token", "<|im_end|>"}, {"add_bos_token", false}}},
            {"generation_config.json", {{"eos_token_id", {263, 261}}, {"temperature", 0.7}}}});
  contents.tokenizer = &tokenizer;
  write_checkpoint(path, contents);
  EXPECT_THAT(list_directory(path), Contains("tokenizer.json"));
  EXPECT_THAT(list_directory(path), Not(Contains("tokenizer.model")));
  const json config = json::parse(read_file(join_path(path, "tokenizer_config.json")));
  EXPECT_EQ(config.at("tokenizer_class"), "PreTrainedTokenizerFast");
  EXPECT_EQ(config.at("eos_token"), "<|im_end|>");
  EXPECT_EQ(config.at("added_tokens_decoder").at("262").at("content"), "<|im_start|>");
  EXPECT_FALSE(config.contains("legacy"));

  const Checkpoint checkpoint = Checkpoint::open(path);
  ASSERT_TRUE(checkpoint.has_tokenizer());
  const Tokenizer again = checkpoint.tokenizer();
  EXPECT_EQ(again.bytes(), tokenizer.bytes());
  EXPECT_EQ(again.hash(), tokenizer.hash());
  EXPECT_EQ(again.end_tokens(), tokenizer.end_tokens());
  EXPECT_EQ(again.chat_template(), tokenizer.chat_template());
  EXPECT_EQ(again.encode(" the 123<think>"), tokenizer.encode(" the 123<think>"));
  EXPECT_FALSE(again.adds_bos());
}

// Nothing but tokenizer.json says what the special tokens are; saved, its neighbours say it, too.
TEST_F(JsonTokenizerTest, ItsHashIsTheSameWhenItIsSaved) {
  const Tokenizer alone = load(small_tokenizer_json());
  ModelConfig config;
  for (const auto& [name, content] : hf_tokenizer_files(config, alone))
    directory_.write(name, content);
  EXPECT_EQ(load_hf_tokenizer(directory_.path()).hash(), alone.hash());
}

TEST_F(JsonTokenizerTest, SentencepieceGoesFirst) {
  load(small_tokenizer_json());
  directory_.write("tokenizer.model", toy_tokenizer().bytes());
  EXPECT_EQ(load_hf_tokenizer(directory_.path()).bytes(), toy_tokenizer().bytes());
  EXPECT_EQ(tokenizer_file(directory_.path()), directory_.file("tokenizer.model"));
}

TEST_F(JsonTokenizerTest, ThePostProcessorSaysWhatStandsAroundATextUnlessItsNeighbourDoes) {
  ByteBpeSpec spec = minillm_testing::small_byte_bpe();
  const json none = json::parse(write_tokenizer_json(spec));
  spec.bos = 261;
  const json with_bos = json::parse(write_tokenizer_json(spec));
  EXPECT_FALSE(load(none, {{"tokenizer_config.json", {{"bos_token", "<s>"}}}}).adds_bos());
  EXPECT_TRUE(load(with_bos, {{"tokenizer_config.json", json::object()}}).adds_bos());
  EXPECT_EQ(load(with_bos).bos(), 261);
  EXPECT_FALSE(load(with_bos, {{"tokenizer_config.json", {{"add_bos_token", false}}}}).adds_bos());
  EXPECT_TRUE(load(none, {{"tokenizer_config.json",
                           {{"bos_token", {{"content", "<s>"}}}, {"add_bos_token", true}}}})
                  .adds_bos());
  EXPECT_EQ(load(none, {{"tokenizer_config.json", {{"bos_token", nullptr}}}}).bos(), -1);
}

TEST_F(JsonTokenizerTest, EndOfTextIsTheUsualEnd) {
  ByteBpeSpec spec = minillm_testing::small_byte_bpe("qwen2");
  spec.added.push_back({265, "<|endoftext|>", true});
  EXPECT_EQ(load(json::parse(write_tokenizer_json(spec))).eos(), 265);
}

TEST_F(JsonTokenizerTest, TokensMayComeFromItsNeighbours) {
  const json config = {{"added_tokens_decoder",
                        {{"265", {{"content", "<more>"}, {"special", false}}},
                         {"264", {{"content", "<think>"}, {"special", true}}}}}};
  const Tokenizer tokenizer =
      load(small_tokenizer_json(),
           {{"tokenizer_config.json", config}, {"config.json", {{"vocab_size", 300}}}});
  EXPECT_EQ(tokenizer.encode("a<more>"), (std::vector<Token>{'a', 265}));
  EXPECT_TRUE(tokenizer.is_control(264));
  EXPECT_THAT(tokenizer.encode("<think>"), Not(Contains(264)));
}

TEST_F(JsonTokenizerTest, ErrorsNameTheFile) {
  EXPECT_ERROR(load(json{{"model", {{"type", "WordPiece"}}}}),
               "tokenizer.json': its model 'WordPiece' is not supported: expected BPE");
  load(small_tokenizer_json());
  EXPECT_ERROR(load_hf_tokenizer(directory_.path(), 264),
               "tokenizer.json': has 265 pieces: expected at most the model's vocab_size = 264");
  directory_.write("tokenizer.json", "version https://git-lfs.github.com/spec/v1\noid sha256:1\n");
  EXPECT_ERROR(load_hf_tokenizer(directory_.path()), "expected JSON");
}

}  // namespace
}  // namespace minillm
