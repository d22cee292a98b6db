#include "libminillm/eval/compare.h"

#include <gtest/gtest.h>

#include <numeric>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/eval/sequence_scores.h"
#include "libminillm/generate/chat.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/tiny_model.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::toy_model;
using minillm_testing::toy_tokenizer;

class Compare : public ::testing::Test {
 protected:
  // Writes a checkpoint whose last stage is `stage`; `taught`: its chat template, "" for none.
  std::string write(const std::string& name, const std::string& stage, const std::string& taught) {
    CheckpointContents contents;
    contents.model = &model_;
    contents.tokenizer = &toy_tokenizer();
    LineageEntry entry;
    entry.stage = stage;
    if (!taught.empty()) entry.hashes["template"] = taught;
    contents.state.lineage = {entry};
    write_checkpoint(dir_.file(name), contents);
    return dir_.file(name);
  }

  minillm_testing::TempDir dir_;
  const Model model_ = toy_model(1, 200);
  const std::vector<Prompt> prompts_ = {{{Role::kUser, "the goat"}}, {{Role::kUser, "a name"}}};
  GenerationConfig config_ = [] {
    GenerationConfig config;
    config.sampling.temperature = 0;
    config.max_tokens = 10;
    return config;
  }();
};

TEST_F(Compare, ShowsABaseModelAsTextAndAsChatAndTheOthersAsChat) {
  const std::string base = write("a", "pretrain", ""), sft = write("b", "sft", kChatTemplateId);
  const Comparison result = compare_checkpoints({base, sft}, prompts_, config_);
  EXPECT_EQ(result.columns,
            (std::vector<std::string>{"pretrain (text)", "pretrain (chat)", "sft"}));
  ASSERT_EQ(result.rows.size(), 2u);

  Generator generator(model_, toy_tokenizer());
  for (size_t i = 0; i < prompts_.size(); ++i) {
    const std::vector<ComparedAnswer>& answers = result.rows[i].answers;
    ASSERT_EQ(answers.size(), 3u);
    EXPECT_EQ(answers[0].text, generator.complete(prompts_[i][0].content, config_));
    const Generation chat =
        generator.generate(render_prompt(toy_tokenizer(), prompts_[i]), config_);
    EXPECT_EQ(answers[1].text, strip_template_space(chat.text));
    EXPECT_EQ(answers[2].text, answers[1].text);
  }
}

TEST_F(Compare, MeasuresTheAnswersTokens) {
  const Comparison result =
      compare_checkpoints({write("b", "sft", kChatTemplateId)}, prompts_, config_);
  const std::vector<Token> prompt = render_prompt(toy_tokenizer(), prompts_[0]);
  const Generation generation = Generator(model_, toy_tokenizer()).generate(prompt, config_);
  std::vector<Token> tokens = prompt;
  tokens.insert(tokens.end(), generation.tokens.begin(), generation.tokens.end());
  const std::vector<Real> logp = token_log_probs(model_, tokens);
  const auto count = std::ssize(generation.tokens);
  ASSERT_GT(count, 0);

  const ComparedAnswer& answer = result.rows[0].answers[0];
  EXPECT_EQ(answer.tokens, count);
  EXPECT_EQ(answer.ended, generation.reason == StopReason::kEndToken);
  EXPECT_NEAR(answer.mean_log_prob,
              std::accumulate(logp.end() - count, logp.end(), 0.0) / static_cast<double>(count),
              1e-9);
}

TEST_F(Compare, NamesCheckpointsByPathWhereTheStageIsAmbiguous) {
  const std::string one = write("one", "sft", kChatTemplateId);
  const std::string two = write("two", "sft", kChatTemplateId);
  EXPECT_EQ(compare_checkpoints({one, two}, prompts_, config_).columns,
            (std::vector<std::string>{one, two}));
}

TEST_F(Compare, HasAColumnForAdaptersOnACheckpoint) {
  const std::string base = write("base", "pretrain", "");
  Model adapted = toy_model(1, 200);
  const auto adapter = minillm_testing::random_adapter(adapted.config());
  for (Real& w : adapter->parameters()) w *= 8;
  adapter->base_path = base, adapter->base_hash = Checkpoint::open(base).weights_hash();
  adapted.adapt(adapter);
  const std::string own = dir_.file("adapter");
  write_checkpoint(own, {&adapted, nullptr, {}, {}});
  const std::vector<CheckpointSource> sources = {{base}, {base, {{own, 1}}}, {base, {{own, 0.5}}}};
  const Comparison result = compare_checkpoints(sources, prompts_, config_);
  ASSERT_EQ(result.columns.size(), 6u);
  EXPECT_EQ(result.columns[1], "pretrain (chat)");
  EXPECT_EQ(result.columns[3], base + " + " + own + " (chat)");
  EXPECT_EQ(result.columns[5], base + " + " + own + ":0.5 (chat)");
  for (size_t i = 0; i < prompts_.size(); ++i) {
    const auto& answers = result.rows[i].answers;
    EXPECT_EQ(answers[2].text,
              Generator(adapted, toy_tokenizer()).complete(prompts_[i][0].content, config_));
    EXPECT_NE(answers[2].text, answers[0].text);
  }
}

TEST_F(Compare, RefusesAnotherChatTemplate) {
  EXPECT_ERROR(compare_checkpoints({write("c", "sft", "other-v1")}, prompts_, config_),
               "expected 'other-v1'");
}

TEST(FormatComparison, AlignsAndWrapsToTheWidth) {
  Comparison comparison;
  comparison.columns = {"pretrain (text)", "dpo"};
  comparison.rows.push_back(
      {{{Role::kSystem, "Be brief."}, {Role::kUser, "Who is the cooper?"}},
       {{"is known by all.\n\n \nOne day the cooper went to the\t caf\xc3\xa9.", 64, false, -0.5},
        {"Jofick.", 3, true, -0.0123}}});
  EXPECT_EQ(format_comparison(comparison, 70),
            "  stage            answer                       tokens  ended    log p\n"
            "\n"
            "[Be brief.] Who is the cooper?\n"
            "  pretrain (text)  is known by all.                 64  no      -0.500\n"
            "                   One day the cooper went to\n"
            "                   the\\x09 caf\xc3\xa9.\n"
            "  dpo              Jofick.                           3  yes     -0.012\n");
}

TEST(FormatComparison, BreaksWordsThatAreTooLong) {
  Comparison comparison;
  comparison.columns = {"sft"};
  comparison.rows.push_back({{{Role::kUser, "q"}}, {{std::string(45, 'x'), 1, true, 0}}});
  const std::string table = format_comparison(comparison, 10);  // the answer keeps 20 characters
  EXPECT_NE(table.find("  " + std::string(20, 'x') + "       1"), std::string::npos) << table;
  EXPECT_NE(table.find("         " + std::string(20, 'x') + "\n"), std::string::npos) << table;
  EXPECT_NE(table.find("         xxxxx\n"), std::string::npos) << table;
}

}  // namespace
}  // namespace minillm
