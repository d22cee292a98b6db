// The three stages one after another, in miniature: what each of them writes, and that a resumed
// run is the uninterrupted one to the byte.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/core/threads.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/eval/stage_notes.h"
#include "libminillm/pipeline/stages.h"
#include "tests/stages/stages_fixture.h"
#include "tests/testing/expect_error.h"

namespace minillm_testing {
namespace {

TEST(StageTable, HasTheSameStagesAsTheNotes) {
  ASSERT_EQ(all_stages().size(), all_stage_notes().size());
  for (size_t i = 0; i < all_stages().size(); ++i) {
    const StageNotes& notes = all_stage_notes()[i];
    EXPECT_EQ(all_stages()[i].name, notes.name);
    for (const std::string& text :
         {notes.phase, notes.title, notes.task, notes.learns, notes.data, notes.row,
          notes.objective, notes.where, notes.loss_unit, notes.start})
      EXPECT_FALSE(text.empty()) << notes.name;
    EXPECT_EQ(notes.teaches == Skill::kUnknown, notes.name == "reward");  // answers nothing
    // Every stage's keys are those of its config, the common ones among them.
    const ConfiguredStage stage = configure_stage(notes.name);
    set_config_value(stage.fields, "train.steps=7");
    EXPECT_THAT(config_to_toml(stage.fields), testing::HasSubstr("steps = 7"));
  }
  EXPECT_ERROR(configure_stage("ppo"), "expected " + alternatives(all_stages()) + ", got \"ppo\"");
}

TEST_F(Stages, LossFallsOnHeldOutDataInPretrainingAndSft) {
  for (const char* run : {"base", "chat"}) {
    const auto lines = metrics(run);
    EXPECT_LT(lines.back().at("eval_loss").get<double>(),
              lines.front().at("eval_loss").get<double>())
        << run;
  }
}

TEST_F(Stages, LineageNamesEveryAncestorWithItsConfigAndData) {
  run_dpo(world_->options("preference.jsonl", "", "lineage", "chat"));
  const auto state = Checkpoint::open(world_->file("lineage")).state();
  ASSERT_TRUE(state.has_value());
  ASSERT_EQ(state->lineage.size(), 3u);
  EXPECT_EQ(state->lineage[0].stage, "pretrain");
  EXPECT_EQ(state->lineage[1].stage, "sft");
  EXPECT_EQ(state->lineage[2].stage, "dpo");
  EXPECT_EQ(state->lineage[1].parent, Checkpoint::open(world_->file("base")).weights_hash());
  EXPECT_EQ(state->lineage[2].parent, Checkpoint::open(world_->file("chat")).weights_hash());
  for (const LineageEntry& entry : state->lineage) {
    EXPECT_EQ(entry.hashes.at("train").size(), 64u);
    EXPECT_NE(entry.config.find("learning_rate"), std::string::npos);
    EXPECT_GT(entry.tokens, 0);
  }
}

TEST_F(Stages, SamplesAreShownAsTextsByPretrainingAndAsAnswersBySft) {
  std::vector<std::string> samples;
  TrainerEvents events;
  events.on_sample = [&](const std::string& sample) { samples.push_back(sample); };
  PretrainConfig texts = small_pretrain();
  texts.train.steps = 2;
  texts.train.sample_every = 1;
  texts.data.sample_prompts = {"The baker", "A stranger"};
  texts.data.sample_tokens = 5;
  pretrain(texts, world_->options("pretrain.jsonl", "", "base-samples"), events);
  ASSERT_EQ(samples.size(), 2u);
  for (const std::string& sample : samples)
    EXPECT_THAT(sample, testing::MatchesRegex("The baker\\|(.|\n)*\nA stranger\\|(.|\n)*\n"));
  samples.clear();
  SftConfig answers = small_sft();
  answers.train.steps = 1;
  answers.train.sample_every = 1;
  answers.data.sample_prompts = {"Who lives here?"};
  answers.data.sample_tokens = 5;
  sft(answers, world_->options("sft.jsonl", "", "chat-samples", "base"), events);
  ASSERT_EQ(samples.size(), 1u);
  EXPECT_THAT(samples[0], testing::StartsWith("Who lives here?\n  -> "));
}

TEST_F(Stages, NumbersOfAConfigOutOfTheirRangeAreNamed) {
  PretrainConfig texts = small_pretrain();
  texts.max_length = -1;
  EXPECT_ERROR(pretrain(texts, world_->options("pretrain.jsonl", "", "refused"), {}),
               "config: data.max_length: expected 0 to 1000000000, got -1");
  SftConfig answers = small_sft();
  answers.data.sample_tokens = 0;
  EXPECT_ERROR(sft(answers, world_->options("sft.jsonl", "", "refused", "base"), {}),
               "config: data.sample_tokens: expected 1 to 1000000000, got 0");
  DpoConfig pairs = small_dpo();
  pairs.replay_tokens = INT64_MAX;
  EXPECT_ERROR(dpo(pairs, world_->options("preference.jsonl", "", "refused", "chat"), {}),
               "config: dpo.replay_tokens: expected 0 to 1000000000, got 9223372036854775807");
}

TEST_F(Stages, ResumedPretrainingIsTheUninterruptedRunToTheByte) {
  const StageOptions options =
      world_->options("pretrain.jsonl", "pretrain_eval.jsonl", "base-resumed");
  StageOptions again = options;
  again.resume = true;
  EXPECT_EQ(pretrain(small_pretrain(), options, stop_after(5)), TrainOutcome::kInterrupted);
  minillm::set_thread_count(1);
  EXPECT_EQ(pretrain(small_pretrain(), again, {}), TrainOutcome::kFinished);
  minillm::set_thread_count(2);
  EXPECT_EQ(weights("base-resumed"), weights("base"));
  EXPECT_EQ(moments("base-resumed"), moments("base"));
}

TEST_F(Stages, ResumedSftIsTheUninterruptedRunToTheByte) {
  const StageOptions options =
      world_->options("sft.jsonl", "sft_eval.jsonl", "chat-resumed", "base");
  StageOptions again = options;
  again.resume = true;
  EXPECT_EQ(sft(small_sft(), options, stop_after(5)), TrainOutcome::kInterrupted);
  EXPECT_EQ(sft(small_sft(), again, {}), TrainOutcome::kFinished);
  EXPECT_EQ(weights("chat-resumed"), weights("chat"));
  EXPECT_EQ(moments("chat-resumed"), moments("chat"));
}

TEST_F(Stages, SftWithReplayedTextResumesToTheByteAndLearnsFromTheText) {
  StageOptions options = world_->options("sft.jsonl", "", "replayed", "base");
  options.replay_files = {world_->file("pretrain.jsonl")};
  std::string said;
  TrainerEvents events;
  events.on_message = [&](const std::string& message) { said += message + "\n"; };
  EXPECT_EQ(sft(small_sft(), options, events), TrainOutcome::kFinished);
  EXPECT_NE(said.find("tokens of text beside"), std::string::npos) << said;
  EXPECT_NE(weights("replayed"), weights("chat"));
  options.out = world_->file("replayed-resumed");
  EXPECT_EQ(sft(small_sft(), options, stop_after(4)), TrainOutcome::kInterrupted);
  options.resume = true;
  EXPECT_EQ(sft(small_sft(), options, {}), TrainOutcome::kFinished);
  EXPECT_EQ(weights("replayed-resumed"), weights("replayed"));
  // Other text is another run.
  options.replay_files = {world_->file("pretrain_eval.jsonl")};
  EXPECT_ERROR(sft(small_sft(), options, {}), "train");
  SftConfig all_text = small_sft();
  all_text.replay_share = 1;
  EXPECT_ERROR(sft(all_text, options, {}), "sft.replay_share");
}

TEST_F(Stages, Bfloat16TrainsAndAnotherPrecisionIsRefused) {
  PretrainConfig config = small_pretrain();
  config.train.precision = "bf16";
  const auto options = [&](const std::string& out) {
    return world_->options("pretrain.jsonl", "pretrain_eval.jsonl", out);
  };
  EXPECT_EQ(pretrain(config, options("rounded"), {}), TrainOutcome::kFinished);
  EXPECT_NE(weights("rounded"), weights("base"));
  const double rounded = metrics("rounded").back()["eval_loss"].get<double>();
  const double exact = metrics("base").back()["eval_loss"].get<double>();
  EXPECT_NEAR(rounded / exact, 1, 0.01);
  config.train.precision = "fp16";
  EXPECT_ERROR(pretrain(config, options("refused"), {}), "train.precision");
}

// Trap: training and chatting with different templates. The one that SFT was told of travels with
// the checkpoint; another one has to be asked for.
TEST_F(Stages, TheChatTemplateTravelsWithTheCheckpoint) {
  SftConfig one_step = small_sft();
  one_step.train.steps = 1;
  StageOptions options = world_->options("sft.jsonl", "", "zephyr", "base");
  options.chat_template = "zephyr";
  sft(one_step, options, {});
  const auto check = [&](const std::string& run, const std::string& expected) {
    const Checkpoint checkpoint = Checkpoint::open(world_->file(run));
    ASSERT_NE(checkpoint.tokenizer().chat_template(), nullptr);
    EXPECT_EQ(checkpoint.tokenizer().chat_template()->id, expected);
    EXPECT_EQ(checkpoint.state()->lineage.back().hashes.at("template"), expected);
  };
  check("zephyr", "zephyr");
  check("chat", kChatTemplateId);

  DpoConfig dpo_step = small_dpo();
  dpo_step.train.steps = 1;
  run_dpo(world_->options("preference.jsonl", "", "zephyr-dpo", "zephyr"), {}, dpo_step);
  check("zephyr-dpo", "zephyr");
  options = world_->options("preference.jsonl", "", "llama-dpo", "zephyr");
  options.chat_template = "llama-2";
  run_dpo(options, {}, dpo_step);
  check("llama-dpo", "llama-2");

  // Taught one, stored with another: not without being asked.
  const Checkpoint taught = Checkpoint::open(world_->file("zephyr"));
  const Model model = taught.load_model();
  const Tokenizer other = taught.tokenizer().with_chat_template(chat_template_named("chatml"));
  write_checkpoint(world_->file("mixed"), {&model, &other, {}, *taught.state()});
  options = world_->options("sft.jsonl", "", "from-mixed", "mixed");
  EXPECT_ERROR(sft(one_step, options, {}),
               "taught another chat template: expected 'zephyr', got 'chatml'");
  options.chat_template = "zephyr";
  sft(one_step, options, {});
  check("from-mixed", "zephyr");
}

TEST_F(Stages, LongWorkTellsHowFarItHasCome) {
  std::map<std::string, std::vector<double>> shares;
  TrainerEvents events;
  events.on_progress = [&](const char* work, double done, double total) {
    shares[work].push_back(done / total);
  };
  PretrainConfig texts = small_pretrain();
  texts.train.steps = 1;
  pretrain(texts, world_->options("pretrain.jsonl", "pretrain_eval.jsonl", "told"), events);
  DpoConfig pairs = small_dpo();
  pairs.train.steps = 1;
  run_dpo(world_->options("preference.jsonl", "", "told-dpo", "chat"), events, pairs);
  SftConfig answers = small_sft();
  answers.train.steps = 1;
  sft(answers, world_->options("sft.jsonl", "sft_eval.jsonl", "told-sft", "base"), events);
  for (const char* work : {"tokenizing", "evaluating", "reference"}) {
    ASSERT_FALSE(shares[work].empty()) << work;
    for (const double share : shares[work]) {
      EXPECT_GT(share, 0) << work;
      EXPECT_LE(share, 1) << work;
    }
  }
  EXPECT_EQ(shares["evaluating"].back(), 1);
  EXPECT_EQ(shares["reference"].back(), 1);
  EXPECT_TRUE(std::ranges::is_sorted(shares["reference"]));
}

TEST_F(Stages, ContinuedPretrainingStartsFromTheCheckpointAndRecordsIt) {
  PretrainConfig config = small_pretrain();
  config.train.steps = 2;
  pretrain(config, world_->options("pretrain_eval.jsonl", "", "continued", "base"), {});
  const Checkpoint checkpoint = Checkpoint::open(world_->file("continued"));
  ASSERT_EQ(checkpoint.state()->lineage.size(), 2u);
  EXPECT_EQ(checkpoint.tokenizer().hash(),
            Checkpoint::open(world_->file("base")).tokenizer().hash());
}

TEST_F(Stages, RefuseToOverwriteARunAndToResumeAnother) {
  EXPECT_ERROR(sft(small_sft(), world_->options("sft.jsonl", "", "chat", "base"), {}),
               "it already holds a run");
  StageOptions options = world_->options("replay.jsonl", "sft_eval.jsonl", "chat", "base");
  options.resume = true;
  EXPECT_ERROR(sft(small_sft(), options, {}), "train");
}

TEST_F(Stages, NameTheMistakeInTheData) {
  EXPECT_ERROR(sft(small_sft(), world_->options("preference.jsonl", "", "wrong-kind", "base"), {}),
               "preference");
  EXPECT_ERROR(run_dpo(world_->options("sft.jsonl", "", "wrong-kind-2", "chat")), "preference");
  EXPECT_ERROR(sft(small_sft(), world_->options("missing.jsonl", "", "missing", "base"), {}),
               "missing.jsonl");
  EXPECT_ERROR(sft(small_sft(), world_->options("sft.jsonl", "", "no-start", "nowhere"), {}),
               "nowhere");
}

}  // namespace
}  // namespace minillm_testing
