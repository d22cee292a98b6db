// ShardedStep: the gradient and the update of a step, over several ranks or on one.
//
// Every rank computes the micro-batches of its own slots. Their sums travel to the owners of shards
// (dist/ordered_sum.h), who hold the moments of their shard only and update it (ZeRO-1: Rajbhandari
// et al. 2020, arXiv:1910.02054, section 5.1); the parameters then travel back. Whatever is summed
// is summed in an order that the number of ranks has no part in, so that all of them see the same
// numbers, and decide alike. On one rank nothing travels.

#ifndef LIBMINILLM_TRAIN_SHARDED_STEP_H_
#define LIBMINILLM_TRAIN_SHARDED_STEP_H_

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "libminillm/dist/ordered_sum.h"
#include "libminillm/nn/trainable.h"
#include "libminillm/optim/adamw.h"
#include "libminillm/train/gradient_sum.h"
#include "libminillm/train/training_task.h"

namespace minillm {

class ShardedStep {
 public:
  // `trainable` must outlive this, and so must the communicator; null: one rank. Throws Error
  // (kUsage) if the config is invalid, or if there are more ranks than slots.
  ShardedStep(const Trainable& trainable, const AdamWConfig& config, Index slots,
              Communicator* ranks);

  // Runs micro-batches 0 ... count-1 of the step, those of the own slots, and leaves the gradient
  // in the trainable's, in the own shard. Losses, weights and the stage's sums are added micro-
  // batch by micro-batch, those of other ranks among them.
  Contribution add_gradients(Index count, const std::function<Contribution(Index i)>& micro_step,
                             std::span<const StageSum> sums);
  // Of the whole gradient.
  double norm();
  std::optional<Index> first_non_finite_gradient();
  // AdamW::update of the own shard; then all parameters are everybody's.
  void update(double gradient_scale, double learning_rate, Index step);

  // Whether any rank says so.
  bool any(bool own);

  // AdamW's moments: of the own shard; of everything, on the first rank (empty on the others); and
  // back, from all of them to the own shard. Alone, they are one thing, and nothing is copied.
  struct Moments {
    std::span<Real> exp_avg, exp_avg_sq;
    std::vector<Real> own = {};  // what they point at, if they are not the optimizer's
  };
  Moments moments() { return {adamw_.exp_avg(), adamw_.exp_avg_sq()}; }
  Moments gather_moments();
  Moments room_for_all() const;  // zeros
  void take_shard(const Moments& all);
  // From the first rank to all others; of the same size everywhere.
  void broadcast(std::span<std::byte> bytes);
  bool is_first() const { return ranks_ == nullptr || ranks_->rank() == 0; }
  bool is_alone() const { return ranks_ == nullptr || ranks_->ranks() == 1; }

 private:
  std::vector<Index> micro_batches_by_rank(Index count) const;

  const Trainable& trainable_;
  const Index slots_;
  Communicator* const ranks_;
  const std::vector<ElementRange> shards_;
  const ElementRange shard_;
  AdamW adamw_;
  GradientSum gradient_sum_;
  std::optional<OrderedSum> exchange_;
  std::vector<Arena> nodes_;  // sums of all own nodes but the last
};

}  // namespace minillm

#endif  // LIBMINILLM_TRAIN_SHARDED_STEP_H_
