#include "libminillm/ops/linear.h"

namespace minillm {
namespace {

// Eight bits are for matrices that are packed once; updates are not.
Precision precision_of_updates(const Weight& weight) {
  return weight.precision == Precision::kBfloat16 ? Precision::kBfloat16 : Precision::kFloat;
}

}  // namespace

// y_no = sum_i x_ni w_oi
void linear_forward(View y, ConstView x, const Weight& weight, const LowRankPass& updated) {
  linear_forward_residual(y, {}, x, weight, updated);
}

void linear_forward_residual(View y, ConstView residual, ConstView x, const Weight& weight,
                             const LowRankPass& updated) {
  if (y.data == nullptr)
    ;  // only the updates' inner states are wanted
  else if (weight.packed != nullptr)
    gemm_packed(y, x, *weight.packed, residual);
  else
    gemm_nt(y, x, weight, residual, weight.precision);
  low_rank_forward(y, x, weight.updates, updated, precision_of_updates(weight));
}

// dx_ni  = sum_o dy_no w_oi     every output that x_ni fed sends its gradient back, same weight
// dw_oi += sum_n dy_no x_ni     every row that used w_oi adds its share
void linear_backward(View dx, View dweight, ConstView dy, ConstView x, const Weight& weight,
                     const LowRankPass& updated) {
  gemm_nn(dx, dy, weight, {}, weight.precision);
  if (dweight.data != nullptr) gemm_tn(dweight, dy, x, dweight, weight.precision);
  low_rank_backward(dx, dy, x, weight.updates, updated, precision_of_updates(weight));
}

}  // namespace minillm
