// Linear: y = x W^T, no bias, and whatever low-rank updates the weight carries. By far most of the
// time is spent here.

#ifndef LIBMINILLM_OPS_LINEAR_H_
#define LIBMINILLM_OPS_LINEAR_H_

#include "libminillm/core/matrix.h"
#include "libminillm/core/stored_matrix.h"
#include "libminillm/ops/gemm/gemm.h"  // Precision, PackedMatrix
#include "libminillm/ops/low_rank.h"

namespace minillm {

// A weight matrix [out, in] and what its products need to know of it.
struct Weight : StoredMatrix {
  Precision precision = Precision::kFloat;  // what the factors of its products are rounded to
  const PackedMatrix* packed = nullptr;     // the matrix, packed (pack_nt): then forward reads that
  std::span<const LowRank> updates = {};    // those that rows may have (LowRankPass says which)

  Weight() = default;
  Weight(StoredMatrix stored) : StoredMatrix(stored) {}
  Weight(ConstView matrix_) : StoredMatrix(matrix_) {}
  Weight(View matrix_) : StoredMatrix(matrix_) {}
};

//   y       [N, out]   out  x W^T
//   x       [N, in]    in
//   weight  [out, in]  in
// Bit-identical for any number of threads and rows.
void linear_forward(View y, ConstView x, const Weight& weight, const LowRankPass& updated = {});
// y = residual + x W^T: a branch that ends in the residual stream. `residual` [N, out] may be y. A
// null y: only what backward reads is computed, the updates' inner states.
void linear_forward_residual(View y, ConstView residual, ConstView x, const Weight& weight,
                             const LowRankPass& updated = {});

// Writes dx [N, in] and adds (+=) to dweight [out, in], given dy [N, out], and to the gradients of
// the updates. A null dweight means that the weight is frozen: its product is skipped.
void linear_backward(View dx, View dweight, ConstView dy, ConstView x, const Weight& weight,
                     const LowRankPass& updated = {});

}  // namespace minillm

#endif  // LIBMINILLM_OPS_LINEAR_H_
