#include "libminillm/checkpoint/hf_tokenizer_files.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "libminillm/data/chat_template.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/test_data.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::toy_config;
using minillm_testing::toy_tokenizer;
using nlohmann::json;

TEST(HfTokenizerFiles, TellOtherProgramsHowToTokenize) {
  const auto files = hf_tokenizer_files(toy_config(), toy_tokenizer());
  EXPECT_EQ(files.at("tokenizer.model"), toy_tokenizer().bytes());
  const json config = json::parse(files.at("tokenizer_config.json"));
  EXPECT_EQ(config.at("tokenizer_class"), "LlamaTokenizer");
  EXPECT_EQ(config.at("bos_token"), "<s>");
  EXPECT_EQ(config.at("eos_token"), "</s>");
  EXPECT_EQ(config.at("unk_token"), "<unk>");
  EXPECT_EQ(config.at("pad_token"), "<pad>");
  EXPECT_EQ(config.at("add_bos_token"), true);
  EXPECT_EQ(config.at("add_eos_token"), false);
  EXPECT_EQ(config.at("add_prefix_space"), false);
  EXPECT_EQ(config.at("legacy"), false);
  EXPECT_EQ(config.at("model_max_length"), 64);
}

TEST(HfTokenizerFiles, ListEveryControlPieceAndNoOther) {
  const auto files = hf_tokenizer_files(toy_config(), toy_tokenizer());
  const json added = json::parse(files.at("tokenizer_config.json")).at("added_tokens_decoder");
  EXPECT_EQ(added.size(), 6u);
  const char* expected[] = {"<unk>", "<s>", "</s>", "<pad>", "<|im_start|>", "<|im_end|>"};
  for (int id = 0; id < 6; ++id) {
    const json& token = added.at(std::to_string(id));
    EXPECT_EQ(token.at("content"), expected[id]);
    EXPECT_EQ(token.at("special"), true);
    EXPECT_EQ(token.at("normalized"), false);
  }
  const json names = json::parse(files.at("special_tokens_map.json"));
  EXPECT_EQ(names.at("additional_special_tokens"), json({"<|im_start|>", "<|im_end|>"}));
}

TEST(HfTokenizerFiles, EndAnswersAndTexts) {
  const json j =
      json::parse(hf_tokenizer_files(toy_config(), toy_tokenizer()).at("generation_config.json"));
  EXPECT_EQ(j.at("eos_token_id"), json({2, 5}));
  EXPECT_EQ(j.at("bos_token_id"), 1);
  EXPECT_EQ(j.at("pad_token_id"), 3);
}

TEST(HfTokenizerFiles, HoldTheChatTemplateTwice) {
  const auto files = hf_tokenizer_files(toy_config(), toy_tokenizer());
  EXPECT_EQ(files.at("chat_template.jinja"), chat_template_named(kChatTemplateId).jinja);
  EXPECT_EQ(json::parse(files.at("tokenizer_config.json")).at("chat_template"),
            chat_template_named(kChatTemplateId).jinja);
}

// A directory with the toy tokenizer and these files.
Tokenizer load_with(const std::map<std::string, std::string>& files) {
  const minillm_testing::TempDir dir;
  for (const auto& [name, content] : files) dir.write(name, content);
  return load_hf_tokenizer(dir.path());
}

TEST(HfTokenizerFiles, GiveBackTheTemplateTheyWereWrittenWith) {
  for (const char* id : {"chatml-space-v1", "chatml", "zephyr", "llama-2"}) {
    const Tokenizer tokenizer = toy_tokenizer().with_chat_template(chat_template_named(id));
    auto files = hf_tokenizer_files(toy_config(), tokenizer);
    EXPECT_EQ(load_with(files).chat_template(), tokenizer.chat_template()) << id;
    // Newer programs keep it in the file alone.
    files["tokenizer_config.json"] = R"({"tokenizer_class": "LlamaTokenizer"})";
    EXPECT_EQ(load_with(files).chat_template(), tokenizer.chat_template()) << id;
  }
}

TEST(HfTokenizerFiles, ATemplateThatIsNotKnownIsRefusedWhenItIsNeeded) {
  const auto load = [](const std::string& jinja) {
    return load_with({{"tokenizer.model", toy_tokenizer().bytes()},
                      {"tokenizer_config.json", json{{"chat_template", jinja}}.dump()}});
  };
  EXPECT_ERROR(render_prompt(load("{{ messages }}"), {{Role::kUser, "x"}}),
               "is none that is known (options.chat_template chooses one that is)");
  EXPECT_ERROR(render_prompt(load(chat_template_named("llama-3").jinja), {{Role::kUser, "x"}}),
               "the chat template 'llama-3' needs the control piece '<|begin_of_text|>'");
  EXPECT_EQ(load("{{ messages }}").encode("goose"), toy_tokenizer().encode("goose"));
}

TEST(HfTokenizerFiles, LeaveOutTheTemplateWithoutChatMarkers) {
  MINILLM_REQUIRE_TEST_DATA("weights/spm_bpe512_tinystories.model");
  const Tokenizer tokenizer =
      Tokenizer::load(minillm_testing::test_data_path("weights/spm_bpe512_tinystories.model"));
  const auto files = hf_tokenizer_files(toy_config(), tokenizer);
  EXPECT_FALSE(files.contains("chat_template.jinja"));
  EXPECT_FALSE(json::parse(files.at("tokenizer_config.json")).contains("chat_template"));
  EXPECT_FALSE(json::parse(files.at("special_tokens_map.json")).contains("pad_token"));
  EXPECT_EQ(json::parse(files.at("generation_config.json")).at("eos_token_id"), json({2}));
}

}  // namespace
}  // namespace minillm
