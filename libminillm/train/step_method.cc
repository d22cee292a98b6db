#include "libminillm/train/step_method.h"

#include <algorithm>

#include "libminillm/core/check.h"
#include "libminillm/core/sha256.h"
#include "libminillm/train/outer_steps.h"
#include "libminillm/train/sharded_step.h"

namespace minillm {

std::unique_ptr<StepMethod> StepMethod::make(const TrainingTask& task, const TrainConfig& config,
                                             Communicator* ranks) {
  MINILLM_CHECK_USAGE(config.outer.replicas == 0 || count_of(ranks) <= config.outer.replicas,
                      "ranks: {} of them: expected at most outer.replicas = {}, as each has "
                      "replicas of its own",
                      count_of(ranks), config.outer.replicas);
  if (config.outer.replicas > 0) return std::make_unique<OuterSteps>(task, config, ranks);
  return std::make_unique<ShardedStep>(task, config, ranks);
}

void expect_equal_on_all(Communicator* ranks, std::span<const Real> values, const char* what) {
  if (count_of(ranks) == 1) return;
  Sha256 hash;
  hash.update({reinterpret_cast<const char*>(values.data()), values.size_bytes()});
  const std::string own = hash.hex();
  const std::vector<char> all = all_gather_values(*ranks, std::span<const char>(own));
  for (Index rank = 1; rank < ranks->ranks(); ++rank)
    MINILLM_CHECK(std::equal(all.begin(), all.begin() + std::ssize(own),
                             all.begin() + rank * std::ssize(own)),
                  "ranks: rank {} has other {} than rank 0: expected the same bits on all (bad "
                  "memory, or another processor or build: not saved)",
                  rank, what);
}

std::vector<Index> micro_batches_by_rank(Index count, Index slots, const Communicator* ranks) {
  std::vector<Index> counts;
  for (Index rank = 0; rank < count_of(ranks); ++rank) {
    const Slots own = slots_of_rank(slots, rank, count_of(ranks));
    counts.push_back(GradientSum::micro_batches_of(own.end - 1, slots, count).end -
                     GradientSum::micro_batches_of(own.begin, slots, count).begin);
  }
  return counts;
}

OptimizerArray array_of_rank(Communicator* ranks, Index owner, std::string prefix,
                             std::span<Real> own, std::vector<ElementRange> of) {
  constexpr int kTag = 4;
  OptimizerArray array = array_in_memory(std::move(prefix), own, std::move(of));
  const Index rank = number_of(ranks);
  if (owner == 0 && rank == 0) return array;
  const auto wait_for = [ranks](std::unique_ptr<Communicator::Message> message) {
    Communicator::Messages messages;
    messages.push_back(std::move(message));
    ranks->wait(messages);
  };
  array.read = [=, here = array.read](Index first, std::span<Real> out) {
    if (rank == owner) {
      here(first, out);
      wait_for(ranks->send(0, kTag, std::as_bytes(out)));
    } else if (rank == 0) {
      wait_for(ranks->receive(owner, kTag, std::as_writable_bytes(out)));
    }
  };
  array.take = [=, here = array.take](Index first, std::span<const Real> values) {
    if (rank == owner) {
      std::vector<Real> theirs(values.size());
      wait_for(ranks->receive(0, kTag, std::as_writable_bytes(std::span(theirs))));
      here(first, theirs);
    } else if (rank == 0) {
      wait_for(ranks->send(owner, kTag, std::as_bytes(values)));
    }
  };
  return array;
}

std::vector<OwnMoments> own_moments(Optimizer& optimizer) {
  const OptimizerRanges& ranges = optimizer.ranges();
  std::vector<OwnMoments> moments = {{kExpAvgPrefix, optimizer.exp_avg(), ranges.adamw},
                                     {kExpAvgSqPrefix, optimizer.exp_avg_sq(), ranges.adamw}};
  if (!ranges.muon.empty()) moments.push_back({kMomentumPrefix, optimizer.momentum(), ranges.muon});
  return moments;
}

double clip_factor(double max_grad_norm, double norm) {
  return max_grad_norm > 0 ? std::min(1.0, max_grad_norm / norm) : 1;
}

void clear_frozen(const Trainable& trainable) {
  for (const ElementRange& range : trainable.frozen)
    std::ranges::fill(part_of(trainable.gradients, range), Real{0});
}

}  // namespace minillm
