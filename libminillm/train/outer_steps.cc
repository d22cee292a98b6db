#include "libminillm/train/outer_steps.h"

#include <algorithm>
#include <cmath>

#include "libminillm/core/check.h"
#include "libminillm/core/threads.h"
#include "libminillm/optim/grad_norm.h"
#include "libminillm/train/step_sums.h"

namespace minillm {
namespace {

// Which rank has a replica.
Index owner_of(Index replica, Index replicas, Index ranks) {
  Index rank = 0;
  while (slots_of_rank(replicas, rank, ranks).end <= replica) ++rank;
  return rank;
}

}  // namespace

OuterSteps::OuterSteps(const TrainingTask& task, const TrainConfig& config, Communicator* ranks)
    : task_(task),
      trainable_(task.trainable),
      config_(config.outer),
      max_grad_norm_(config.max_grad_norm),
      ranks_(ranks),
      sum_(trainable_.gradients, optimizer_parts(*trainable_.tensors, false), config.outer.replicas,
           ranks),
      start_(static_cast<Index>(trainable_.parameters.size())),
      momentum_(elements_in(sum_.own_parts())) {
  MINILLM_CHECK_USAGE(!task.prepare,
                      "config: outer.replicas: expected 0 where a step learns from what the model "
                      "itself has written, got {}",
                      config_.replicas);
  const auto size = static_cast<Index>(trainable_.parameters.size());
  for (Index slot = sum_.own_slots().begin; slot < sum_.own_slots().end; ++slot)
    replicas_.push_back(
        {Arena(size), Arena(size),
         Optimizer(*trainable_.tensors, optimizer_config(config), trainable_.frozen), 0, 0});
  parameters_taken();
}

void OuterSteps::parameters_taken() {
  std::ranges::copy(trainable_.parameters, start_.span().begin());
  for (Replica& replica : replicas_)
    std::ranges::copy(trainable_.parameters, replica.parameters.span().begin());
}

Contribution OuterSteps::add_gradients(Index count,
                                       const std::function<Contribution(Index i)>& micro_step) {
  StepSums sums(task_.sums);
  Index number = sum_.own_slots().begin;
  for (Replica& replica : replicas_) {
    std::ranges::copy(replica.parameters.span(), trainable_.parameters.begin());
    std::ranges::fill(trainable_.gradients, Real{0});
    replica.weight = 0;
    const Slots own = GradientSum::micro_batches_of(number++, config_.replicas, count);
    for (Index i = own.begin; i < own.end; ++i)
      sums.add([&] {
        const Contribution micro = micro_step(i);
        replica.weight += micro.weight;
        return micro;
      });
    clear_frozen(trainable_);
    std::ranges::copy(trainable_.gradients, replica.gradients.span().begin());
  }
  return sums.join(ranks_, micro_batches_by_rank(count, config_.replicas, ranks_));
}

double OuterSteps::mean_gradient_norm(double /*weight*/) {
  // By replica, those of others zero; alike on all ranks.
  std::vector<double> squares(static_cast<size_t>(config_.replicas));
  Index number = sum_.own_slots().begin;
  for (Replica& replica : replicas_) {
    replica.mean_norm =
        replica.weight == 0 ? 0 : l2_norm(replica.gradients.span()) / replica.weight;
    squares[static_cast<size_t>(number++)] = replica.mean_norm * replica.mean_norm;
  }
  if (count_of(ranks_) > 1) squares = all_gather_values(*ranks_, std::span<const double>(squares));
  double sum = 0;
  for (Index replica = 0; replica < config_.replicas; ++replica)
    sum += squares[static_cast<size_t>(
        owner_of(replica, config_.replicas, count_of(ranks_)) * config_.replicas + replica)];
  return std::sqrt(sum / static_cast<double>(config_.replicas));
}

std::optional<Index> OuterSteps::first_non_finite_gradient() {
  Index own[] = {-1};
  for (Replica& replica : replicas_)
    if (const std::optional<Index> bad = first_non_finite(replica.gradients.span()))
      own[0] = own[0] < 0 ? *bad : std::min(own[0], *bad);
  std::vector<Index> all(own, own + 1);
  if (count_of(ranks_) > 1) all = all_gather_values(*ranks_, std::span<const Index>(own));
  std::optional<Index> bad;
  for (const Index theirs : all)
    if (theirs >= 0) bad = std::min(theirs, bad.value_or(theirs));
  return bad;
}

void OuterSteps::update(double /*weight*/, double learning_rate, Index update) {
  for (Replica& replica : replicas_)
    if (replica.weight != 0)
      replica.optimizer.update(replica.parameters.span(), replica.gradients.span(),
                               clip_factor(max_grad_norm_, replica.mean_norm) / replica.weight,
                               learning_rate, update);
}

void OuterSteps::end_step(Index steps, bool last) {
  if (last || steps % config_.every == 0) meet();
}

void OuterSteps::meet() {
  sum_.run([&](Index slot) {
    const Real* own =
        replicas_[static_cast<size_t>(slot - sum_.own_slots().begin)].parameters.data();
    const auto size = static_cast<Index>(trainable_.gradients.size());
    for_ranges(size, true, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) trainable_.gradients[i] = start_.data()[i] - own[i];
    });
  });
  const auto rate = static_cast<Real>(config_.learning_rate),
             momentum = static_cast<Real>(config_.momentum),
             replicas = static_cast<Real>(config_.replicas);
  Index place = 0;
  for (const ElementRange& part : sum_.own_parts())
    for (Index i = part.begin; i < part.end; ++i) {
      const Real gradient = trainable_.gradients[static_cast<size_t>(i)] / replicas;
      Real& v = momentum_.data()[place++];
      v = momentum * v + gradient;
      start_.data()[i] -= rate * (gradient + momentum * v);
    }
  sum_.begin_gather(start_.span());
  sum_.finish_gather();
  std::ranges::copy(start_.span(), trainable_.parameters.begin());
  parameters_taken();
}

OptimizerState OuterSteps::state() {
  OptimizerState arrays;
  for (Index replica = 0; replica < config_.replicas; ++replica) {
    const Index owner = owner_of(replica, config_.replicas, count_of(ranks_));
    const bool is_own = owner == number_of(ranks_);
    const Index place = is_own ? replica - sum_.own_slots().begin : 0;  // every rank has one
    for (OwnMoments& moments : own_moments(replicas_[static_cast<size_t>(place)].optimizer))
      arrays.push_back(array_of_rank(
          ranks_, owner,
          replica == 0 ? moments.prefix : fmt::format("replicas.{}.{}", replica, moments.prefix),
          is_own ? moments.values : std::span<Real>(), std::move(moments.of)));
  }
  arrays.push_back(sum_.array_of_parts("outer_momentum.", momentum_.span(), {{0, start_.size()}}));
  return arrays;
}

}  // namespace minillm
