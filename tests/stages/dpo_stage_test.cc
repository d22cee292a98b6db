// The DPO stage: where it starts, what it is evaluated by, its reference, and its resumption.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libminillm/data/chat_template.h"
#include "libminillm/dpo/dataset.h"
#include "libminillm/stage/conversation_dataset.h"
#include "tests/stages/stages_fixture.h"
#include "tests/testing/expect_error.h"

namespace minillm_testing {
namespace {

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
  for (const PairLoss& entry : pair_losses()) {
    const std::string& loss = entry.name;
    DpoConfig config = small_dpo();
    config.loss.name = loss;
    if (config.loss.name == "dpo") config.loss.label_smoothing = 0.1;
    config.sft_weight = 0.5;
    config.train.steps = 2;
    config.train.eval_every = 1;
    config.train.batch_tokens = 1 << 14;  // all pairs in every step
    config.train.accumulation_steps = 1;
    const std::string run = "same-loss-" + loss;
    dpo(config, world_->options("preference.jsonl", "preference.jsonl", run, "chat"), {});
    const auto lines = metrics(run);
    ASSERT_EQ(lines.size(), 5u);  // held out, step 1, held out, step 2, held out
    for (const size_t i : {0, 2}) {
      const json &held_out = lines[i], &step = lines[i + 1];
      EXPECT_NEAR(held_out.at("eval_loss").get<double>(), step.at("loss").get<double>(), 1e-4);
      for (const char* name : {"preference_loss", "nll_loss", "rewards/margins", "logps/margins",
                               "logps/chosen_shift", "preference_accuracy", "kl"}) {
        EXPECT_EQ(held_out.contains(std::string("eval_") + name), step.contains(name)) << name;
        if (!step.contains(name))
          continue;  // of losses that judge single answers, or only of these
        EXPECT_NEAR(held_out.at(std::string("eval_") + name).get<double>(),
                    step.at(name).get<double>(), 1e-4)
            << loss << " " << name;
      }
      EXPECT_NEAR(
          step.at("loss").get<double>(),
          step.at("preference_loss").get<double>() + 0.5 * step.at("nll_loss").get<double>(), 1e-9);
    }
  }
}

DpoConfig small_kto() {
  DpoConfig config = small_dpo();
  config.loss.name = "kto";
  return config;
}

TEST_F(Stages, KtoTakesSingleAnswersAndPairsAlikeAndResumesToTheByte) {
  std::string rows;
  for (const PreferencePair& pair :
       read_preferences({world_->file("preference.jsonl")}, BadRecordPolicy::kError).records) {
    json messages = json::array();
    for (const Message& message : pair.prompt)
      messages.push_back({{"role", role_name(message.role)}, {"content", message.content}});
    for (const auto& [answer, good] : {std::pair(pair.chosen, true), {pair.rejected, false}}) {
      messages.push_back({{"role", "assistant"}, {"content", answer}});
      rows += json{{"messages", messages}, {"label", good}}.dump() + "\n";
      messages.erase(messages.size() - 1);
    }
  }
  write_file_atomic(world_->file("judged.jsonl"), rows);
  dpo(small_kto(),
      world_->options("preference.jsonl", "preference_eval.jsonl", "kto-pairs", "chat"), {});
  StageOptions options = world_->options("judged.jsonl", "preference_eval.jsonl", "kto", "chat");
  EXPECT_EQ(dpo(small_kto(), options, stop_after(3)), TrainOutcome::kInterrupted);
  options.resume = true;
  EXPECT_EQ(dpo(small_kto(), options, {}), TrainOutcome::kFinished);
  EXPECT_EQ(weights("kto"), weights("kto-pairs"));
  EXPECT_EQ(metrics("kto"), metrics("kto-pairs"));
  const json last = metrics("kto").back();
  EXPECT_LT(last.at("eval_preference_loss"), metrics("kto").front().at("eval_preference_loss"));
  EXPECT_GT(last.at("eval_rewards/margins"), 0);
  // Every other loss compares, and says so.
  EXPECT_ERROR(run_dpo(world_->options("judged.jsonl", "", "refused", "chat")),
               "unpaired preference data (one answer and a 'label'): expected 'chosen' and");
}

// The reference point is the step's, however the step is split: with two micro-batches a step the
// loss is the same as with one.
TEST_F(Stages, KtoMovesByTheWholeStep) {
  DpoConfig whole = small_kto(), split = small_kto();
  whole.train.steps = split.train.steps = 3;
  whole.train.batch_tokens = 1 << 14;
  whole.replay_weight = split.replay_weight = 0;
  whole.train.accumulation_steps = 1;
  dpo(whole, world_->options("preference.jsonl", "", "kto-whole", "chat"), {});
  // All answers in two micro-batches: as long as the first holds more than half.
  const Index rows = Checkpoint::open(world_->file("kto-whole")).state()->tokens / 3;
  split.train.batch_tokens = rows * 6 / 10;
  split.train.accumulation_steps = 2;
  dpo(split, world_->options("preference.jsonl", "", "kto-split", "chat"), {});
  const auto a = metrics("kto-whole"), b = metrics("kto-split");
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i)
    EXPECT_NEAR(a[i].at("kl").get<double>(), b[i].at("kl").get<double>(), 1e-4) << i;
  EXPECT_GT(a.back().at("kl"), 0);
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

}  // namespace
}  // namespace minillm_testing
