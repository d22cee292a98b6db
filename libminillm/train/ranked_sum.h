// RankedSum: a sum over slots that several ranks hold, and who owns which part of it.

#ifndef LIBMINILLM_TRAIN_RANKED_SUM_H_
#define LIBMINILLM_TRAIN_RANKED_SUM_H_

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "libminillm/checkpoint/optimizer_state.h"
#include "libminillm/dist/ordered_sum.h"
#include "libminillm/train/gradient_sum.h"

namespace minillm {

class RankedSum {
 public:
  // `values` is where slots add theirs and where the sum is left, and must outlive this, as the
  // communicator must; null: one rank. `parts`: what is owned as a whole (optim/optimizer.h); in
  // order they cover `values`. Throws Error (kUsage) if there are more ranks than slots.
  RankedSum(std::span<Real> values, std::vector<ElementRange> parts, Index slots,
            Communicator* ranks);

  Slots own_slots() const { return own_slots_; }
  // The parts of `values` that are this rank's.
  const std::vector<ElementRange>& own_parts() const { return own_parts_; }

  // Calls add_slot(s) for the own slots in order, each with zero values, and leaves the sum over
  // all slots in own_parts(). All ranks must call it.
  void run(const std::function<void(Index slot)>& add_slot);
  // Within add_slot of the last own slot: the elements from `from` on are what it has.
  void finish(Index from);

  // Everybody's parts to everybody, beside other work (OrderedSum).
  void begin_gather(std::span<Real> values);
  void wait_for(Index end);
  void finish_gather();

  // Euclidean norm of the sum, part by part, whatever the number of ranks: where they are the
  // norm's, to the bits of l2_norm. The first element that is not finite.
  double norm() const;
  std::optional<Index> first_non_finite() const;

  // An array of which every rank has its own parts only, one after the other, as one of a
  // checkpoint: all ranks read and take it together. `of`: the elements that it has, ascending.
  OptimizerArray array_of_parts(std::string prefix, std::span<Real> own,
                                std::vector<ElementRange> of);

 private:
  bool is_alone() const { return !exchange_.has_value(); }
  void for_each_owned(ElementRange elements, std::span<const ElementRange> of,
                      const std::function<void(Index owner, ElementRange, Index place)>& visit);

  const std::span<Real> values_;
  Communicator* const ranks_;
  const Index rank_, count_;
  const Slots own_slots_;
  const std::vector<ElementRange> parts_, own_parts_;
  GradientSum sum_;
  std::vector<Arena> nodes_;            // sums of all own nodes but the last
  std::optional<OrderedSum> exchange_;  // reads them until it is gone
};

}  // namespace minillm

#endif  // LIBMINILLM_TRAIN_RANKED_SUM_H_
