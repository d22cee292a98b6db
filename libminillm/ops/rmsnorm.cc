#include "libminillm/ops/rmsnorm.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "libminillm/core/check.h"
#include "libminillm/core/multiversion.h"
#include "libminillm/ops/elementary.h"
#include "libminillm/ops/loops.h"

namespace minillm {
namespace {

// y_i = w_i x_i r     with   r = (mean(x^2) + eps)^(-1/2), which is returned
MINILLM_MULTIVERSION
Real forward_row(Real* y, const Real* x, const Real* w, Index C, Real epsilon) {
  const Real mean_square = lane_sum(C, [&](Index i) { return x[i] * x[i]; }) / static_cast<Real>(C);
  // Squares that overflow would make r zero, and a plausible output of nothing: NaN tells.
  const Real r = std::isfinite(mean_square) ? 1 / std::sqrt(mean_square + epsilon)
                                            : std::numeric_limits<Real>::quiet_NaN();
  for (Index i = 0; i < C; ++i) y[i] = w[i] * (x[i] * r);
  return r;
}

// From  dr/dx_j = -r^3 x_j / C  and the product rule:
//
//   dx_j = r w_j dy_j  -  r^3 x_j s          s = (1/C) sum_i w_i dy_i x_i
//   dw_i = sum over rows of  dy_i x_i r
//
// The first term passes the gradient through the gain; the second takes away the part of it that
// would only change the length of x, which the norm ignores.
MINILLM_MULTIVERSION
void backward_row(Real* dx, const Real* dy, const Real* x, const Real* w, Real r, Index C) {
  const Real s = lane_sum(C, [&](Index i) { return w[i] * dy[i] * x[i]; }) / static_cast<Real>(C);
  const Real r3s = r * r * r * s;
  for (Index j = 0; j < C; ++j) dx[j] += r * (w[j] * dy[j]) - r3s * x[j];
}
// The same where dy is replaced by dx.
MINILLM_MULTIVERSION
void replace_row(Real* dy, const Real* x, const Real* w, Real r, Index C) {
  const Real s = lane_sum(C, [&](Index i) { return w[i] * dy[i] * x[i]; }) / static_cast<Real>(C);
  const Real r3s = r * r * r * s;
  for (Index j = 0; j < C; ++j) dy[j] = r * (w[j] * dy[j]) - r3s * x[j];
}
MINILLM_MULTIVERSION
void backward_gain(Real* dw, const Real* dy, const Real* x, Real r, Index c0, Index c1) {
  for (Index c = c0; c < c1; ++c) dw[c] += dy[c] * x[c] * r;
}

}  // namespace

void rmsnorm_forward(View y, View rstd, ConstView x, ConstView weight, Real epsilon) {
  MINILLM_DCHECK(same_shape(y, x) && weight.cols == x.cols && rstd.rows == x.rows);
  for_rows(x.rows, x.cols, [&](Index n) {
    rstd(n, 0) = forward_row(y.row(n), x.row(n), weight.row(0), x.cols, epsilon);
  });
}

void rmsnorm_backward(View dx, View dweight, ConstView dy, ConstView x, ConstView weight,
                      ConstView rstd) {
  MINILLM_DCHECK(same_shape(dx, x) && same_shape(dy, x) && weight.cols == x.cols);
  for_rows(x.rows, x.cols, [&](Index n) {
    backward_row(dx.row(n), dy.row(n), x.row(n), weight.row(0), rstd(n, 0), x.cols);
  });
  if (dweight.data == nullptr) return;
  for_column_blocks(x.cols, [&](Index c0, Index c1) {
    for (Index n = 0; n < x.rows; ++n)
      backward_gain(dweight.row(0), dy.row(n), x.row(n), rstd(n, 0), c0, c1);
  });
}

void head_norm_forward(View x, View unnormed, View rstd, ConstView weight, Real epsilon) {
  const Index D = weight.cols, heads = rstd.cols;
  MINILLM_DCHECK(same_shape(x, unnormed) && x.cols == heads * D && rstd.rows == x.rows);
  for_rows(x.rows, x.cols, [&](Index n) {
    std::copy_n(x.row(n), x.cols, unnormed.row(n));
    for (Index h = 0; h < heads; ++h)
      rstd(n, h) =
          forward_row(x.row(n) + h * D, unnormed.row(n) + h * D, weight.row(0), D, epsilon);
  });
}

void head_norm_backward(View dx, View dweight, ConstView unnormed, ConstView weight,
                        ConstView rstd) {
  const Index D = weight.cols, heads = rstd.cols;
  MINILLM_DCHECK(same_shape(dx, unnormed) && dx.cols == heads * D && rstd.rows == dx.rows);
  if (dweight.data != nullptr)  // while dx still is the gradient of the normed rows
    for_column_blocks(D, [&](Index c0, Index c1) {
      for (Index n = 0; n < dx.rows; ++n)
        for (Index h = 0; h < heads; ++h)
          backward_gain(dweight.row(0), dx.row(n) + h * D, unnormed.row(n) + h * D, rstd(n, h), c0,
                        c1);
    });
  for_rows(dx.rows, dx.cols, [&](Index n) {
    for (Index h = 0; h < heads; ++h)
      replace_row(dx.row(n) + h * D, unnormed.row(n) + h * D, weight.row(0), rstd(n, h), D);
  });
}

}  // namespace minillm
