#include "libminillm/checkpoint/optimizer_state.h"

#include <algorithm>

namespace minillm {
namespace {

// Where an element is among those of `of`, one after the other; empty: all there are.
Index place_in(std::span<const ElementRange> of, Index element) {
  const ElementRange before[] = {{0, element}};
  return of.empty() ? element : elements_in(common_ranges(of, before));
}

}  // namespace

OptimizerArray array_in_memory(std::string prefix, std::span<Real> values,
                               std::vector<ElementRange> of) {
  const auto part = [values, of](Index first, size_t size) {
    return values.subspan(static_cast<size_t>(place_in(of, first)), size);
  };
  return {std::move(prefix),
          [part](Index first, std::span<Real> out) {
            std::ranges::copy(part(first, out.size()), out.begin());
          },
          [part](Index first, std::span<const Real> from) {
            std::ranges::copy(from, part(first, from.size()).begin());
          },
          std::move(of)};
}

OptimizerState moments_in_memory(std::span<Real> exp_avg, std::span<Real> exp_avg_sq) {
  return {array_in_memory(kExpAvgPrefix, exp_avg), array_in_memory(kExpAvgSqPrefix, exp_avg_sq)};
}

std::vector<TensorInfo> tensors_of(const TensorTable& table, const OptimizerArray& array) {
  if (array.of.empty()) return table.tensors();
  std::vector<TensorInfo> tensors;
  for (const TensorInfo& tensor : table.tensors()) {
    const ElementRange whole[] = {{tensor.offset, tensor.offset + tensor.size}};
    if (!common_ranges(array.of, whole).empty()) tensors.push_back(tensor);
  }
  return tensors;
}

void for_each_piece(const TensorTable& table, const OptimizerArray& array,
                    const std::function<void(const OptimizerPiece&)>& visit) {
  constexpr Index kMost = Index{1} << 20;
  for (const TensorInfo& tensor : tensors_of(table, array)) {
    const Index end = tensor.offset + tensor.size;
    for (Index begin = tensor.offset; begin < end; begin += kMost)
      visit({tensor, begin, std::min(begin + kMost, end)});
  }
}

}  // namespace minillm
