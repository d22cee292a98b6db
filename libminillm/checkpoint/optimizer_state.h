// OptimizerState: what an optimizer remembers, as arrays laid out like what it trains: AdamW's
// moments, Muon's momentum and, of a run with replicas, those of each and the outer momentum.
//
// They are read and taken in pieces, so that nobody needs room for all of them: over several ranks
// each has a part of them only.

#ifndef LIBMINILLM_CHECKPOINT_OPTIMIZER_STATE_H_
#define LIBMINILLM_CHECKPOINT_OPTIMIZER_STATE_H_

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "libminillm/core/tensor_table.h"

namespace minillm {

struct OptimizerArray {
  std::string prefix;  // of its tensors' names in the file: "exp_avg."
  // Elements from `first` on, to the file and from it.
  std::function<void(Index first, std::span<Real> out)> read;
  std::function<void(Index first, std::span<const Real> values)> take;
  // The tensors that it has, as ascending ranges of whole ones; empty: all of the table.
  std::vector<ElementRange> of = {};
};
using OptimizerState = std::vector<OptimizerArray>;

inline constexpr const char* kExpAvgPrefix = "exp_avg.";
inline constexpr const char* kExpAvgSqPrefix = "exp_avg_sq.";
inline constexpr const char* kMomentumPrefix = "momentum.";
// An array that is in memory as a whole, the elements of `of` one after the other, and must outlive
// it; and AdamW's two.
OptimizerArray array_in_memory(std::string prefix, std::span<Real> values,
                               std::vector<ElementRange> of = {});
OptimizerState moments_in_memory(std::span<Real> exp_avg, std::span<Real> exp_avg_sq);

// Visits the elements of a table that an array has, in the order of the file, in pieces of at most
// 2^20, each of one tensor.
struct OptimizerPiece {
  const TensorInfo& tensor;
  Index begin = 0, end = 0;  // elements of the table
};
void for_each_piece(const TensorTable& table, const OptimizerArray& array,
                    const std::function<void(const OptimizerPiece&)>& visit);
// The array's tensors, in the table's order.
std::vector<TensorInfo> tensors_of(const TensorTable& table, const OptimizerArray& array);

}  // namespace minillm

#endif  // LIBMINILLM_CHECKPOINT_OPTIMIZER_STATE_H_
