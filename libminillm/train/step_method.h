// StepMethod: how a step's gradient comes about and what it moves: over several ranks or on one
// (sharded_step.h), or by replicas that meet now and then (outer_steps.h).
//
// Whatever is summed is summed in an order that the number of ranks has no part in, so that all of
// them see the same numbers, and decide alike.

#ifndef LIBMINILLM_TRAIN_STEP_METHOD_H_
#define LIBMINILLM_TRAIN_STEP_METHOD_H_

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "libminillm/checkpoint/optimizer_state.h"
#include "libminillm/dist/communicator.h"
#include "libminillm/train/train_config.h"
#include "libminillm/train/training_task.h"

namespace minillm {

class StepMethod {
 public:
  virtual ~StepMethod() = default;
  // Of a run: with outer steps or without. `task` must outlive it, and so must the communicator;
  // null: one rank. Throws Error (kUsage) if the config is invalid, or if there are more ranks than
  // it has slots for.
  static std::unique_ptr<StepMethod> make(const TrainingTask& task, const TrainConfig& config,
                                          Communicator* ranks);

  // Runs the own ones of micro-batches 0 ... count-1 of the step. Losses, weights and the task's
  // sums are added micro-batch by micro-batch, those of other ranks among them.
  virtual Contribution add_gradients(Index count,
                                     const std::function<Contribution(Index i)>& micro_step) = 0;
  // Of the gradient over the weight of its targets; NaN or infinity if any element is.
  virtual double mean_gradient_norm(double weight) = 0;
  virtual std::optional<Index> first_non_finite_gradient() = 0;
  // `step` is 1 for the first update. The gradient is scaled down to max_grad_norm. Afterwards the
  // parameters may still be on their way to this rank: settle().
  virtual void update(double weight, double learning_rate, Index update) = 0;
  // Whatever the step was: the run has now `steps`, and ends with them if `last`.
  virtual void end_step(Index /*steps*/, bool /*last*/) {}
  // Returns when the parameters are all here.
  virtual void settle() {}
  // The task's parameters are others now: a checkpoint's.
  virtual void parameters_taken() {}
  // Steps from one moment at which there is one model to the next.
  virtual Index stride() const { return 1; }

  // What the optimizer remembers. Reading and taking are done by all ranks together, piece by
  // piece: to the first rank, and from it.
  virtual OptimizerState state() = 0;
};

// Throws Error naming the first rank whose values have other bits than the first rank's.
void expect_equal_on_all(Communicator* ranks, std::span<const Real> values, const char* what);

// How many of a step's micro-batches each rank has.
std::vector<Index> micro_batches_by_rank(Index count, Index slots, const Communicator* ranks);
// An array that one rank has, as one of a checkpoint: `own`, all of it, on that rank. `of`: the
// elements that it has.
OptimizerArray array_of_rank(Communicator* ranks, Index owner, std::string prefix,
                             std::span<Real> own, std::vector<ElementRange> of);
// What an optimizer remembers, in the order of a checkpoint: of its own elements of `of`.
struct OwnMoments {
  std::string prefix;
  std::span<Real> values;
  std::vector<ElementRange> of;
};
std::vector<OwnMoments> own_moments(Optimizer& optimizer);

// Of a step with this norm: what it is multiplied by, to be no longer than max_grad_norm.
double clip_factor(double max_grad_norm, double norm);
// Zero, where the trainable is frozen.
void clear_frozen(const Trainable& trainable);

}  // namespace minillm

#endif  // LIBMINILLM_TRAIN_STEP_METHOD_H_
