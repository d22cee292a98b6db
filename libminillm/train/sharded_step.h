// ShardedStep: the gradient and the update of a step, over several ranks or on one.
//
// Every rank computes the micro-batches of its own slots. Their sums travel to the owners of parts
// (dist/ordered_sum.h), who hold the moments of their parts only and update them (ZeRO-1:
// Rajbhandari et al. 2020, arXiv:1910.02054, section 5.1); the parameters then travel back. Where a
// micro-step is one backward pass, both go on beside it: a block's gradient travels while the
// blocks below it are computed, its parameters while the next step computes those below. On one
// rank nothing travels.

#ifndef LIBMINILLM_TRAIN_SHARDED_STEP_H_
#define LIBMINILLM_TRAIN_SHARDED_STEP_H_

#include <functional>
#include <optional>
#include <vector>

#include "libminillm/nn/pass_events.h"
#include "libminillm/optim/optimizer.h"
#include "libminillm/train/ranked_sum.h"
#include "libminillm/train/step_method.h"

namespace minillm {

class ShardedStep : public StepMethod {
 public:
  ShardedStep(const TrainingTask& task, const TrainConfig& config, Communicator* ranks);
  ~ShardedStep() override;

  Contribution add_gradients(Index count,
                             const std::function<Contribution(Index i)>& micro_step) override;
  double mean_gradient_norm(double weight) override;
  std::optional<Index> first_non_finite_gradient() override { return sum_.first_non_finite(); }
  void update(double weight, double learning_rate, Index update) override;
  void settle() override { sum_.finish_gather(); }
  OptimizerState state() override;

 private:
  void watch_blocks(Model& model);

  const TrainingTask& task_;
  const Trainable& trainable_;
  const Index slots_;
  const double max_grad_norm_;
  Communicator* const ranks_;
  RankedSum sum_;
  Optimizer optimizer_;
  double mean_norm_ = 0;  // of the present step

  // Of the blocks, where work and messages go on together.
  PassEvents events_;
  std::vector<Index> part_begins_;  // of parts -1 ... 2L, and the end of all; empty: not watched
  bool last_pass_ = false;          // the backward pass that completes the gradient
};

}  // namespace minillm

#endif  // LIBMINILLM_TRAIN_SHARDED_STEP_H_
