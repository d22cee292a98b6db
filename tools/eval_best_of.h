// minillm-eval best-of: what the best of n answers by one reward is worth by another.

#ifndef TOOLS_EVAL_BEST_OF_H_
#define TOOLS_EVAL_BEST_OF_H_

#include <cstdint>
#include <string>

#include "libminillm/rewards/rewards.h"

namespace minillm {

struct BestOfArguments {
  std::string checkpoint, prompts;
  std::string proxy = "model", gold = "world";  // of rewards/rewards.h
  RewardOptions rewards;
  int64_t samples = 128, max_tokens = 72;
  double temperature = 1;
  uint64_t seed = 1;
  bool json = false;
};
// Samples answers to every prompt and prints a line for 1, 2, 4, ... of them. The proxy is told in
// standard deviations of all answers.
void evaluate_best_of(const BestOfArguments& arguments);

}  // namespace minillm

#endif  // TOOLS_EVAL_BEST_OF_H_
