// What reinforcement learning does in a step: samples, judges, and learns from what was sampled.

#ifndef LIBMINILLM_RL_POLICY_TRAINING_H_
#define LIBMINILLM_RL_POLICY_TRAINING_H_

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libminillm/core/metrics.h"
#include "libminillm/nn/model.h"
#include "libminillm/objectives/policy_gradient.h"
#include "libminillm/rl/policy_batches.h"
#include "libminillm/rl/question_draw.h"
#include "libminillm/rl/rl.h"
#include "libminillm/rl/rollouts.h"
#include "libminillm/rl/starting_policy.h"
#include "libminillm/stage/stage_run.h"

namespace minillm {

// Means of named numbers, in the order they came in.
class MeanMetrics {
 public:
  void add(const Metrics& metrics) {
    for (const auto& [name, value] : metrics) {
      auto entry = std::ranges::find(entries_, name, &Entry::name);
      if (entry == entries_.end()) entry = entries_.insert(entries_.end(), {name, 0, 0});
      entry->sum += value;
      entry->count += 1;
    }
  }
  Metrics take() {
    Metrics means;
    for (const Entry& entry : entries_) means.emplace_back(entry.name, entry.sum / entry.count);
    entries_.clear();
    return means;
  }

 private:
  struct Entry {
    std::string name;
    double sum, count;
  };
  std::vector<Entry> entries_;
};

inline bool has_critic(const RlConfig& c) { return c.algorithm == "ppo"; }
inline bool replays(const RlConfig& c) { return c.replay_weight > 0 && c.replay_tokens > 0; }

// One run: what a step samples, and what is learned from it. The functions are those of StageTask.
class PolicyTraining {
 public:
  // Renders and checks the data. All arguments must outlive this. Throws Error.
  PolicyTraining(const RlConfig& config, StageRun& run, RlData data);
  // Steps of the run: train.steps, or as many as train.epochs takes.
  Index steps() const;
  StageSizes sizes() const;
  // Samples and judges, unless the answers of the step before are learned from again.
  Index prepare(Index step);
  void begin_step(Index begin, Index end);
  Contribution micro_step(Index i);
  std::vector<StageSum> sums();  // what micro_step adds to
  Metrics take_metrics();
  // The best and the worst answer to each of the first questions of the step.
  std::vector<Sample> samples() const;

 private:
  std::optional<ConversationDataset> replayed(Dataset<Conversation> data) const;
  void look_up_reference();
  void look_up_values();
  Contribution head_loss(HeadPass& head, const PolicyBatch& batch);
  Contribution critic_step(const PolicyBatch& batch);
  Metrics evaluate();
  std::map<std::string, double> refusals(std::span<const AnswerGroup> groups) const;
  void warn_of_refusals(const std::string& kind, double rate);
  // Runs `model` with `weights` over the answers of every micro-batch; look(batch, assign) has what
  // it says of their targets assigned to a member of each answer.
  template <typename Look>
  void for_each_batch(const Model& model, const Weights& weights, Look&& look);

  const RlConfig& c_;
  StageRun& run_;
  WeightedRewards reward_;
  RenderedQuestions questions_, held_out_;
  QuestionDraw draw_;
  PolicyBatches batches_;
  std::optional<StartingPolicy> reference_;
  std::map<std::string, double> refused_at_start_;

  // Of the present step.
  std::vector<AnswerGroup> groups_;
  Index first_ = 0;
  double answers_ = 0, replay_tokens_ = 0;
  std::vector<Real> values_, dvalues_;
  std::vector<double> weights_;

  // Since the last log line.
  MeanMetrics metrics_;
  PolicySums sums_;
  double replay_nll_ = 0, replayed_tokens_ = 0, value_loss_ = 0;
};

}  // namespace minillm

#endif  // LIBMINILLM_RL_POLICY_TRAINING_H_
