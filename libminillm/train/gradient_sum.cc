#include "libminillm/train/gradient_sum.h"

#include <algorithm>
#include <utility>

#include "libminillm/core/tensor_table.h"
#include "libminillm/core/threads.h"

namespace minillm {
namespace {

// to_i = left_i + to_i
void add_left(std::span<Real> to, std::span<const Real> left) {
  const auto size = static_cast<Index>(to.size());
  for_ranges(size, true, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) to[i] = left[i] + to[i];
  });
}

}  // namespace

GradientSum::GradientSum(std::span<Real> gradients, Index slots) : gradients_(gradients) {
  for (Index level = 0; level < buffers(slots); ++level)
    left_.emplace_back(static_cast<Index>(gradients.size()));
}

void GradientSum::run(Slots node, const std::function<void(Index slot)>& add_slot) {
  finished_ = static_cast<Index>(gradients_.size());
  pending_ = 0;
  sum(node, 0, /*last=*/true, add_slot);
  finish(0);
}

// value = left_0 + (left_1 + (... + the last slot)): the parts to the left of the last slot.
void GradientSum::finish(Index from) {
  if (from >= finished_) return;
  const ElementRange range = {from, std::exchange(finished_, from)};
  for (size_t level = pending_; level-- > 0;)
    add_left(part_of(gradients_, range), part_of(left_[level].span(), range));
}

void GradientSum::sum(Slots node, size_t level, bool last,
                      const std::function<void(Index slot)>& add_slot) {
  if (node.count() == 1) {
    std::ranges::fill(gradients_, Real{0});
    if (last) pending_ = level;
    add_slot(node.begin);
    return;
  }
  sum(left_of(node), level + 1, false, add_slot);
  std::ranges::copy(gradients_, left_[level].span().begin());
  sum(right_of(node), level + 1, last, add_slot);
  if (!last) add_left(gradients_, left_[level].span());
}

}  // namespace minillm
