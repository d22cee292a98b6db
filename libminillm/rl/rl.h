// Reinforcement learning: the model answers questions, a reward says what each answer is worth, and
// answers that are worth more than expected become more probable.
//
//   data       questions, with what a reward needs beside them
//   a step     questions x samples answers, sampled from the model as it is; their rewards; an
//              advantage for each (objectives/advantages.h); one or several updates on them
//   objective  the policy gradient (objectives/policy_gradient.h), held to the model it began as by
//              a KL term, and to what it was taught before by replayed conversations
//   result     a model that gets what the reward pays for, which may not be what was meant
//
// The seam is the one of every stage: rewards become weights of next-token prediction on the
// model's own answers.
//
// Method: Williams 1992 (REINFORCE); Schulman et al. 2017 (PPO); Shao et al. 2024 (GRPO).

#ifndef LIBMINILLM_RL_RL_H_
#define LIBMINILLM_RL_RL_H_

#include <string>
#include <vector>

#include "libminillm/data/dataset_reader.h"  // Dataset
#include "libminillm/data/record.h"          // Conversation
#include "libminillm/rewards/rewards.h"
#include "libminillm/stage/stage.h"
#include "libminillm/train/train_config.h"

namespace minillm {

struct RlConfig {
  TrainConfig train;  // epochs are passes over the questions; a step's loss is a mean over answers
  DataConfig data;

  std::string reward = "expected";  // names and weights, see WeightedRewards
  RewardOptions reward_options;
  std::string kinds;  // "answer:30,harmful:18": how often questions of a kind are drawn; empty: all
                      // questions alike
  int64_t questions = 16, samples = 8;  // of a step, and answers to each
  int64_t max_tokens = 48;              // of an answer
  double temperature = 1;

  std::string algorithm = "grpo";  // of the table in objectives/advantages.h, or "ppo"
  // What a step's loss is a mean over: "answers" (GRPO: over an answer's tokens, then over
  // answers), "tokens" (DAPO: a long answer counts for more), or "constant": the sum over an
  // answer, divided by max_tokens (Dr. GRPO).
  std::string mean_over = "answers";
  bool whiten = false;  // advantages of a step get mean 0 and deviation 1
  int64_t updates = 1;  // steps on the same answers
  double clip_low = 0.2, clip_high = 0.2;

  double kl_weight = 0.02;  // how strongly the policy is held to the model it began as
  std::string kl = "k3";    // "k3": a term of the loss; "k1": taken off the reward
  double max_kl = 30;       // nats per answer at which the run stops as diverged; 0 = never
  double replay_weight = 0.2;
  int64_t replay_tokens = 680;

  double gamma = 1, lambda = 0.95;              // PPO: of the advantages
  double value_weight = 0.1, value_clip = 0.2;  // PPO: of the critic
};
void list_fields(ConfigFields& fields, RlConfig& config);

// Trains options.init_from on questions in files (generate/prompts.h); options.replay_files are
// conversations. Throws Error; core/error.h lists the exit codes.
TrainOutcome rl(RlConfig config, const StageOptions& options, const TrainerEvents& events);

// Rows in memory, and a reward of the program's own.
struct RlData {
  std::vector<RewardedQuestion> train, held_out;
  Dataset<Conversation> replay;
  WeightedRewards reward;
};
// Trains `model` in place; for PPO it has both heads (with_heads in stage/stage.h). config.reward
// is not looked at. Without options.out nothing is written.
TrainOutcome rl(RlConfig config, RlData data, StageModel& model, const StageOptions& options = {},
                const TrainerEvents& events = {});

}  // namespace minillm

#endif  // LIBMINILLM_RL_RL_H_
