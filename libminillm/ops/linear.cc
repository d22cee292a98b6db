#include "libminillm/ops/linear.h"

namespace minillm {

// y_no = sum_i x_ni w_oi
void linear_forward(View y, ConstView x, const Weight& weight) {
  linear_forward_residual(y, {}, x, weight);
}

void linear_forward_residual(View y, ConstView residual, ConstView x, const Weight& weight) {
  if (weight.packed != nullptr)
    gemm_packed(y, x, *weight.packed, residual);
  else
    gemm_nt(y, x, weight.matrix, residual, weight.precision);
}

// dx_ni  = sum_o dy_no w_oi     every output that x_ni fed sends its gradient back, same weight
// dw_oi += sum_n dy_no x_ni     every row that used w_oi adds its share
void linear_backward(View dx, View dweight, ConstView dy, ConstView x, const Weight& weight) {
  gemm_nn(dx, dy, weight.matrix, {}, weight.precision);
  if (dweight.data != nullptr) gemm_tn(dweight, dy, x, dweight, weight.precision);
}

}  // namespace minillm
