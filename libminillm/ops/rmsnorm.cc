#include "libminillm/ops/rmsnorm.h"

#include <cmath>

#include "libminillm/core/check.h"
#include "libminillm/ops/column_blocks.h"
#include "libminillm/ops/elementary.h"

namespace minillm {

// y_i = w_i x_i r     with   r = (mean(x^2) + eps)^(-1/2)
void rmsnorm_forward(View y, View rstd, ConstView x, ConstView weight, Real epsilon) {
  MINILLM_DCHECK(same_shape(y, x) && weight.cols == x.cols && rstd.rows == x.rows);
  const Index C = x.cols;
  const Real* w = weight.row(0);
#pragma omp parallel for schedule(static) if (worth_threads(x.rows * x.cols))
  for (Index n = 0; n < x.rows; ++n) {
    const Real* in = x.row(n);
    Real* out = y.row(n);
    const Real mean_square =
        lane_sum(C, [&](Index i) { return in[i] * in[i]; }) / static_cast<Real>(C);
    const Real r = 1 / std::sqrt(mean_square + epsilon);
    for (Index i = 0; i < C; ++i) out[i] = w[i] * (in[i] * r);
    rstd(n, 0) = r;
  }
}

// From  dr/dx_j = -r^3 x_j / C  and the product rule:
//
//   dx_j = r w_j dy_j  -  r^3 x_j s          s = (1/C) sum_i w_i dy_i x_i
//   dw_i = sum over rows of  dy_i x_i r
//
// The first term passes the gradient through the gain; the second takes away the part of it that
// would only change the length of x, which the norm ignores.
void rmsnorm_backward(View dx, View dweight, ConstView dy, ConstView x, ConstView weight,
                      ConstView rstd) {
  MINILLM_DCHECK(same_shape(dx, x) && same_shape(dy, x) && weight.cols == x.cols);
  const Index C = x.cols;
  const Real* w = weight.row(0);
#pragma omp parallel for schedule(static)
  for (Index n = 0; n < x.rows; ++n) {
    const Real r = rstd(n, 0);
    const Real* in = x.row(n);
    const Real* g = dy.row(n);
    Real* out = dx.row(n);
    const Real s = lane_sum(C, [&](Index i) { return w[i] * g[i] * in[i]; }) / static_cast<Real>(C);
    const Real r3s = r * r * r * s;
    for (Index j = 0; j < C; ++j) out[j] += r * (w[j] * g[j]) - r3s * in[j];
  }
  Real* dw = dweight.row(0);
  for_column_blocks(C, [&](Index c0, Index c1) {
    for (Index n = 0; n < x.rows; ++n) {
      const Real r = rstd(n, 0);
      const Real* in = x.row(n);
      const Real* g = dy.row(n);
      for (Index c = c0; c < c1; ++c) dw[c] += g[c] * in[c] * r;
    }
  });
}

}  // namespace minillm
