// Rewards: what an answer is worth, as a number. Rejection sampling ranks by it, reinforcement
// learning maximises it. A table, one entry each: a further reward is one entry in rewards.cc, or a
// function of the program's own.

#ifndef LIBMINILLM_REWARDS_REWARDS_H_
#define LIBMINILLM_REWARDS_REWARDS_H_

#include <functional>
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
  std::string kind;                     // empty: none
};
// `item` is there if `prompt.kind` is one of the world's.
RewardedQuestion rewarded_question(const ExpectingPrompt& prompt);

struct RewardedAnswer {
  const RewardedQuestion* question = nullptr;
  std::string text;  // without the end token
  int64_t tokens = 0;
  bool ended = false;  // by itself
};
// What each of some answers is worth.
using RewardFunction = std::function<std::vector<double>(std::span<const RewardedAnswer>)>;

// What rewards of the table may need beside their names.
struct RewardOptions {
  std::string pattern = {};     // a regular expression, for "pattern"
  std::string model = {};       // a reward model's checkpoint, for "model"
  std::string program = {};     // a command, for "program" (reward_program.h)
  double program_seconds = 10;  // that it may take for an answer
};

struct Reward {
  const char* name;
  const char* meaning;  // with its range
  bool needs_expected, needs_item;
  RewardFunction (*make)(const RewardOptions& options);
};
// "expected", "exact", "pattern", "ended", "length", "world", "model", "program".
std::span<const Reward> rewards();

// A weighted sum of rewards, each told apart.
class WeightedRewards {
 public:
  // None: add() them.
  WeightedRewards() = default;
  // "world", or "expected:1,ended:0.2,length:-0.01": names of the table with weights (default 1).
  // Throws Error (kUsage) on an unknown name, one that is named twice, a weight that is no finite
  // number, or an option that is missing; Error as Checkpoint::open does for "model".
  explicit WeightedRewards(const std::string& text, const RewardOptions& options = {});
  // A function of the program's own. It must give a finite number for every answer.
  void add(std::string name, double weight, RewardFunction function);

  // Throws Error (kUsage) naming the first question that lacks what a reward looks at.
  void check(std::span<const RewardedQuestion> questions) const;

  struct Result {
    std::vector<double> sums;  // by answer
    // By reward and answer, unweighted.
    std::vector<std::pair<std::string, std::vector<double>>> parts;
  };
  // Throws Error naming the reward if what it gives is not a finite number for every answer.
  Result operator()(std::span<const RewardedAnswer> answers) const;

 private:
  struct Term {
    std::string name;
    double weight;
    RewardFunction function;
    const Reward* entry;  // of the table; null: the program's own
  };
  std::vector<Term> terms_;
};

// The weights in "a:2,b,c:0.5", of names in the order they stand; without one, 1. `what`: what they
// are, for the error. Throws Error (kUsage) on a name that stands there twice, or a weight that is
// no finite number.
std::vector<std::pair<std::string, double>> parse_weights(const std::string& text,
                                                          const std::string& what);

}  // namespace minillm

#endif  // LIBMINILLM_REWARDS_REWARDS_H_
