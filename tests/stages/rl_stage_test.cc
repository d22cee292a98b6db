// Reinforcement learning: that the first ratio is 1, that rewards rise, resumption, what stops it.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "libminillm/core/threads.h"
#include "libminillm/rl/question_draw.h"
#include "libminillm/rl/rl.h"
#include "tests/stages/stages_fixture.h"
#include "tests/testing/compare.h"  // ThreadCount
#include "tests/testing/expect_error.h"

namespace minillm_testing {
namespace {

RlConfig small_rl() {
  RlConfig config;
  config.train = small_training(6, 512, 1e-3, 1);
  config.reward = "length:-0.1,ended";
  config.questions = 4;
  config.samples = 3;
  config.max_tokens = 12;
  config.replay_tokens = 100;
  return config;
}

class ReinforcementLearning : public Stages {
 protected:
  static StageOptions rl_options(const std::string& out) {
    StageOptions options = world_->options("questions.jsonl", "probe.jsonl", out, "chat");
    options.replay_files = {world_->file("replay.jsonl")};
    return options;
  }
  static void SetUpTestSuite() {
    Stages::SetUpTestSuite();
    std::string train, probe;
    for (int i = 0; i < 12; ++i) {
      const std::string row = R"({"prompt": "Who is number )" + std::to_string(i) +
                              R"(?", "expect": ["cooper"], "kind": ")" +
                              (i % 3 == 0   ? "harmful"
                               : i % 3 == 1 ? "benign"
                                            : "riddle") +
                              R"(", "value": "mend the mill"})" + "\n";
      (i < 9 ? train : probe) += row;
    }
    write_file_atomic(world_->file("questions.jsonl"), train);
    write_file_atomic(world_->file("probe.jsonl"), probe);
  }
  static RlData in_memory(WeightedRewards reward) {
    RlData data;
    for (const ExpectingPrompt& prompt : read_expecting_prompts(world_->file("questions.jsonl")))
      data.train.push_back(rewarded_question(prompt));
    data.reward = std::move(reward);
    return data;
  }
  static StageModel chat() {
    return open_starting_point(world_->options("sft.jsonl", "", "", "chat"));
  }
};

// Trap: a sampler that is not the trained model to the bit gives ratios near 1, and a KL that does
// not begin at 0.
TEST_F(ReinforcementLearning, TheFirstRatioIsExactlyOneAndTheKlExactlyZero) {
  for (const char* precision : {"fp32", "bf16"}) {
    RlConfig config = small_rl();
    config.train.precision = precision;
    const std::string out = std::string("rl-first-") + precision;
    rl(config, rl_options(out), {});
    const auto lines = metrics(out);
    for (const json& line : lines) {
      if (!line.contains("entropy")) continue;
      EXPECT_EQ(line.at("sampling/sampling_logp_difference/max"), 0.0) << line;
      EXPECT_EQ(line.at("clip_ratio"), 0.0);
    }
    EXPECT_EQ(lines[1].at("kl"), 0.0);
    EXPECT_EQ(lines[1].at("kl_per_answer"), 0.0);
    EXPECT_GT(lines.back().contains("kl") ? lines.back().at("kl").get<double>()
                                          : lines[lines.size() - 2].at("kl").get<double>(),
              0.0);
    for (const char* name : {"reward", "reward_std", "rewards/length/mean", "rewards/ended/mean",
                             "frac_reward_zero_std", "completions/mean_length",
                             "completions/clipped_ratio", "replay_loss"})
      EXPECT_TRUE(lines[1].contains(name)) << name;
    for (const char* name : {"eval_reward", "eval_refused/harmful", "eval_refused/benign"})
      EXPECT_TRUE(lines.front().contains(name)) << name;
    EXPECT_FALSE(lines.front().contains("eval_refused/riddle")) << "no question of the world";
  }
}

TEST_F(ReinforcementLearning, RaisesWhatIsPaidForByEveryAlgorithm) {
  for (const char* algorithm : {"grpo", "dr_grpo", "rloo", "reinforce", "ppo"}) {
    RlConfig config = small_rl();
    config.train = small_training(30, 2048, 3e-3, 30);
    config.algorithm = algorithm;
    config.kl_weight = 0;
    config.questions = 6;
    config.samples = 6;
    std::vector<double> means;  // of every step
    WeightedRewards reward;
    reward.add("letters", 1, [&](std::span<const RewardedAnswer> answers) {
      std::vector<double> worth;
      for (const RewardedAnswer& answer : answers)
        worth.push_back(static_cast<double>(std::ranges::count(answer.text, 'e')));
      means.push_back(std::accumulate(worth.begin(), worth.end(), 0.0) /
                      static_cast<double>(worth.size()));
      return worth;
    });
    StageModel model =
        with_heads(chat(), config.algorithm == "ppo" ? Heads::kBoth : Heads::kLanguageModel);
    rl(config, in_memory(std::move(reward)), model);
    ASSERT_EQ(means.size(), 30u);
    EXPECT_GT(means[27] + means[28] + means[29], 1.5 * (means[0] + means[1] + means[2]))
        << algorithm;
  }
}

TEST_F(ReinforcementLearning, ResumedIsTheUninterruptedRunToTheByte) {
  for (const auto& [name, algorithm, updates] :
       {std::tuple("one", "grpo", 1), std::tuple("twice", "grpo", 2),
        std::tuple("ppo", "ppo", 2)}) {
    RlConfig config = small_rl();
    config.algorithm = algorithm;
    config.updates = updates;
    const std::string whole = std::string("rl-whole-") + name,
                      resumed = std::string("rl-resumed-") + name;
    rl(config, rl_options(whole), {});
    StageOptions options = rl_options(resumed);
    EXPECT_EQ(rl(config, options, stop_after(3)), TrainOutcome::kInterrupted);
    // Not between two steps on the same answers: those would be gone.
    EXPECT_EQ(Checkpoint::open(options.out).state()->step % updates, 0);
    options.resume = true;
    EXPECT_EQ(rl(config, options, {}), TrainOutcome::kFinished);
    EXPECT_EQ(weights(resumed), weights(whole)) << name;
    EXPECT_EQ(moments(resumed), moments(whole)) << name;
    EXPECT_EQ(metrics(resumed), metrics(whole)) << name;
  }
}

TEST_F(ReinforcementLearning, GivesTheSameBytesForAnyNumberOfThreads) {
  const ThreadCount before(1);
  rl(small_rl(), rl_options("rl-one-thread"), {});
  minillm::set_thread_count(3);
  rl(small_rl(), rl_options("rl-three-threads"), {});
  EXPECT_EQ(weights("rl-one-thread"), weights("rl-three-threads"));
}

// A step's mean is over the step, however it is divided.
TEST_F(ReinforcementLearning, MicroBatchesAddUpToTheStep) {
  for (const char* mean_over : {"answers", "tokens", "constant"}) {
    std::vector<std::vector<double>> losses;
    for (const int64_t batch_tokens : {40, 4096}) {
      RlConfig config = small_rl();
      config.train.steps = 1;
      config.train.batch_tokens = batch_tokens;
      config.replay_weight = 0;
      config.mean_over = mean_over;
      const std::string out = fmt::format("rl-split-{}-{}", mean_over, batch_tokens);
      rl(config, rl_options(out), {});
      losses.push_back({metrics(out)[1].at("loss"), metrics(out)[1].at("grad_norm")});
    }
    EXPECT_NEAR(losses[0][0], losses[1][0], 1e-6) << mean_over;
    EXPECT_NEAR(losses[0][1], losses[1][1], 1e-4 * losses[1][1]) << mean_over;
  }
}

TEST_F(ReinforcementLearning, TakesARewardOfTheProgramsOwn) {
  WeightedRewards reward;
  size_t judged = 0;
  reward.add("mine", 1, [&](std::span<const RewardedAnswer> answers) {
    judged += answers.size();
    return std::vector<double>(answers.size(), 1);
  });
  RlConfig config = small_rl();
  config.kl_weight = config.train.adamw.weight_decay = 0;
  StageModel model = chat();
  const StageModel start = copy_of(model);
  rl(config, in_memory(std::move(reward)), model);
  EXPECT_EQ(judged, 6u * 4 * 3);
  // Equal rewards teach nothing.
  EXPECT_TRUE(std::ranges::equal(model.model.parameters(), start.model.parameters()));
}

TEST_F(ReinforcementLearning, StopsWhereThePolicyRunsAway) {
  RlConfig config = small_rl();
  config.train.schedule.learning_rate = 0.05;
  config.kl_weight = config.replay_weight = 0;
  config.max_kl = 0.01;
  try {
    rl(config, rl_options("rl-away"), {});
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kDiverged);
    EXPECT_THAT(error.what(), testing::HasSubstr("over rl.max_kl = 0.01"));
  }
}

TEST_F(ReinforcementLearning, RefusesWhatItCannotDo) {
  const auto refused = [&](auto change, const char* expected) {
    RlConfig config = small_rl();
    change(config);
    EXPECT_ERROR(rl(config, rl_options("rl-no"), {}), expected);
  };
  refused([](RlConfig& c) { c.algorithm = "a2c"; }, "advantage 'a2c': expected");
  refused([](RlConfig& c) { c.samples = 1; }, "rl.samples");
  refused([](RlConfig& c) { c.mean_over = "days"; }, "rl.mean_over: expected 'answers' or");
  refused([](RlConfig& c) { c.temperature = 0; }, "rl.temperature: expected a number over 0");
  refused([](RlConfig& c) { c.train.accumulation_steps = 2; }, "train.accumulation_steps");
  refused([](RlConfig& c) { c.updates = 2, c.train.save_every = 3; },
          "train.save_every: expected a multiple of rl.updates = 2, got 3");
  refused([](RlConfig& c) { c.reward = "truth"; }, "reward 'truth': expected");
  refused([](RlConfig& c) { c.kinds = "harmful:1,puns"; },
          "rl.kinds: 'puns': expected \"harmful\", \"benign\" or \"riddle\"");
  refused([](RlConfig& c) { c.max_tokens = 1000; }, "no questions to ask");
  StageModel model = chat();
  RlConfig ppo = small_rl();
  ppo.algorithm = "ppo";
  EXPECT_ERROR(rl(ppo, in_memory(WeightedRewards("ended")), model), "expected a model with both");
}

TEST_F(ReinforcementLearning, APolicyWithACriticIsALanguageModel) {
  RlConfig config = small_rl();
  config.algorithm = "ppo";
  rl(config, rl_options("rl-critic"), {});
  const Checkpoint checkpoint = Checkpoint::open(world_->file("rl-critic"));
  EXPECT_EQ(checkpoint.model_config().heads, Heads::kBoth);
  sft(small_sft(), world_->options("sft.jsonl", "", "after-rl", "rl-critic"), {});
  EXPECT_EQ(Checkpoint::open(world_->file("after-rl")).model_config().heads, Heads::kLanguageModel);
}

TEST(QuestionDraw, IsAPureFunctionOfTheStepAndAsksByWeight) {
  std::vector<RewardedQuestion> questions(100);
  for (size_t i = 0; i < questions.size(); ++i) questions[i].kind = i < 90 ? "common" : "rare";
  const QuestionDraw draw(questions, "common:1,rare:3", 7), same(questions, "common:1,rare:3", 7);
  double rare = 0;
  for (Index step = 0; step < 200; ++step) {
    const std::vector<Index> asked = draw.draw(step, 4);
    EXPECT_EQ(asked, same.draw(step, 4));
    EXPECT_EQ(std::set<Index>(asked.begin(), asked.end()).size(), 4u) << "asked twice";
    for (const Index question : asked) rare += question >= 90;
  }
  EXPECT_NEAR(rare / 800, 0.75, 0.06);
  EXPECT_NE(draw.draw(1, 4), draw.draw(2, 4));
  EXPECT_EQ(QuestionDraw(questions, "rare", 7).draw(0, 40).size(), 10u) << "there are no more";
}

}  // namespace
}  // namespace minillm_testing
