// The reward stage: where it starts, what it learns, its resumption, and who may use its model.

#include <gtest/gtest.h>

#include "libminillm/eval/reward_eval.h"
#include "libminillm/reward/reward.h"
#include "tests/stages/stages_fixture.h"
#include "tests/testing/expect_error.h"

namespace minillm_testing {
namespace {

RewardConfig small_reward() {
  RewardConfig config;
  config.train = small_training(12, 600, 3e-3, 1);
  return config;
}

StageOptions reward_options(const SmallWorld& world, const std::string& out) {
  return world.options("preference.jsonl", "preference_eval.jsonl", out, "chat");
}

TEST_F(Stages, ARewardModelStartsAtLnTwoAndLearnsWhichAnswerIsChosen) {
  train_reward(small_reward(), reward_options(*world_, "reward"), {});
  const auto lines = metrics("reward");
  EXPECT_NEAR(lines.front().at("eval_loss").get<double>(), std::log(2.0), 1e-12);
  EXPECT_EQ(lines.front().at("eval_accuracy"), 0.0);
  EXPECT_NEAR(lines[1].at("loss").get<double>(), std::log(2.0), 1e-12);
  EXPECT_GT(lines.back().at("eval_accuracy").get<double>(), 0.7);
  EXPECT_GT(lines.back().at("eval_margin").get<double>(), 0.0);
}

TEST_F(Stages, ARewardModelIsSavedAsAClassifierAndReadAgain) {
  train_reward(small_reward(), reward_options(*world_, "reward-saved"), {});
  const Checkpoint checkpoint = Checkpoint::open(world_->file("reward-saved"));
  EXPECT_EQ(checkpoint.model_config().heads, Heads::kScore);
  const json config = json::parse(read_file(join_path(checkpoint.path(), "config.json")));
  EXPECT_EQ(config.at("architectures"), json({"LlamaForSequenceClassification"}));
  EXPECT_NO_THROW(checkpoint.load_model());
  EXPECT_ERROR(
      sft(small_sft(), world_->options("sft.jsonl", "", "from-reward", "reward-saved"), {}),
      "is a reward model");
  StageOptions again = reward_options(*world_, "reward-again");
  again.init_from = world_->file("reward-saved");
  train_reward(small_reward(), again, {});
  EXPECT_LT(metrics("reward-again").front().at("eval_loss").get<double>(), std::log(2.0));
}

TEST_F(Stages, AResumedRewardModelIsTheUninterruptedOneToTheByte) {
  train_reward(small_reward(), reward_options(*world_, "reward-whole"), {});
  StageOptions options = reward_options(*world_, "reward-resumed");
  EXPECT_EQ(train_reward(small_reward(), options, stop_after(5)), TrainOutcome::kInterrupted);
  options.resume = true;
  EXPECT_EQ(train_reward(small_reward(), options, {}), TrainOutcome::kFinished);
  EXPECT_EQ(weights("reward-resumed"), weights("reward-whole"));
  EXPECT_EQ(moments("reward-resumed"), moments("reward-whole"));
  EXPECT_EQ(metrics("reward-resumed"), metrics("reward-whole"));
}

TEST_F(Stages, ARewardModelOnRowsInMemoryIsTheOneOnFilesAndTakesTheirMargins) {
  RewardData data;
  data.train = read_preferences({world_->file("preference.jsonl")}, BadRecordPolicy());
  const StageModel chat = open_starting_point(world_->options("sft.jsonl", "", "", "chat"));
  StageModel model = with_heads(chat, Heads::kScore), apart = copy_of(model);
  train_reward(small_reward(), data, model);
  StageOptions options = reward_options(*world_, "reward-file");
  options.eval_files = {};
  train_reward(small_reward(), options, {});
  EXPECT_TRUE(
      std::ranges::equal(model.model.parameters(),
                         Checkpoint::open(world_->file("reward-file")).load_model().parameters()));
  for (PreferencePair& pair : data.train.records) pair.margin = 2;
  train_reward(small_reward(), data, apart);
  EXPECT_FALSE(std::ranges::equal(model.model.parameters(), apart.model.parameters()));
  StageModel language_model = copy_of(chat);
  EXPECT_ERROR(train_reward(small_reward(), data, language_model), "expected a model with a score");
}

TEST_F(Stages, ARewardModelRefusesWhatItCannotUse) {
  RewardConfig config = small_reward();
  config.data.sample_prompts = {"Where?"};
  EXPECT_ERROR(train_reward(config, reward_options(*world_, "reward-no"), {}),
               "data.sample_prompts: a reward model writes no texts");
  config = small_reward();
  config.center_weight = -1;
  EXPECT_ERROR(train_reward(config, reward_options(*world_, "reward-no"), {}),
               "reward.center_weight: expected 0 or more, got -1");
}

}  // namespace
}  // namespace minillm_testing
