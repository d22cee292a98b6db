// A step's answers as micro-batches: groups of answers that share their prompt, and replayed
// conversations after them.

#ifndef LIBMINILLM_RL_POLICY_BATCHES_H_
#define LIBMINILLM_RL_POLICY_BATCHES_H_

#include <optional>
#include <span>
#include <vector>

#include "libminillm/core/token_batch.h"
#include "libminillm/objectives/policy_gradient.h"
#include "libminillm/rl/rollouts.h"
#include "libminillm/stage/conversation_dataset.h"

namespace minillm {

// The answers' targets come first, with what is known of each; then those of the replayed rows.
struct PolicyBatch {
  TokenBatch tokens;
  Index replay_begin = 0;  // first replayed target
  double answers = 0;
  std::vector<Real> sampled, reference, values;
  std::vector<double> advantage, weight, returns;

  SampledTokens sampled_tokens() const { return {sampled, reference, advantage, weight}; }
};

class PolicyBatches {
 public:
  PolicyBatches(const RlConfig& config, std::optional<ConversationDataset> replay,
                Index virtual_tokens = 0);

  // Divides these groups, which must outlive the batches, in their order: a micro-batch has up to
  // train.batch_tokens rows, or one group.
  void divide(std::span<AnswerGroup> groups);
  Index count() const { return std::ssize(ends_); }

  // Prompts and answers of micro-batch k (0-based, of the step), without what is known of them.
  void append_answers_of(Index k, TokenBatch& batch) const;
  // Calls visit(answer) for the answers of micro-batch k, in the order of their targets.
  template <typename Visit>
  void for_each_answer(Index k, Visit&& visit) {
    for (AnswerGroup& group : groups_of(k))
      for (SampledAnswer& answer : group.answers) visit(answer);
  }
  // Micro-batch k of the step, micro-batch `i` of the run. Valid until the next call.
  const PolicyBatch& batch(Index k, Index i);

  Index replayed_targets(Index i) { return replay_ ? replay_->supervised_tokens(i) : 0; }
  Index bytes() const { return replay_ ? replay_->bytes() : 0; }
  // Of any batch, where prompts have up to `longest_prompt` tokens.
  Index max_rows(Index longest_prompt) const;
  Index max_targets(Index longest_prompt) const;

 private:
  std::span<AnswerGroup> groups_of(Index k) const;
  double weight_of(const SampledAnswer& answer) const;
  Index group_rows(Index longest_prompt) const;

  const RlConfig& config_;
  std::optional<ConversationDataset> replay_;
  std::span<AnswerGroup> groups_;
  std::vector<size_t> ends_;         // of each micro-batch, one past its last group
  double answers_ = 0, tokens_ = 0;  // of the step
  PolicyBatch batch_;
};

}  // namespace minillm

#endif  // LIBMINILLM_RL_POLICY_BATCHES_H_
