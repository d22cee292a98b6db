#include "libminillm/ops/linear.h"

namespace minillm {

// y_no = sum_i x_ni w_oi
void linear_forward(View y, ConstView x, Weight weight, Precision precision) {
  linear_forward_residual(y, {}, x, weight, precision);
}

void linear_forward_residual(View y, ConstView residual, ConstView x, Weight weight,
                             Precision precision) {
  if (weight.packed != nullptr)
    gemm_packed(y, x, *weight.packed, residual);
  else
    gemm_nt(y, x, weight.matrix, residual, precision);
}

// dx_ni  = sum_o dy_no w_oi     every output that x_ni fed sends its gradient back, same weight
// dw_oi += sum_n dy_no x_ni     every row that used w_oi adds its share
void linear_backward(View dx, View dweight, ConstView dy, ConstView x, ConstView weight,
                     Precision precision) {
  gemm_nn(dx, dy, weight, {}, precision);
  gemm_tn(dweight, dy, x, dweight, precision);
}

}  // namespace minillm
