#include "libminillm/ops/score.h"

#include "libminillm/core/check.h"
#include "libminillm/core/multiversion.h"
#include "libminillm/ops/elementary.h"
#include "libminillm/ops/loops.h"

namespace minillm {
namespace {

MINILLM_MULTIVERSION
Real dot(const Real* h, const Real* w, Index C) {
  return lane_sum(C, [&](Index c) { return h[c] * w[c]; });
}

}  // namespace

// s = sum_c h_c w_c
void score_forward(std::span<Real> scores, ConstView hidden, ConstView weight,
                   std::span<const Target> targets) {
  MINILLM_DCHECK(scores.size() == targets.size() && weight.cols == hidden.cols);
  const Index M = static_cast<Index>(targets.size());
  for_rows(M, hidden.cols, [&](Index m) {
    scores[m] = dot(hidden.row(targets[m].row), weight.row(0), hidden.cols);
  });
}

//   dh_c += ds w_c        dw_c += sum over targets of ds h_c
//
// Several targets may have one row, so threads divide the columns.
void score_backward(View dhidden, View dweight, std::span<const Real> dscores, ConstView hidden,
                    ConstView weight, std::span<const Target> targets) {
  MINILLM_DCHECK(dscores.size() == targets.size() && same_shape(dhidden, hidden));
  for_column_blocks(hidden.cols, [&](Index c0, Index c1) {
    for (size_t m = 0; m < targets.size(); ++m) {
      const Real* h = hidden.row(targets[m].row);
      Real* dh = dhidden.row(targets[m].row);
      for (Index c = c0; c < c1; ++c) dh[c] += dscores[m] * weight(0, c);
      if (dweight.data == nullptr) continue;
      for (Index c = c0; c < c1; ++c) dweight(0, c) += dscores[m] * h[c];
    }
  });
}

}  // namespace minillm
