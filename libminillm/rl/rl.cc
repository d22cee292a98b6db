#include "libminillm/rl/rl.h"

#include <algorithm>
#include <cmath>

#include "libminillm/core/alternatives.h"
#include "libminillm/core/check.h"
#include "libminillm/objectives/advantages.h"
#include "libminillm/rl/policy_training.h"

namespace minillm {
namespace {

void validate(const RlConfig& c) {
  const auto non_negative = [](const char* key, double value) {
    MINILLM_CHECK_USAGE(value >= 0 && std::isfinite(value),
                        "config: rl.{}: expected 0 or more, got {}", key, value);
  };
  const auto one_of = [](const char* key, const std::string& value,
                         std::initializer_list<const char*> names) {
    MINILLM_CHECK_USAGE(std::ranges::find(names, value) != names.end(),
                        "config: rl.{}: expected '{}', got '{}'", key, fmt::join(names, "' or '"),
                        value);
  };
  if (!has_critic(c)) advantage_estimator(c.algorithm);
  one_of("mean_over", c.mean_over, {"answers", "tokens", "constant"});
  one_of("kl", c.kl, {"k1", "k3"});
  expect_in_range("rl.questions", c.questions, 1, kMaxConfigCount);
  expect_in_range("rl.samples", c.samples, has_critic(c) || c.algorithm == "reinforce" ? 1 : 2,
                  kMaxConfigCount);
  expect_in_range("rl.max_tokens", c.max_tokens, 1, kMaxConfigCount);
  expect_in_range("rl.updates", c.updates, 1, kMaxConfigCount);
  expect_in_range("rl.replay_tokens", c.replay_tokens, 0, kMaxConfigCount);
  MINILLM_CHECK_USAGE(c.temperature > 0 && std::isfinite(c.temperature),
                      "config: rl.temperature: expected a number over 0, got {}", c.temperature);
  MINILLM_CHECK_USAGE(c.clip_low > 0 && c.clip_low <= 1,
                      "config: rl.clip_low: expected a number in (0, 1], got {}", c.clip_low);
  MINILLM_CHECK_USAGE(c.clip_high > 0 && std::isfinite(c.clip_high),
                      "config: rl.clip_high: expected a number over 0, got {}", c.clip_high);
  for (const auto& [key, value] : {std::pair("gamma", c.gamma), std::pair("lambda", c.lambda)})
    MINILLM_CHECK_USAGE(value >= 0 && value <= 1, "config: rl.{}: expected 0 to 1, got {}", key,
                        value);
  non_negative("kl_weight", c.kl_weight);
  non_negative("max_kl", c.max_kl);
  non_negative("replay_weight", c.replay_weight);
  non_negative("value_weight", c.value_weight);
  non_negative("value_clip", c.value_clip);
  MINILLM_CHECK_USAGE(
      c.train.accumulation_steps == 1,
      "config: train.accumulation_steps: expected 1: a step is rl.questions, got {}",
      c.train.accumulation_steps);
  if (c.updates == 1) return;
  for (const auto& [key, every] :
       {std::pair("eval_every", c.train.eval_every), std::pair("save_every", c.train.save_every)})
    MINILLM_CHECK_USAGE(every % c.updates == 0,
                        "config: train.{}: expected a multiple of rl.updates = {}, got {}", key,
                        c.updates, every);
  MINILLM_CHECK_USAGE(c.train.spike_guard.action != "rollback",
                      "config: train.spike_action: expected \"off\" or \"skip\" with rl.updates = "
                      "{}: what was sampled would be gone",
                      c.updates);
}

TrainOutcome train(const RlConfig& config, StageRun& run, RlData data) {
  PolicyTraining training(config, run, std::move(data));
  run.plan(training.steps(), training.sizes());
  StageTask task;
  task.steps_per_preparation = config.updates;
  task.prepare = [&](Index step) { return training.prepare(step); };
  task.begin_step = [&](Index begin, Index end) { training.begin_step(begin, end); };
  task.micro_step = [&](Index i) { return training.micro_step(i); };
  task.sums = training.sums();
  task.take_step_metrics = [&] { return training.take_metrics(); };
  task.sample = [&] { return training.samples(); };
  task.best_metric = "eval_reward";
  task.smaller_is_better = false;
  return run.train(task);
}

std::vector<RewardedQuestion> read_questions(const StageRun& run,
                                             const std::vector<std::string>& files) {
  std::vector<RewardedQuestion> questions;
  for (const std::string& file : files) {
    const size_t before = questions.size();
    for (const ExpectingPrompt& prompt : read_expecting_prompts(file))
      questions.push_back(rewarded_question(prompt));
    run.say(fmt::format("{}: {} questions", file, questions.size() - before));
  }
  return questions;
}

}  // namespace

void list_fields(ConfigFields& fields, RlConfig& c) {
  list_fields(fields, c.train);
  list_fields(fields, c.data);
  fields.add("rl.reward", c.reward,
             "what an answer is worth: NAME[:WEIGHT],... of " + alternatives(rewards()));
  fields.add("rl.reward_pattern", c.reward_options.pattern,
             "the regular expression of the reward \"pattern\"");
  fields.add("rl.reward_model", c.reward_options.model,
             "the reward model's checkpoint of the reward \"model\"");
  fields.add("rl.reward_program", c.reward_options.program,
             "the command of the reward \"program\"");
  fields.add("rl.reward_program_seconds", c.reward_options.program_seconds,
             "seconds that it may take for an answer");
  fields.add("rl.kinds", c.kinds,
             "how often questions of a kind are asked, \"answer:30,harmful:18\"; \"\": all alike");
  fields.add("rl.questions", c.questions, "questions of a step");
  fields.add("rl.samples", c.samples, "answers to each of them: the group");
  fields.add("rl.max_tokens", c.max_tokens, "longest answer, in tokens");
  fields.add("rl.temperature", c.temperature, "of sampling; the objective is that of 1");
  fields.add("rl.algorithm", c.algorithm,
             "how advantages come about: \"ppo\" (a critic's), or " +
                 alternatives(advantage_estimators()));
  fields.add(
      "rl.mean_over", c.mean_over,
      "\"answers\", \"tokens\" (long answers count for more) or \"constant\" (rl.max_tokens)");
  fields.add("rl.whiten", c.whiten, "give a step's advantages mean 0 and deviation 1");
  fields.add("rl.updates", c.updates, "optimizer steps on the same answers");
  fields.add("rl.clip_low", c.clip_low, "how far below 1 a ratio still counts");
  fields.add("rl.clip_high", c.clip_high, "how far above 1");
  fields.add("rl.kl_weight", c.kl_weight, "how strongly the policy is held to where it began");
  fields.add("rl.kl", c.kl, "\"k3\": as a term of the loss; \"k1\": taken off the reward");
  fields.add("rl.max_kl", c.max_kl,
             "nats per answer from where it began at which the run stops; 0 = never");
  fields.add("rl.replay_weight", c.replay_weight,
             "weight of the replayed conversations, a mean per token");
  fields.add("rl.replay_tokens", c.replay_tokens,
             "rows of replayed conversations in every micro-batch");
  fields.add("rl.gamma", c.gamma, "ppo: what a reward is worth one token earlier");
  fields.add("rl.lambda", c.lambda, "ppo: 1 = sums of rewards, 0 = the critic's word alone");
  fields.add("rl.value_weight", c.value_weight, "ppo: weight of the critic's loss");
  fields.add("rl.value_clip", c.value_clip, "ppo: how far a value may move on the same answers");
}

TrainOutcome rl(RlConfig config, const StageOptions& options, const TrainerEvents& events) {
  validate(config);
  StageRun run("rl", config, options, events);
  run.expect_files();
  run.start_from(open_starting_point(options,
                                     has_critic(config) ? Heads::kBoth : Heads::kLanguageModel,
                                     use_of_start(config.train)));
  WeightedRewards reward(config.reward, config.reward_options);
  const std::vector<std::string> none;
  return train(
      config, run,
      {.train = read_questions(run, options.train_files),
       .held_out = read_questions(run, options.eval_files),
       .replay = run.read(replays(config) ? options.replay_files : none, read_conversations),
       .reward = std::move(reward)});
}

TrainOutcome rl(RlConfig config, RlData data, StageModel& model, const StageOptions& options,
                const TrainerEvents& events) {
  validate(config);
  MINILLM_CHECK(!has_critic(config) || model.model.config().heads == Heads::kBoth,
                "reinforcement learning: expected a model with both heads (with_heads), for PPO's "
                "critic");
  StageRun run("rl", config, options, events);
  run.start_from(model);
  return train(config, run, std::move(data));
}

}  // namespace minillm
