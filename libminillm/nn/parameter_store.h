// ParameterStore: the numbers of a model's parameters.
//
// Either all of them are Real, in one arena that a stage trains, or the matrices are narrow, for a
// model that is only read, or on which an adapter is trained: kept as the bfloat16 that their file
// has, in half of the memory, or rounded to int8, in a quarter. Gains, biases and a score head are
// Real either way.

#ifndef LIBMINILLM_NN_PARAMETER_STORE_H_
#define LIBMINILLM_NN_PARAMETER_STORE_H_

#include <algorithm>
#include <map>
#include <span>
#include <vector>

#include "libminillm/core/arena.h"
#include "libminillm/core/stored_matrix.h"
#include "libminillm/core/tensor_table.h"
#include "libminillm/nn/parameters.h"

namespace minillm {

enum class Storage { kReal, kBfloat16, kInt8 };

class ParameterStore {
 public:
  // All zero; `table` is make_tensor_table(config).
  ParameterStore(const ModelConfig& config, const TensorTable& table, Storage storage);

  Storage storage() const { return storage_; }
  double bytes() const;
  // All parameters, laid out by the table; none where the matrices are narrow.
  std::span<Real> span() { return storage_ == Storage::kReal ? reals_.span() : std::span<Real>(); }
  std::span<const Real> span() const {
    return storage_ == Storage::kReal ? reals_.span() : std::span<const Real>();
  }
  Weights views() const;

  // Elements [first, first + out.size()) of a tensor of the table, widened if they are narrow.
  void read(const TensorInfo& tensor, Index first, std::span<Real> out) const;
  // The same, rounded to what they are kept as. REQUIRES whole rows of a matrix.
  void write(const TensorInfo& tensor, Index first, std::span<const Real> values);

 private:
  struct Place {
    bool is_narrow = false;
    Index offset = 0;       // of its numbers, in their array
    Index first_scale = 0;  // of int8
  };
  template <typename T>
  T* words_as() {
    return reinterpret_cast<T*>(words_.data());
  }
  template <typename T>
  const T* words_as() const {
    return reinterpret_cast<const T*>(words_.data());
  }

  ModelConfig config_;
  Storage storage_;
  std::map<Index, Place> places_;  // by TensorInfo::offset
  Arena reals_, words_;            // words hold the narrow numbers
  std::vector<float> scales_;
};

// Calls visit(first, count) for parts of a tensor that are small beside any memory: whole rows.
template <typename Visit>
void for_each_part(const TensorInfo& tensor, Visit&& visit) {
  constexpr Index kPart = Index{1} << 20;
  const Index cols = tensor.shape.back(), part = std::max<Index>(1, kPart / cols) * cols;
  for (Index first = 0; first < tensor.size; first += part)
    visit(first, std::min(part, tensor.size - first));
}

}  // namespace minillm

#endif  // LIBMINILLM_NN_PARAMETER_STORE_H_
