// ParameterStore: the numbers of a model's parameters.
//
// Either all of them are Real, in one arena that a stage trains, or the matrices are kept as the
// bfloat16 that their file has: half of the memory, for a model that is only read, or on which an
// adapter is trained. Gains, biases and a score head are Real either way.

#ifndef LIBMINILLM_NN_PARAMETER_STORE_H_
#define LIBMINILLM_NN_PARAMETER_STORE_H_

#include <map>
#include <span>

#include "libminillm/core/arena.h"
#include "libminillm/core/bfloat16.h"
#include "libminillm/core/tensor_table.h"
#include "libminillm/nn/parameters.h"

namespace minillm {

enum class Storage { kReal, kBfloat16 };

class ParameterStore {
 public:
  // All zero; `table` is make_tensor_table(config).
  ParameterStore(const ModelConfig& config, const TensorTable& table, Storage storage);

  Storage storage() const { return storage_; }
  double bytes() const { return static_cast<double>(reals_.size() + words_.size()) * sizeof(Real); }
  // All parameters, laid out by the table; none where the matrices are bfloat16.
  std::span<Real> span() { return storage_ == Storage::kReal ? reals_.span() : std::span<Real>(); }
  std::span<const Real> span() const {
    return storage_ == Storage::kReal ? reals_.span() : std::span<const Real>();
  }
  Weights views() const;

  // Elements [first, first + size) of a tensor of the table, whatever it is kept as: bfloat16 is
  // widened, and rounded to.
  void read(const TensorInfo& tensor, Index first, std::span<Real> out) const;
  void write(const TensorInfo& tensor, Index first, std::span<const Real> values);

 private:
  struct Place {
    bool is_half = false;
    Index offset = 0;  // in its arena
  };
  const Bfloat16* halves() const { return reinterpret_cast<const Bfloat16*>(words_.data()); }

  ModelConfig config_;
  Storage storage_;
  std::map<Index, Place> places_;  // by TensorInfo::offset
  Arena reals_, words_;            // words hold bfloat16 numbers
};

// Calls visit(first, count) for parts of a tensor that are small beside any memory.
template <typename Visit>
void for_each_part(const TensorInfo& tensor, Visit&& visit) {
  constexpr Index kPart = Index{1} << 20;
  for (Index first = 0; first < tensor.size; first += kPart)
    visit(first, std::min(kPart, tensor.size - first));
}

}  // namespace minillm

#endif  // LIBMINILLM_NN_PARAMETER_STORE_H_
