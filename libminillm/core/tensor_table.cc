#include "libminillm/core/tensor_table.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "libminillm/core/check.h"

namespace minillm {

Index elements_in(std::span<const ElementRange> ranges) {
  Index sum = 0;
  for (const ElementRange& range : ranges) sum += range.end - range.begin;
  return sum;
}

std::vector<ElementRange> common_ranges(std::span<const ElementRange> a,
                                        std::span<const ElementRange> b) {
  std::vector<ElementRange> common;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const ElementRange both = {std::max(a[i].begin, b[j].begin), std::min(a[i].end, b[j].end)};
    if (both.begin < both.end) common.push_back(both);
    if (a[i].end < b[j].end)
      ++i;
    else
      ++j;
  }
  return common;
}

Index TensorTable::add(std::string name, std::vector<Index> shape, bool decay, double rate,
                       TensorRole role) {
  const Index size = std::accumulate(shape.begin(), shape.end(), Index{1}, std::multiplies<>());
  tensors_.push_back({std::move(name), std::move(shape), size_, size, decay, rate, role});
  size_ += size;
  return tensors_.back().offset;
}

const TensorInfo* TensorTable::find(std::string_view name) const {
  const auto found = std::find_if(tensors_.begin(), tensors_.end(),
                                  [&](const TensorInfo& t) { return t.name == name; });
  return found == tensors_.end() ? nullptr : &*found;
}

const std::string& TensorTable::name_at(Index offset) const {
  const auto after = std::upper_bound(tensors_.begin(), tensors_.end(), offset,
                                      [](Index o, const TensorInfo& t) { return o < t.offset; });
  MINILLM_CHECK(after != tensors_.begin() && offset < size_,
                "tensor table: no tensor holds element {}", offset);
  return std::prev(after)->name;
}

std::vector<ElementRange> TensorTable::ranges_of(TensorRole role) const {
  std::vector<ElementRange> ranges;
  for (const TensorInfo& tensor : tensors_)
    if (tensor.role == role) ranges.push_back({tensor.offset, tensor.offset + tensor.size});
  return ranges;
}

}  // namespace minillm
