// What a model directory says of its special tokens: read, used, kept, exported.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "libminillm/checkpoint/hf_config.h"
#include "libminillm/checkpoint/hf_tokenizer_files.h"
#include "libminillm/core/file.h"
#include "tests/data/test_tokenizer.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace minillm {
namespace {

using minillm_testing::TempDir;
using minillm_testing::test_tokenizer;
using nlohmann::json;
using testing::ElementsAre;
using testing::IsEmpty;

class SpecialTokensTest : public testing::Test {
 protected:
  // The test tokenizer (380 pieces) in a directory of a model with 390 ids.
  Tokenizer load(const std::map<std::string, json>& files) {
    directory_.write("tokenizer.model", test_tokenizer().bytes());
    for (const char* name : {"config.json", "generation_config.json", "tokenizer_config.json",
                             "added_tokens.json", "special_tokens_map.json"})
      remove_all(directory_.file(name));
    directory_.write("config.json", R"({"vocab_size": 390})");
    for (const auto& [name, content] : files) directory_.write(name, content.dump());
    return load_hf_tokenizer(directory_.path());
  }
  static json with_vocabulary(json config) {
    config["vocab_size"] = 390;
    return config;
  }
  TempDir directory_;
};

TEST_F(SpecialTokensTest, TheModelFileAloneSaysWhatItAlwaysDid) {
  const Tokenizer tokenizer = load({});
  EXPECT_EQ(tokenizer.hash(), test_tokenizer().hash());
  EXPECT_EQ(tokenizer.end_tokens(), test_tokenizer().end_tokens());
  EXPECT_TRUE(tokenizer.adds_bos());
}

TEST_F(SpecialTokensTest, EndsAreOneManyOrNone) {
  EXPECT_THAT(load({{"config.json", with_vocabulary({{"eos_token_id", {2, 300}}})}}).end_tokens(),
              ElementsAre(2, 5, 300));
  EXPECT_THAT(load({{"generation_config.json", {{"eos_token_id", {300, 301}}}}}).end_tokens(),
              ElementsAre(2, 5, 300, 301));
  // As in transformers, generation_config.json counts where it says something.
  EXPECT_THAT(load({{"config.json", with_vocabulary({{"eos_token_id", 300}})},
                    {"generation_config.json", {{"eos_token_id", 301}}}})
                  .end_tokens(),
              ElementsAre(2, 5, 301));
  EXPECT_THAT(load({{"config.json", with_vocabulary({{"eos_token_id", 32000}})}}).end_tokens(),
              ElementsAre(2, 5))
      << "an id outside the vocabulary is left over from somewhere";
  EXPECT_THAT(load({{"config.json", with_vocabulary({{"eos_token_id", nullptr}})}}).end_tokens(),
              ElementsAre(2, 5));
}

TEST_F(SpecialTokensTest, NamesAreTextsOrObjects) {
  const std::string piece = test_tokenizer().piece(300);
  for (const json& eos : {json(piece), json({{"content", piece}})}) {
    const Tokenizer tokenizer = load({{"tokenizer_config.json", {{"eos_token", eos}}}});
    EXPECT_EQ(tokenizer.eos(), 300);
    EXPECT_TRUE(tokenizer.is_control(300)) << "no text may produce it";
    EXPECT_NE(tokenizer.hash(), test_tokenizer().hash());
  }
  EXPECT_EQ(load({{"special_tokens_map.json", {{"eos_token", piece}}}}).eos(), 300);
  const Tokenizer none = load({{"tokenizer_config.json", {{"bos_token", nullptr}}}});
  EXPECT_EQ(none.bos(), -1);
  EXPECT_FALSE(none.adds_bos());
  EXPECT_FALSE(load({{"tokenizer_config.json", {{"add_bos_token", false}}}}).adds_bos());
}

TEST_F(SpecialTokensTest, AddedTokensAreSampledDecodedAndNotTyped) {
  const json decoder = {{"380", {{"content", "<|x|>"}, {"special", true}}},
                        {"382", {{"content", "plain"}, {"special", false}}},
                        {"400", {{"content", "<|y|>"}, {"special", true}}}};
  const Tokenizer tokenizer =
      load({{"tokenizer_config.json", {{"added_tokens_decoder", decoder}, {"eos_token", "<|x|>"}}},
            {"added_tokens.json", {{"<|z|>", 383}}}});
  EXPECT_EQ(tokenizer.vocab_size(), 384) << "400 is outside the model's vocabulary";
  EXPECT_EQ(tokenizer.eos(), 380);
  EXPECT_EQ(tokenizer.piece(381), "[PAD381]");
  EXPECT_TRUE(tokenizer.is_control(383));
  const std::vector<Token> ids = {380, 382, 383};
  EXPECT_EQ(tokenizer.decode(ids), "plain");
  for (const Token id : tokenizer.encode("a <|x|> b <|z|>")) EXPECT_LT(id, 380);
}

TEST_F(SpecialTokensTest, PiecesOfAnotherTypeAreSpecialIfTheDirectorySaysSo) {
  const std::string piece = test_tokenizer().piece(290);
  const Tokenizer tokenizer = load({{"tokenizer_config.json",
                                     {{"added_tokens_decoder",
                                       {{"290", {{"content", piece}, {"special", true}}},
                                        {"291", {{"content", "other"}, {"special", true}}}}}}}});
  EXPECT_TRUE(tokenizer.is_control(290));
  EXPECT_FALSE(tokenizer.is_control(291)) << "another text has that id";
  EXPECT_EQ(tokenizer.control(piece), 290);
}

TEST_F(SpecialTokensTest, AStageKeepsThem) {
  const Tokenizer tokenizer =
      load({{"config.json", with_vocabulary({{"eos_token_id", {2, 300}}})},
            {"generation_config.json",
             {{"eos_token_id", {2, 300}}, {"do_sample", true}, {"top_p", 0.9}}},
            {"tokenizer_config.json", {{"add_bos_token", false}, {"add_prefix_space", false}}},
            {"added_tokens.json", {{"<|z|>", 380}}}});
  ModelConfig config;
  config.vocab_size = 390;
  std::map<std::string, json> files;
  for (const auto& [name, content] : hf_tokenizer_files(config, tokenizer))
    if (name.ends_with(".json")) files[name] = json::parse(content);
  files["config.json"] = json::parse(hf_config_json(config, &tokenizer));
  EXPECT_EQ(files["config.json"]["eos_token_id"], json({2, 300}));
  EXPECT_EQ(files["generation_config.json"]["eos_token_id"], json({2, 5, 300}));
  EXPECT_EQ(files["generation_config.json"]["top_p"], 0.9);
  EXPECT_EQ(files["generation_config.json"]["do_sample"], true);
  EXPECT_EQ(files["tokenizer_config.json"]["add_bos_token"], false);
  const Tokenizer again = load(files);
  EXPECT_EQ(again.end_tokens(), tokenizer.end_tokens());
  EXPECT_EQ(again.vocab_size(), 381);
  EXPECT_EQ(again.hash(), tokenizer.hash());
  EXPECT_FALSE(again.adds_bos());
}

TEST_F(SpecialTokensTest, FilesThatAreNoneAreNamed) {
  directory_.write("tokenizer.model", "version https://git-lfs.github.com/spec/v1\noid sha256:1\n");
  EXPECT_ERROR(load_hf_tokenizer(directory_.path()), "git lfs pull");
  directory_.write("tokenizer.model", test_tokenizer().bytes());
  directory_.write("tokenizer_config.json", "<!DOCTYPE html><html>");
  EXPECT_ERROR(load_hf_tokenizer(directory_.path()), "expected JSON, got an HTML page");
  directory_.write("tokenizer_config.json", "[]");
  EXPECT_ERROR(load_hf_tokenizer(directory_.path()), "expected a JSON object");
}

}  // namespace
}  // namespace minillm
