#include "libminillm/rl/policy_batches.h"

#include <algorithm>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

Index rows_of(const AnswerGroup& group) {
  Index rows = std::ssize(group.prompt);
  for (const SampledAnswer& answer : group.answers) rows += std::ssize(answer.tokens) - 1;
  return rows;
}

template <typename T>
void append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

}  // namespace

PolicyBatches::PolicyBatches(const RlConfig& config, std::optional<ConversationDataset> replay,
                             Index virtual_tokens)
    : config_(config), replay_(std::move(replay)) {
  batch_.tokens.virtual_tokens = virtual_tokens;
}

void PolicyBatches::divide(std::span<AnswerGroup> groups) {
  groups_ = groups;
  ends_.clear();
  answers_ = tokens_ = 0;
  Index rows = 0;
  for (size_t g = 0; g < groups.size(); ++g) {
    const Index wanted = batch_.tokens.virtual_tokens + rows_of(groups[g]);
    if (ends_.empty() || rows + wanted > config_.train.batch_tokens) {
      ends_.push_back(g);
      rows = 0;
    }
    rows += wanted;
    ends_.back() = g + 1;
    for (const SampledAnswer& answer : groups[g].answers) {
      answers_ += 1;
      tokens_ += static_cast<double>(answer.tokens.size());
    }
  }
}

std::span<AnswerGroup> PolicyBatches::groups_of(Index k) const {
  const size_t begin = k == 0 ? 0 : ends_[static_cast<size_t>(k - 1)];
  return groups_.subspan(begin, ends_[static_cast<size_t>(k)] - begin);
}

void PolicyBatches::append_answers_of(Index k, TokenBatch& batch) const {
  for (const AnswerGroup& group : groups_of(k)) {
    std::vector<std::span<const Token>> answers;
    for (const SampledAnswer& answer : group.answers) answers.push_back(answer.tokens);
    append_answers(batch, group.prompt, answers);
  }
}

// So that a step's sum of weighted tokens, divided by its answers, is the mean asked for.
double PolicyBatches::weight_of(const SampledAnswer& answer) const {
  if (config_.mean_over == "tokens") return answers_ / tokens_;
  if (config_.mean_over == "constant") return 1 / static_cast<double>(config_.max_tokens);
  return 1 / static_cast<double>(answer.tokens.size());
}

const PolicyBatch& PolicyBatches::batch(Index k, Index i) {
  batch_.tokens.clear();
  for (auto* list : {&batch_.sampled, &batch_.reference, &batch_.values}) list->clear();
  for (auto* list : {&batch_.advantage, &batch_.weight, &batch_.returns}) list->clear();
  batch_.answers = 0;
  append_answers_of(k, batch_.tokens);
  for_each_answer(k, [&](const SampledAnswer& answer) {
    batch_.answers += 1;
    append(batch_.sampled, answer.sampled);
    append(batch_.reference, answer.reference);
    append(batch_.values, answer.values);
    append(batch_.advantage, answer.advantages);
    append(batch_.returns, answer.returns);
    batch_.weight.insert(batch_.weight.end(), answer.tokens.size(), weight_of(answer));
  });
  batch_.replay_begin = batch_.tokens.target_count();
  MINILLM_DCHECK(std::ssize(batch_.sampled) == batch_.replay_begin);
  if (replay_) replay_->append_batch(batch_.tokens, i);
  return batch_;
}

Index PolicyBatches::group_rows(Index longest_prompt) const {
  return batch_.tokens.virtual_tokens + longest_prompt + config_.samples * (config_.max_tokens - 1);
}

Index PolicyBatches::max_rows(Index longest_prompt) const {
  return std::max(config_.train.batch_tokens, group_rows(longest_prompt)) +
         (replay_ ? replay_->max_rows() : 0);
}

// An answer has one target more than rows; it has at least one, and its prompt two rows or more.
Index PolicyBatches::max_targets(Index longest_prompt) const {
  return max_rows(longest_prompt) + config_.questions * config_.samples;
}

}  // namespace minillm
