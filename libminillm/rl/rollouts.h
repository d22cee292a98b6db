// Rollouts: what the policy answers to a step's questions, and what that is worth.

#ifndef LIBMINILLM_RL_ROLLOUTS_H_
#define LIBMINILLM_RL_ROLLOUTS_H_

#include <span>
#include <string>
#include <vector>

#include "libminillm/core/metrics.h"
#include "libminillm/data/tokenizer.h"
#include "libminillm/nn/model.h"
#include "libminillm/rewards/rewards.h"
#include "libminillm/rl/rl.h"

namespace minillm {

// An answer that was sampled, and what is known of its tokens, [T] each.
struct SampledAnswer {
  std::vector<Token> tokens;  // with the end token, if it ended
  bool ended = false;         // by itself
  std::string text;
  double reward = 0;
  std::vector<Real> sampled;       // log q: of the policy that sampled it
  std::vector<Real> reference;     // log r: of the model that training began with; may be empty
  std::vector<Real> values;        // of the critic; PPO's
  std::vector<double> advantages;  // A
  std::vector<double> returns;     // what the critic is to say; PPO's
};

// All answers to one question.
struct AnswerGroup {
  Index question = 0;
  std::vector<Token> prompt;
  std::vector<SampledAnswer> answers;
};

// The questions as token ids, ready to be asked.
struct RenderedQuestions {
  std::vector<RewardedQuestion> questions;
  std::vector<std::vector<Token>> prompts;
  Index longest = 0;  // tokens of a prompt
};

// `samples` answers to each of the questions `asked`, from streams of random numbers `stream` on.
std::vector<AnswerGroup> sample_answers(const Model& policy, const Tokenizer& tokenizer,
                                        const RenderedQuestions& questions,
                                        std::span<const Index> asked, const RlConfig& config,
                                        int64_t samples, uint64_t stream,
                                        Communicator* ranks = nullptr);

// Fills in the rewards; returns "reward", "reward_std" (the mean of the groups' deviations),
// "rewards/<name>/mean", "reward/<kind>" where questions have kinds, "frac_reward_zero_std" (groups
// whose answers are all worth the same: they teach nothing), "completions/mean_length",
// "completions/clipped_ratio" (answers that did not end): TRL's names.
Metrics judge(std::vector<AnswerGroup>& groups, const RenderedQuestions& questions,
              const WeightedRewards& reward);

// Fills in the advantages. A KL that is taken off the reward is taken off here, from what judge()
// told: where kl is "k1" and there is a reference.
void set_advantages(std::vector<AnswerGroup>& groups, const RlConfig& config);

// The mean over answers of log q - log r, summed over their tokens: how far the policy has moved,
// in nats. 0 without a reference.
double kl_per_answer(std::span<const AnswerGroup> groups);

}  // namespace minillm

#endif  // LIBMINILLM_RL_ROLLOUTS_H_
