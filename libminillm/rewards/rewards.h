// Rewards: what an answer is worth, as a number. Rejection sampling ranks by it, reinforcement
// learning maximises it. A table, one entry each: a further reward is one entry in rewards.cc.

#ifndef LIBMINILLM_REWARDS_REWARDS_H_
#define LIBMINILLM_REWARDS_REWARDS_H_

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "libminillm/core/metrics.h"
#include "libminillm/generate/prompts.h"
#include "libminillm/world/eval_set.h"

namespace minillm {

// What is asked, and what is known of right answers.
struct RewardedQuestion {
  Prompt prompt;
  std::vector<std::string> expected;    // texts of which a right answer holds one; empty: unknown
  std::optional<world::ChatItem> item;  // of the world: kind and truth
};
// Throws Error if `prompt.kind` is none of the world's.
RewardedQuestion rewarded_question(const ExpectingPrompt& prompt);

struct RewardedAnswer {
  std::string text;  // without the end token
  int64_t tokens = 0;
  bool ended = false;  // by itself
};

struct Reward {
  const char* name;
  const char* meaning;  // with its range
  bool needs_expected, needs_item;
  double (*of)(const RewardedQuestion& question, const RewardedAnswer& answer);
};
// "expected", "exact", "ended", "length", "world".
std::span<const Reward> rewards();

// A weighted sum of rewards, each told apart.
class WeightedRewards {
 public:
  // "world", or "expected:1,ended:0.2,length:-0.01": names of the table with weights (default 1).
  // Throws Error (kUsage) on an unknown name, one that is named twice, or a weight that is no
  // finite number.
  explicit WeightedRewards(const std::string& text);

  // Throws Error (kUsage) naming the first question that lacks what a reward looks at.
  void check(std::span<const RewardedQuestion> questions) const;
  // The sum; and "reward/<name>", unweighted, of each.
  double operator()(const RewardedQuestion& question, const RewardedAnswer& answer) const;
  Metrics parts(const RewardedQuestion& question, const RewardedAnswer& answer) const;

 private:
  std::vector<std::pair<const Reward*, double>> terms_;
};

}  // namespace minillm

#endif  // LIBMINILLM_REWARDS_REWARDS_H_
