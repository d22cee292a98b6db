// OuterSteps: replicas that each train alone, with an optimizer of their own, and meet every H
// steps: DiLoCo (Douillard et al. 2023, arXiv:2311.08105, algorithm 1).
//
//   g = 1/k sum_j (w_start - w_j)         over k replicas, added by the tree of dist/sum_tree.h
//   v = mu v + g                          w_start = w_start - rate (g + mu v)      (Nesterov)
//
// and all replicas go on from w_start, each with its own optimizer's moments. Of a step's micro-
// batches, every replica has a k-th, so that a run sees the tokens that a run without replicas
// sees; but a replica's steps are as small, and the ranks exchange parameters once in H steps.
//
// Replicas are part of the run, ranks are not: k replicas on any number of ranks up to k have the
// same bits. A rank holds parameters, gradient and moments for each of its replicas.

#ifndef LIBMINILLM_TRAIN_OUTER_STEPS_H_
#define LIBMINILLM_TRAIN_OUTER_STEPS_H_

#include <functional>
#include <optional>
#include <vector>

#include "libminillm/optim/optimizer.h"
#include "libminillm/train/ranked_sum.h"
#include "libminillm/train/step_method.h"

namespace minillm {

class OuterSteps : public StepMethod {
 public:
  // Throws Error (kUsage), also if the task prepares its steps: what one model samples would be
  // learned by others.
  OuterSteps(const TrainingTask& task, const TrainConfig& config, Communicator* ranks);

  Contribution add_gradients(Index count,
                             const std::function<Contribution(Index i)>& micro_step) override;
  // The root of the mean square over the replicas; each is clipped by its own.
  double mean_gradient_norm(double weight) override;
  std::optional<Index> first_non_finite_gradient() override;
  void update(double weight, double learning_rate, Index update) override;
  void end_step(Index steps, bool last) override;
  void parameters_taken() override;
  Index stride() const override { return config_.every; }
  OptimizerState state() override;

 private:
  // Parameters and gradient are in arenas of their own: those of the task are where passes are
  // computed, one replica after the other.
  struct Replica {
    Arena parameters, gradients;
    Optimizer optimizer;
    double weight = 0, mean_norm = 0;  // of the present step
  };
  void meet();

  const TrainingTask& task_;
  const Trainable& trainable_;
  const OuterConfig config_;
  const double max_grad_norm_;
  Communicator* const ranks_;
  RankedSum sum_;                  // over replicas
  std::vector<Replica> replicas_;  // the own ones
  Arena start_;                    // where all began
  Arena momentum_;                 // of the own parts, one after the other
};

}  // namespace minillm

#endif  // LIBMINILLM_TRAIN_OUTER_STEPS_H_
