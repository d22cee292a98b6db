// Linear: y = x W^T, no bias. By far most of the time is spent here.

#ifndef LIBMINILLM_OPS_LINEAR_H_
#define LIBMINILLM_OPS_LINEAR_H_

#include "libminillm/core/matrix.h"
#include "libminillm/ops/gemm/gemm.h"  // Precision, PackedMatrix

namespace minillm {

// A weight matrix [out, in] and what its products need to know of it.
struct Weight {
  ConstView matrix;
  Precision precision = Precision::kFloat;  // what the factors of its products are rounded to
  const PackedMatrix* packed = nullptr;     // the matrix, packed (pack_nt): then forward reads that

  Weight() = default;
  Weight(ConstView matrix_) : matrix(matrix_) {}
  Weight(View matrix_) : matrix(matrix_) {}
};

//   y       [N, out]   out  x W^T
//   x       [N, in]    in
//   weight  [out, in]  in
// Bit-identical for any number of threads and rows.
void linear_forward(View y, ConstView x, const Weight& weight);
// y = residual + x W^T: a branch that ends in the residual stream. `residual` [N, out] may be y.
void linear_forward_residual(View y, ConstView residual, ConstView x, const Weight& weight);

// Writes dx [N, in] and adds (+=) to dweight [out, in], given dy [N, out]. A null dweight means
// that the weight is frozen: its product is skipped.
void linear_backward(View dx, View dweight, ConstView dy, ConstView x, const Weight& weight);

}  // namespace minillm

#endif  // LIBMINILLM_OPS_LINEAR_H_
