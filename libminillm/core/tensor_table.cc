#include "libminillm/core/tensor_table.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "libminillm/core/check.h"

namespace minillm {

Index TensorTable::add(std::string name, std::vector<Index> shape, bool decay, double rate) {
  const Index size = std::accumulate(shape.begin(), shape.end(), Index{1}, std::multiplies<>());
  tensors_.push_back({std::move(name), std::move(shape), size_, size, decay, rate});
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

}  // namespace minillm
