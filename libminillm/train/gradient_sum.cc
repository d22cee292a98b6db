#include "libminillm/train/gradient_sum.h"

#include <algorithm>

#include "libminillm/core/threads.h"

namespace minillm {
namespace {

// to_i = left_i + to_i
void add_left(std::span<Real> to, std::span<const Real> left) {
  const auto size = static_cast<Index>(to.size());
#pragma omp parallel for schedule(static)
  for (Index i = 0; i < size; ++i) to[i] = left[i] + to[i];
}

}  // namespace

GradientSum::GradientSum(std::span<Real> gradients, Index slots) : gradients_(gradients) {
  for (Index level = 0; level < buffers(slots); ++level)
    left_.emplace_back(static_cast<Index>(gradients.size()));
}

void GradientSum::sum(Slots node, size_t level, const std::function<void(Index slot)>& add_slot) {
  if (node.count() == 1) {
    std::ranges::fill(gradients_, Real{0});
    add_slot(node.begin);
    return;
  }
  sum(left_of(node), level + 1, add_slot);
  std::ranges::copy(gradients_, left_[level].span().begin());
  sum(right_of(node), level + 1, add_slot);
  add_left(gradients_, left_[level].span());
}

}  // namespace minillm
