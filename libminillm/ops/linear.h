// Linear: y = x W^T, no bias. By far most of the time is spent here.

#ifndef LIBMINILLM_OPS_LINEAR_H_
#define LIBMINILLM_OPS_LINEAR_H_

#include "libminillm/core/matrix.h"
#include "libminillm/ops/gemm/gemm.h"  // Precision

namespace minillm {

// A weight matrix [out, in], and optionally the same matrix packed (PackedMatrix::pack_nt), which
// forward then reads instead.
struct Weight {
  ConstView matrix;
  const PackedMatrix* packed = nullptr;
  Weight(ConstView matrix_, const PackedMatrix* packed_ = nullptr)
      : matrix(matrix_), packed(packed_) {}
  Weight(View matrix_) : matrix(matrix_) {}
};

//   y       [N, out]   out  x W^T
//   x       [N, in]    in
//   weight  [out, in]  in
// Bit-identical for any number of threads and rows.
void linear_forward(View y, ConstView x, Weight weight, Precision precision = Precision::kFloat);
// y = residual + x W^T: a branch that ends in the residual stream. `residual` [N, out] may be y.
void linear_forward_residual(View y, ConstView residual, ConstView x, Weight weight,
                             Precision precision = Precision::kFloat);

// Writes dx [N, in] and adds (+=) to dweight [out, in], given dy [N, out].
void linear_backward(View dx, View dweight, ConstView dy, ConstView x, ConstView weight,
                     Precision precision = Precision::kFloat);

}  // namespace minillm

#endif  // LIBMINILLM_OPS_LINEAR_H_
