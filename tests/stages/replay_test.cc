// Text of an earlier stage among a stage's own: how much, which, and what is said of it.

#include "libminillm/stage/replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/stages/stages_fixture.h"
#include "tests/testing/expect_error.h"

namespace minillm_testing {
namespace {

using testing::HasSubstr;

std::vector<Real> parameters(const Model& model) {
  return {model.parameters().begin(), model.parameters().end()};
}

std::string said_by(const std::function<void(const TrainerEvents&)>& run) {
  std::string said;
  TrainerEvents events;
  events.on_message = [&](const std::string& message) { said += message + "\n"; };
  run(events);
  return said;
}

StageOptions with_replay(StageOptions options, const std::string& file) {
  options.replay_files = {file};
  return options;
}

TEST(ReplayShare, IsOfAllTokensOrOfThoseThatCarryLoss) {
  const TokenCount own = {1000, 290};
  EXPECT_EQ((ReplayShare{"k", 0.2}).wanted(own), 250);
  EXPECT_EQ((ReplayShare{"k", 0.5, true}).wanted(own), 290);
  EXPECT_EQ((ReplayShare{"k", 0}).wanted(own), 0);
  EXPECT_EQ(describe_replay({"k", 0.2}, own, {250, 245}),
            "replay: 250 tokens of text beside 1000 of the stage's own data: 20.0 % of all tokens, "
            "45.8 % of those that carry loss");
  EXPECT_THAT(describe_replay({"a.share", 0.5, true}, own, {110, 100}),
              HasSubstr("warning: replay: a.share = 0.5 takes 290 tokens of text that carry loss, "
                        "and the replayed files hold only 100: 9.9 % of all tokens, 25.6 % of "
                        "those that carry loss (replay more text, or lower a.share)"));
  for (const double share : {-0.1, 1.0, std::numeric_limits<double>::quiet_NaN()})
    EXPECT_ERROR((ReplayShare{"a.share", share}).validate(),
                 "config: a.share: expected a number from 0 to below 1");
}

// Files go through a shard, rows in memory do not.
TEST_F(Stages, TheSameDocumentsAreDrawnFromAShardAndFromMemory) {
  const Tokenizer tokenizer = Checkpoint::open(world_->file("base")).tokenizer();
  const std::vector<std::string> files = {world_->file("pretrain.jsonl")};
  const std::string path = world_->file("drawn.tokens");
  write_token_shard(path, files, DocumentSplit::kBlankLine, BadRecordPolicy::kError, tokenizer);
  const TokenShard shard = TokenShard::open(path, tokenizer.vocab_size());
  const auto documents = read_documents(files, BadRecordPolicy::kError).records;
  const ReplayShare share{"k", 0.2};
  const TokenCount own = {4000, 4000};
  const auto drawn = draw_documents(documents, tokenizer, 30, share, own, 7).sequences;
  const auto windows = draw_windows(shard, 30, share, own, 7);
  ASSERT_EQ(windows.size(), drawn.size());
  for (size_t i = 0; i < windows.size(); ++i) {
    std::vector<Token> tokens;
    shard.slice(windows[i].document, windows[i].begin, windows[i].end, tokens);
    EXPECT_EQ(tokens, drawn[i].tokens) << i;
  }
  EXPECT_EQ(count_tokens(windows).tokens, count_tokens(drawn).tokens);
  EXPECT_EQ(count_tokens(windows).targets, count_tokens(drawn).targets);
  EXPECT_GE(count_tokens(windows).tokens, 1000);
  EXPECT_LT(count_tokens(windows).tokens, 1200);
  EXPECT_NE(draw_windows(shard, 30, share, own, 8).front().document, windows.front().document);
}

TEST_F(Stages, ContinuedPretrainingReplaysTextAndResumesToTheByte) {
  const std::string before = world_->file("pretrain.jsonl");
  StageOptions options =
      with_replay(world_->options("pretrain_eval.jsonl", "", "retold", "base"), before);
  PretrainConfig config = small_pretrain();
  config.train.steps = 6;
  const std::string said =
      said_by([&](const TrainerEvents& events) { pretrain(config, options, events); });
  EXPECT_THAT(said, testing::ContainsRegex("replay: [0-9]+ tokens of text beside [0-9]+ of the "
                                           "stage's own data: 2[01]\\.[0-9] % of all tokens"));
  const auto run = [&](const std::string& out, const TrainerEvents& events = {}) {
    options.out = world_->file(out);
    return pretrain(config, options, events);
  };
  run("retold-resumed", stop_after(3));
  options.resume = true;
  run("retold-resumed");
  EXPECT_EQ(weights("retold-resumed"), weights("retold"));
  options.replay_files = {world_->file("pretrain_eval.jsonl")};
  EXPECT_ERROR(run("retold"), "the hash of 'replay' was ");
  options.replay_files.clear();
  EXPECT_ERROR(run("retold"), "the hash of 'replay' was ");
  options.resume = false;
  run("not-retold");
  EXPECT_NE(weights("not-retold"), weights("retold"));

  StageOptions start;
  start.init_from = world_->file("base");
  StageModel model = open_starting_point(start);
  PretrainData data;
  data.train = read_documents({world_->file("pretrain_eval.jsonl")}, BadRecordPolicy::kError);
  data.replay = read_documents({before}, BadRecordPolicy::kError);
  pretrain(config, data, model);
  EXPECT_EQ(parameters(model.model),
            parameters(Checkpoint::open(world_->file("retold")).load_model()));
  config.replay_share = 1;
  EXPECT_ERROR(pretrain(config, data, model), "config: pretrain.replay_share");
}

TEST_F(Stages, SftTellsWhichShareOfTheLossIsReplayAndTakesThatShareIfAsked) {
  const StageOptions options = with_replay(
      world_->options("sft.jsonl", "", "share-of-loss", "base"), world_->file("pretrain.jsonl"));
  SftConfig config = small_sft();
  config.train.steps = 1;
  const auto run = [&](const std::string& out) {
    StageOptions there = options;
    there.out = world_->file(out);
    return said_by([&](const TrainerEvents& events) { sft(config, there, events); });
  };
  EXPECT_THAT(run("share-of-all"), testing::ContainsRegex("own data: 2[01]\\.[0-9] % of all"));
  config.replay_loss_share = 0.2;
  EXPECT_THAT(run("share-of-loss"), testing::ContainsRegex("% of all tokens, 2[01]\\.[0-9] % of "));
  config.replay_loss_share = 0.999;
  EXPECT_THAT(run("share-too-large"), HasSubstr("warning: replay: sft.replay_loss_share = 0.999"));
  config.replay_loss_share = 1;
  EXPECT_ERROR(run("share-refused"), "config: sft.replay_loss_share");
}

TEST_F(Stages, ReplayedPlainTextIsDividedAsTheConfigSays) {
  const std::string file = world_->file("two_paragraphs.txt");
  write_file_atomic(file, "One day.\n\nIt rained.\n<|endoftext|>\nAnother day.\n\nIt shone.\n");
  const StageOptions options = with_replay(world_->options("sft.jsonl", "", "x", "base"), file);
  SftConfig config = small_sft();
  config.train.steps = 1;
  const auto run = [&](const std::string& split) {
    config.document_split = split;
    StageOptions there = options;
    there.out = world_->file("split-" + split);
    return said_by([&](const TrainerEvents& events) { sft(config, there, events); });
  };
  EXPECT_THAT(run("blank_line"), HasSubstr("4 of 4 records used"));
  EXPECT_THAT(run("file"), HasSubstr("2 of 2 records used"));
  EXPECT_ERROR(run("page"), "document split: expected 'blank_line', 'line' or 'file', got 'page'");
}

}  // namespace
}  // namespace minillm_testing
