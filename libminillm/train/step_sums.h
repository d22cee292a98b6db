// StepSums: what a step's micro-batches add up to beside the gradient, over all ranks.
//
// Loss, weight, tokens and a stage's sums travel micro-batch by micro-batch and are added in their
// order, so that neither slots nor ranks have a part in the log.

#ifndef LIBMINILLM_TRAIN_STEP_SUMS_H_
#define LIBMINILLM_TRAIN_STEP_SUMS_H_

#include <functional>
#include <span>
#include <vector>

#include "libminillm/dist/communicator.h"
#include "libminillm/train/training_task.h"

namespace minillm {

class StepSums {
 public:
  // Of one step; the sums keep what they have.
  explicit StepSums(std::span<const StageSum> sums);
  // Runs a micro-step and remembers what it adds.
  void add(const std::function<Contribution()>& micro_step);
  // Everything added. `counts`: the micro-batches of each rank, in order; this one's are those
  // that add() has run. All ranks must call it; `ranks` may be null.
  Contribution join(Communicator* ranks, std::span<const Index> counts);

 private:
  std::span<const StageSum> sums_;
  std::vector<double> before_, added_;  // added_: [micro-batches, width()]
  size_t width() const { return 3 + sums_.size(); }
};

}  // namespace minillm

#endif  // LIBMINILLM_TRAIN_STEP_SUMS_H_
