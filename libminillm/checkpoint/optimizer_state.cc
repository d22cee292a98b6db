#include "libminillm/checkpoint/optimizer_state.h"

#include <algorithm>

namespace minillm {

OptimizerArray array_in_memory(std::string prefix, std::span<Real> values) {
  return {std::move(prefix),
          [values](Index first, std::span<Real> out) {
            std::ranges::copy(values.subspan(static_cast<size_t>(first), out.size()), out.begin());
          },
          [values](Index first, std::span<const Real> from) {
            std::ranges::copy(from, values.begin() + first);
          }};
}

OptimizerState moments_in_memory(std::span<Real> exp_avg, std::span<Real> exp_avg_sq) {
  return {array_in_memory(kExpAvgPrefix, exp_avg), array_in_memory(kExpAvgSqPrefix, exp_avg_sq)};
}

void for_each_piece(const TensorTable& table,
                    const std::function<void(const OptimizerPiece&)>& visit) {
  constexpr Index kMost = Index{1} << 20;
  for (const TensorInfo& tensor : table.tensors()) {
    const Index end = tensor.offset + tensor.size;
    for (Index begin = tensor.offset; begin < end; begin += kMost)
      visit({tensor, begin, std::min(begin + kMost, end)});
  }
}

}  // namespace minillm
