// TensorTable: the names, shapes and places of the tensors inside a flat Arena.
//
// It is filled by the one function that lists the model's tensors (nn/parameters.h). Sizes, views,
// weight decay, clipping reports and the checkpoint are all derived from it.

#ifndef LIBMINILLM_CORE_TENSOR_TABLE_H_
#define LIBMINILLM_CORE_TENSOR_TABLE_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/core/real.h"

namespace minillm {

// What the optimizer makes of a tensor. A matrix of a block maps activations to activations: its
// size is told by its singular values (optim/muon.h). A row of the embedding, or of the output
// head, belongs to one token, and has a gradient of its own only where that occurs.
enum class TensorRole { kOther, kEmbedding, kBlockMatrix };

struct TensorInfo {
  std::string name;          // as in the checkpoint: "model.layers.0.mlp.up_proj.weight"
  std::vector<Index> shape;  // [out, in], or [C] for a gain
  Index offset = 0;          // first element in the arena
  Index size = 0;            // product of shape
  bool decay = false;        // whether AdamW's weight decay applies (matrices: yes; gains: no)
  double rate = 1;           // its learning rate over the others'
  TensorRole role = TensorRole::kOther;
};

// Elements [begin, end) of an arena.
struct ElementRange {
  Index begin = 0, end = 0;
};

Index elements_in(std::span<const ElementRange> ranges);  // how many
// What is in both of two ascending lists of ranges, ascending; a range is cut where either has an
// end.
std::vector<ElementRange> common_ranges(std::span<const ElementRange> a,
                                        std::span<const ElementRange> b);

template <typename T>
std::span<T> part_of(std::span<T> values, ElementRange range) {
  return values.subspan(static_cast<size_t>(range.begin),
                        static_cast<size_t>(range.end - range.begin));
}

class TensorTable {
 public:
  // Appends a tensor right after the last one and returns its offset.
  Index add(std::string name, std::vector<Index> shape, bool decay, double rate = 1,
            TensorRole role = TensorRole::kOther);

  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  Index size() const { return size_; }  // elements of the whole arena
  // The tensor of that name, or nullptr.
  const TensorInfo* find(std::string_view name) const;
  // The name of the tensor that holds element `offset`.
  const std::string& name_at(Index offset) const;
  // The tensors of a role, one range each.
  std::vector<ElementRange> ranges_of(TensorRole role) const;

 private:
  std::vector<TensorInfo> tensors_;
  Index size_ = 0;
};

// The part of `arena` that holds `tensor`.
template <typename T>
std::span<T> tensor_span(std::span<T> arena, const TensorInfo& tensor) {
  return arena.subspan(static_cast<size_t>(tensor.offset), static_cast<size_t>(tensor.size));
}

}  // namespace minillm

#endif  // LIBMINILLM_CORE_TENSOR_TABLE_H_
