// RewardModel: a learned reward, which a checkpoint of the reward stage holds.

#ifndef LIBMINILLM_REWARDS_REWARD_MODEL_H_
#define LIBMINILLM_REWARDS_REWARD_MODEL_H_

#include <span>
#include <string>
#include <vector>

#include "libminillm/data/tokenizer.h"
#include "libminillm/nn/model.h"
#include "libminillm/rewards/rewards.h"

namespace minillm {

class RewardModel {
 public:
  // Throws Error if there is no such checkpoint, it is no reward model, or has no chat template.
  explicit RewardModel(const std::string& checkpoint);

  // Of every answer as it follows its prompt, with the end token, whether it ended by itself or
  // not. One that does not fit into the context scores as its beginning.
  std::vector<double> scores(std::span<const RewardedAnswer> answers) const;

 private:
  Tokenizer tokenizer_;
  Model model_;
};

}  // namespace minillm

#endif  // LIBMINILLM_REWARDS_REWARD_MODEL_H_
