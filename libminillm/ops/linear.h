// Linear: y = x W^T, no bias. By far the most of the time goes here.

#ifndef LIBMINILLM_OPS_LINEAR_H_
#define LIBMINILLM_OPS_LINEAR_H_

#include "libminillm/core/matrix.h"
#include "libminillm/ops/gemm/gemm.h"  // Accumulate

namespace minillm {

//   y       [N, out]   out  x W^T, or with Accumulate::kYes y + x W^T (a residual branch)
//   x       [N, in]    in
//   weight  [out, in]  in
// Bit-identical for any number of threads and rows.
void linear_forward(View y, ConstView x, ConstView weight, Accumulate accumulate = Accumulate::kNo);

// Accumulates (+=) into dx [N, in] and dweight [out, in], given dy [N, out].
void linear_backward(View dx, View dweight, ConstView dy, ConstView x, ConstView weight);

}  // namespace minillm

#endif  // LIBMINILLM_OPS_LINEAR_H_
