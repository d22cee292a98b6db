// Stages on rows in memory, with and without a run directory.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libminillm/stage/conversation_dataset.h"
#include "tests/stages/stages_fixture.h"
#include "tests/testing/expect_error.h"

namespace minillm_testing {
namespace {

std::vector<Real> parameters(const Model& model) {
  return {model.parameters().begin(), model.parameters().end()};
}

TEST_F(Stages, RowsInMemoryTrainTheModelThatFilesTrainToTheByte) {
  const auto file = [&](const char* name) { return std::vector{world_->file(name)}; };
  const auto expect_weights_of = [&](const std::string& run, const StageModel& model) {
    const Checkpoint checkpoint = Checkpoint::open(world_->file(run));
    EXPECT_EQ(parameters(model.model), parameters(checkpoint.load_model())) << run;
    EXPECT_EQ(model.lineage.back().stage, checkpoint.state()->lineage.back().stage);
    EXPECT_EQ(model.lineage.back().steps, checkpoint.state()->lineage.back().steps);
    EXPECT_EQ(model.lineage.back().tokens, checkpoint.state()->lineage.back().tokens);
    EXPECT_EQ(model.weights_hash.size(), 64u);
  };
  const auto kError = BadRecordPolicy::kError;
  std::vector<Metrics> logged;
  TrainerEvents events;
  events.on_log = [&](const Metrics& metrics) { logged.push_back(metrics); };

  StageModel model =
      fresh_model(small_pretrain(), Checkpoint::open(world_->file("base")).tokenizer());
  PretrainData texts;
  texts.train = read_documents(file("pretrain.jsonl"), kError);
  texts.held_out = read_documents(file("pretrain_eval.jsonl"), kError);
  EXPECT_EQ(pretrain(small_pretrain(), texts, model, {}, events), TrainOutcome::kFinished);
  expect_weights_of("base", model);
  EXPECT_EQ(logged.size(), metrics("base").size());

  SftData conversations;
  conversations.train = read_conversations(file("sft.jsonl"), kError);
  conversations.held_out = read_conversations(file("sft_eval.jsonl"), kError);
  const StageModel base = copy_of(model);
  EXPECT_EQ(sft(small_sft(), conversations, model), TrainOutcome::kFinished);
  expect_weights_of("chat", model);
  EXPECT_EQ(model.lineage.back().parent, base.weights_hash);
  conversations.replay = read_documents(file("pretrain.jsonl"), kError);
  StageModel other = copy_of(base);
  sft(small_sft(), conversations, other);
  EXPECT_NE(parameters(other.model), parameters(model.model));

  DpoData pairs;
  pairs.train = read_preferences(file("preference.jsonl"), kError);
  pairs.held_out = read_preferences(file("preference_eval.jsonl"), kError);
  pairs.replay = read_conversations(file("replay.jsonl"), kError);
  EXPECT_EQ(dpo(small_dpo(), pairs, model), TrainOutcome::kFinished);
  run_dpo(world_->options("preference.jsonl", "", "aligned-by-files", "chat"));
  expect_weights_of("aligned-by-files", model);
  EXPECT_EQ(model.lineage.size(), 3u);
}

TEST_F(Stages, TrainingInMemoryLeavesTheModelInThePrecisionThatItHad) {
  SftConfig config = small_sft();
  config.train.precision = "bf16";
  config.train.steps = 1;
  SftData rows;
  rows.train.records = {
      {{{Role::kUser, "Who are you?"}, {Role::kAssistant, "A model of this world."}}}};
  StageOptions options;
  options.init_from = world_->file("base");
  StageModel model = open_starting_point(options);
  sft(config, rows, model);
  EXPECT_EQ(model.model.weights().head.precision, Precision::kFloat);
  EXPECT_EQ(model.model.weights().blocks[0].wqkv.precision, Precision::kFloat);
  rows.train.records.clear();
  EXPECT_ERROR(sft(config, rows, model), "no token carries loss");
  EXPECT_EQ(model.model.weights().head.precision, Precision::kFloat);
}

TEST_F(Stages, RowsInMemoryMayBeSavedAndResumed) {
  SftData rows;
  rows.train.records = {
      {{{Role::kUser, "Who are you?"}, {Role::kAssistant, "A model of this world."}}},
      {{{Role::kUser, "What is it?"}, {Role::kAssistant, "A small model."}}}};
  StageOptions options;
  options.init_from = world_->file("base");
  StageModel whole = open_starting_point(options), model = copy_of(whole);
  sft(small_sft(), rows, whole);
  options.out = world_->file("in-memory");
  EXPECT_EQ(sft(small_sft(), rows, model, options, stop_after(3)), TrainOutcome::kInterrupted);
  model = open_starting_point(options);
  options.resume = true;
  EXPECT_EQ(sft(small_sft(), rows, model, options), TrainOutcome::kFinished);
  EXPECT_EQ(parameters(model.model), parameters(whole.model));
  EXPECT_EQ(model.weights_hash, Checkpoint::open(options.out).weights_hash());
  // Other rows are another run.
  rows.train.records.pop_back();
  StageModel again = open_starting_point(options);
  EXPECT_ERROR(sft(small_sft(), rows, again, options), "train");
}

TEST_F(Stages, NeedARunDirectoryForFilesAndToResume) {
  StageOptions options = world_->options("sft.jsonl", "", "", "base");
  options.out = "";
  EXPECT_ERROR(sft(small_sft(), options, {}), "options.out: expected a run directory to write");
  options.train_files.clear();
  options.out = world_->file("nothing-to-train-on");
  EXPECT_ERROR(sft(small_sft(), options, {}), "options.train_files: expected at least one file");
  options.out = "";
  options.resume = true;
  StageModel model = open_starting_point(options);
  EXPECT_ERROR(sft(small_sft(), SftData(), model, options), "no run directory to resume from");
}

}  // namespace
}  // namespace minillm_testing
