// The three stages one after another, in miniature: what each of them writes, and that a resumed
// run is the uninterrupted one to the byte.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/dpo/dataset.h"
#include "libminillm/eval/stage_notes.h"
#include "libminillm/pipeline/stages.h"
#include "libminillm/stage/conversation_dataset.h"
#include "tests/stages/small_world.h"
#include "tests/testing/expect_error.h"

namespace minillm_testing {
namespace {

using namespace minillm;
using nlohmann::json;

// One base and one chat model, trained once for all tests.
class Stages : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = new SmallWorld();
    pretrain(small_pretrain(), world_->options("pretrain.jsonl", "pretrain_eval.jsonl", "base"),
             {});
    sft(small_sft(), world_->options("sft.jsonl", "sft_eval.jsonl", "chat", "base"), {});
  }
  static void TearDownTestSuite() { delete world_; }

  static std::string weights(const std::string& run) {
    return read_file(join_path(Checkpoint::open(world_->file(run)).path(), "model.safetensors"));
  }
  static std::string moments(const std::string& run) {
    return read_file(
        join_path(Checkpoint::open(world_->file(run)).path(), "optimizer.safetensors"));
  }
  // metrics.jsonl without what depends on the clock.
  static std::vector<json> metrics(const std::string& run) {
    std::vector<json> lines;
    std::istringstream text(read_file(join_path(world_->file(run), "metrics.jsonl")));
    for (std::string line; std::getline(text, line);) {
      json entry = json::parse(line);
      for (const char* key : {"time", "tokens_per_second", "eval_runtime"}) entry.erase(key);
      lines.push_back(entry);
    }
    return lines;
  }
  // Events that ask to stop after `step`.
  static TrainerEvents stop_after(Index step) {
    auto reached = std::make_shared<bool>(false);
    TrainerEvents events;
    events.on_step = [=](const StepReport& report) { *reached = report.step >= step; };
    events.stop_requested = [=] { return *reached; };
    return events;
  }
  static TrainOutcome run_dpo(const StageOptions& options, const TrainerEvents& events = {},
                              const DpoConfig& config = small_dpo()) {
    StageOptions with_replay = options;
    with_replay.replay_files = {world_->file("replay.jsonl")};
    return dpo(config, with_replay, events);
  }
  static SmallWorld* world_;
};
SmallWorld* Stages::world_ = nullptr;

TEST(StageTable, HasTheSameStagesAsTheNotes) {
  ASSERT_EQ(all_stages().size(), all_stage_notes().size());
  for (size_t i = 0; i < all_stages().size(); ++i) {
    const StageNotes& notes = all_stage_notes()[i];
    EXPECT_EQ(all_stages()[i].name, notes.name);
    for (const std::string& text :
         {notes.phase, notes.title, notes.task, notes.learns, notes.data, notes.row,
          notes.objective, notes.where, notes.loss_unit, notes.start})
      EXPECT_FALSE(text.empty()) << notes.name;
    EXPECT_NE(notes.teaches, Skill::kUnknown);
    // Every stage's keys are those of its config, the common ones among them.
    const ConfiguredStage stage = configure_stage(notes.name);
    set_config_value(stage.fields, "train.steps=7");
    EXPECT_THAT(config_to_toml(stage.fields), testing::HasSubstr("steps = 7"));
  }
  EXPECT_ERROR(configure_stage("ppo"), "expected \"pretrain\", \"sft\" or \"dpo\", got \"ppo\"");
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

TEST_F(Stages, ResumedPretrainingIsTheUninterruptedRunToTheByte) {
  const StageOptions options =
      world_->options("pretrain.jsonl", "pretrain_eval.jsonl", "base-resumed");
  StageOptions again = options;
  again.resume = true;
  EXPECT_EQ(pretrain(small_pretrain(), options, stop_after(5)), TrainOutcome::kInterrupted);
  omp_set_num_threads(1);
  EXPECT_EQ(pretrain(small_pretrain(), again, {}), TrainOutcome::kFinished);
  omp_set_num_threads(omp_get_num_procs());
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
  EXPECT_NE(said.find("tokens of text beside the conversations"), std::string::npos) << said;
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

TEST_F(Stages, DpoWarnsWhenTheChosenAnswersAreForgotten) {
  DpoConfig config = small_dpo();
  config.sft_weight = 0;
  config.train.schedule.learning_rate = 0.03;
  std::string said;
  TrainerEvents events;
  events.on_message = [&](const std::string& message) { said += message + "\n"; };
  dpo(config, world_->options("preference.jsonl", "", "forgetful", "chat"), events);
  EXPECT_THAT(said, testing::HasSubstr("warning: the chosen answers' log-probability fell by"));
  said.clear();
  run_dpo(world_->options("preference.jsonl", "", "careful", "chat"), events);
  EXPECT_THAT(said, testing::Not(testing::HasSubstr("warning")));
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

TEST_F(Stages, ResumedDpoIsTheUninterruptedRunToTheByte) {
  run_dpo(world_->options("preference.jsonl", "preference_eval.jsonl", "aligned", "chat"));
  StageOptions options =
      world_->options("preference.jsonl", "preference_eval.jsonl", "aligned-resumed", "chat");
  EXPECT_EQ(run_dpo(options, stop_after(3)), TrainOutcome::kInterrupted);
  options.resume = true;
  EXPECT_EQ(run_dpo(options), TrainOutcome::kFinished);
  EXPECT_EQ(weights("aligned-resumed"), weights("aligned"));
  EXPECT_EQ(metrics("aligned-resumed"), metrics("aligned"));
}

// Trap: DPO that does not start at ln 2 has a wrong reference.
TEST_F(Stages, DpoStartsAtLnTwoWithZeroMargins) {
  DpoConfig config = small_dpo();
  config.sft_weight = config.replay_weight = 0;
  run_dpo(world_->options("preference.jsonl", "preference_eval.jsonl", "start", "chat"), {},
          config);
  const auto lines = metrics("start");
  const json& held_out = lines[0];
  EXPECT_NEAR(held_out.at("eval_loss").get<double>(), std::log(2.0), 1e-12);
  EXPECT_EQ(held_out.at("eval_rewards/margins"), 0.0);
  EXPECT_EQ(held_out.at("eval_rewards/accuracies"), 0.0);
  const json& first_step = lines[1];
  EXPECT_NEAR(first_step.at("loss").get<double>(), std::log(2.0), 1e-12);
  EXPECT_EQ(first_step.at("rewards/margins"), 0.0);
  EXPECT_EQ(first_step.at("logps/chosen_shift"), 0.0);
}

TEST_F(Stages, DpoRaisesTheMargin) {
  run_dpo(world_->options("preference.jsonl", "preference_eval.jsonl", "margin", "chat"));
  EXPECT_GT(metrics("margin").back().at("eval_rewards/margins").get<double>(), 0.0);
  EXPECT_GT(metrics("margin").back().at("eval_rewards/accuracies").get<double>(), 0.5);
}

TEST_F(Stages, IpoStartsAtItsClosedForm) {
  DpoConfig config = small_dpo();
  config.loss.name = "ipo";
  config.sft_weight = config.replay_weight = 0;
  run_dpo(world_->options("preference.jsonl", "preference_eval.jsonl", "ipo", "chat"), {}, config);
  EXPECT_NEAR(metrics("ipo")[0].at("eval_loss").get<double>(), 25.0, 1e-9);  // (1 / (2 * 0.1))^2
  EXPECT_NEAR(metrics("ipo")[1].at("loss").get<double>(), 25.0, 1e-9);
}

// Trap: a held-out loss that is not the trained one picks the wrong step as the best. On the
// training pairs themselves both are the same number.
TEST_F(Stages, DpoIsEvaluatedByTheLossThatItIsTrainedBy) {
  for (const char* loss : {"dpo", "ipo"}) {
    DpoConfig config = small_dpo();
    config.loss.name = loss;
    if (config.loss.name == "dpo") config.loss.label_smoothing = 0.1;
    config.sft_weight = 0.5;
    config.train.steps = 2;
    config.train.eval_every = 1;
    config.train.batch_tokens = 1 << 14;  // all pairs in every step
    config.train.accumulation_steps = 1;
    const std::string run = std::string("same-loss-") + loss;
    dpo(config, world_->options("preference.jsonl", "preference.jsonl", run, "chat"), {});
    const auto lines = metrics(run);
    ASSERT_EQ(lines.size(), 5u);  // held out, step 1, held out, step 2, held out
    for (const size_t i : {0, 2}) {
      const json &held_out = lines[i], &step = lines[i + 1];
      EXPECT_NEAR(held_out.at("eval_loss").get<double>(), step.at("loss").get<double>(), 1e-4);
      for (const char* name : {"preference_loss", "nll_loss", "rewards/margins", "logps/margins",
                               "logps/chosen_shift", "preference_accuracy"})
        EXPECT_NEAR(held_out.at(std::string("eval_") + name).get<double>(),
                    step.at(name).get<double>(), 1e-4)
            << loss << " " << name;
      EXPECT_NEAR(
          step.at("loss").get<double>(),
          step.at("preference_loss").get<double>() + 0.5 * step.at("nll_loss").get<double>(), 1e-9);
    }
  }
}

// Trap: a reference that follows the policy, or is another run's.
TEST_F(Stages, ReferenceLogProbsAreCachedUnderTheirKeyAndSurviveResume) {
  StageOptions options = world_->options("preference.jsonl", "", "cached", "chat");
  run_dpo(options, stop_after(2));
  const std::string cache = join_path(options.out, "reference_train.json");
  const std::string written = read_file(cache);
  options.resume = true;
  run_dpo(options);
  EXPECT_EQ(read_file(cache), written);

  json other = json::parse(written);
  other["key"] = "of another model";
  for (json& value : other["chosen"]) value = -1.0;
  write_file_atomic(cache, other.dump());
  run_dpo(options);
  EXPECT_EQ(json::parse(read_file(cache)), json::parse(written))
      << "a cache with another key must not be used";

  write_file_atomic(cache, "{\"key\": ");
  EXPECT_ERROR(run_dpo(options), "damaged");
}

// The terms of the DPO stage's loss are means over a whole step, so a step's totals must not depend
// on how it is split, and an epoch must count every pair once.
TEST_F(Stages, StepTotalsAddUpOverMicroBatchesAndCountEveryPairOnce) {
  const Tokenizer tokenizer = Checkpoint::open(world_->file("chat")).tokenizer();
  std::vector<RenderedPair> pairs;
  double chosen_tokens = 0;
  for (const auto& pair :
       read_preferences({world_->file("preference.jsonl")}, BadRecordPolicy::kError).records) {
    pairs.push_back(render_pair(tokenizer, pair));
    chosen_tokens += static_cast<double>(pairs.back().chosen.size());
  }
  const double count = static_cast<double>(pairs.size());
  std::vector<PairLogProbs> reference(pairs.size());
  PreferenceDataset dataset(std::move(pairs), std::move(reference), std::nullopt,
                            /*batch_tokens=*/400, /*seed=*/1);
  const Index batches = dataset.schedule().batches_in_first_epoch();
  ASSERT_GT(batches, 3);
  EXPECT_EQ(dataset.totals(0, batches).pairs, count);
  EXPECT_EQ(dataset.totals(0, batches).chosen_tokens, chosen_tokens);
  const StepTotals first = dataset.totals(0, 1), second = dataset.totals(1, 2),
                   both = dataset.totals(0, 2);
  EXPECT_EQ(first.pairs + second.pairs, both.pairs);
  EXPECT_EQ(first.chosen_tokens + second.chosen_tokens, both.chosen_tokens);
}

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
  write_checkpoint(world_->file("mixed"), {&model, &other, {}, {}, *taught.state()});
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
