// GradientSum: the gradient of a step in slots, each a sum that began at zero.
//
// A backward pass adds many numbers to each element of a gradient, so ((g + a) + b) of two
// micro-batches in place is not g + (a + b): the bits of a step depend on where it is cut into
// sums. A run says where (train.slots), and then they depend on nothing else.

#ifndef LIBMINILLM_TRAIN_GRADIENT_SUM_H_
#define LIBMINILLM_TRAIN_GRADIENT_SUM_H_

#include <functional>
#include <span>
#include <vector>

#include "libminillm/core/arena.h"
#include "libminillm/dist/sum_tree.h"

namespace minillm {

class GradientSum {
 public:
  // `gradients` is where slots add theirs, and must outlive this. Allocates a buffer of its size
  // for each level of a node of so many slots: none for one.
  GradientSum(std::span<Real> gradients, Index slots);

  // Calls add_slot(s) for the slots of a node in order, each with zero gradients, and leaves in
  // them the node's value (dist/sum_tree.h).
  void run(Slots node, const std::function<void(Index slot)>& add_slot);
  // Within add_slot of the node's last slot: the elements from `from` on are what the slot has, and
  // get the node's value now.
  void finish(Index from);

  // The part of `count` micro-batches that slot s of S has.
  static Slots micro_batches_of(Index slot, Index slots, Index count) {
    return slots_of_rank(count, slot, slots);
  }
  // Buffers of the gradient's size that S slots need besides it.
  static Index buffers(Index slots) { return height_of({0, slots}); }

 private:
  void sum(Slots node, size_t level, bool last, const std::function<void(Index slot)>& add_slot);

  std::span<Real> gradients_;
  std::vector<Arena> left_;  // by level, the value of a node's left part
  size_t pending_ = 0;       // levels that the node's last slot is still to be added to
  Index finished_ = 0;       // elements from here on have been
};

}  // namespace minillm

#endif  // LIBMINILLM_TRAIN_GRADIENT_SUM_H_
