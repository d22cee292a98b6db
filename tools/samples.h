// Answers of minillm-generate: to many prompts at once, and as files that training reads.

#ifndef TOOLS_SAMPLES_H_
#define TOOLS_SAMPLES_H_

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "libminillm/generate/prompts.h"
#include "libminillm/rewards/rewards.h"
#include "tools/generation_options.h"
#include "tools/interactive.h"
#include "tools/policy_option.h"

namespace minillm {

// The answer to one prompt, as shown.
struct Answer {
  std::string prompt;
  std::string text;
  Generation generation;
  std::optional<PolicyVerdict> refused = {};  // what a policy tells instead is in `text`
  std::vector<Message> called = {};           // answers that called tools, and what those returned
};
// `policy`: null for none. Prompts that it refuses are not put to the model.
std::vector<Answer> answer_all(const LoadedModel& loaded, std::vector<Prompt> prompts, bool chat,
                               const std::string& system, const GenerationConfig& config,
                               const Policy* policy = nullptr);

// The same with options.tools, which are run: a chat.
std::vector<Answer> answer_with_tools(const LoadedModel& loaded, const std::vector<Prompt>& prompts,
                                      const InteractiveOptions& options);
// Tells a line on stderr for every call: add{"a": 2, "b": 3} = 5.
void tell_calls(const std::vector<Message>& called);

struct SampleOptions {
  int64_t samples = 1;           // answers to every prompt; without one, documents
  bool keep_unfinished = false;  // of documents: those, too, that did not end by themselves
  std::string out;               // the .jsonl file, which appears when it is complete
  std::string reward;  // of rewards/rewards.h, "expected:1,ended:0.2"; empty: rows are not judged
  RewardOptions reward_options;
  std::string keep = "ranked";
  double min_reward = -std::numeric_limits<double>::infinity();
};
std::string reward_help();  // names the rewards

// Without a reward: every answer as a row of its own, a text or a conversation. With one (rejection
// sampling): for every prompt its different answers with their scores, the best one first, which
// DPO reads; or the conversation with the best one, which SFT reads. Prompts whose answers are all
// worth the same teach no preference, and are left out and counted.
void write_samples(const LoadedModel& loaded, const std::vector<ExpectingPrompt>& questions,
                   const InteractiveOptions& options, const SampleOptions& sampling);

// The best of sampling.samples answers to each prompt, by the reward.
std::vector<Answer> best_answers(const LoadedModel& loaded,
                                 const std::vector<ExpectingPrompt>& questions,
                                 const InteractiveOptions& options, const SampleOptions& sampling);

}  // namespace minillm

#endif  // TOOLS_SAMPLES_H_
