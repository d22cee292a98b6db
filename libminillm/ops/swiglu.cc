#include "libminillm/ops/swiglu.h"

#include "libminillm/core/check.h"
#include "libminillm/ops/column_blocks.h"
#include "libminillm/ops/elementary.h"

namespace minillm {

// y = g sigma(g) u
void swiglu_forward(View y, ConstView gate_up) {
  MINILLM_DCHECK(gate_up.cols == 2 * y.cols && gate_up.rows == y.rows);
  const Index F = y.cols;
#pragma omp parallel for schedule(static) if (worth_threads(y.rows * y.cols))
  for (Index n = 0; n < y.rows; ++n) {
    const Real* gate = gate_up.row(n);
    const Real* up = gate + F;
    Real* out = y.row(n);
    for (Index f = 0; f < F; ++f) out[f] = gate[f] * sigmoid(gate[f]) * up[f];
  }
}

// With sigma' = sigma (1 - sigma):
//
//   dg = dy u sigma (1 + g (1 - sigma))        how far the gate opens
//   du = dy g sigma                            what passes through it
void swiglu_backward(View dgate_up, ConstView dy, ConstView gate_up) {
  MINILLM_DCHECK(same_shape(dgate_up, gate_up) && gate_up.cols == 2 * dy.cols);
  const Index F = dy.cols;
#pragma omp parallel for schedule(static)
  for (Index n = 0; n < dy.rows; ++n) {
    const Real* gate = gate_up.row(n);
    const Real* up = gate + F;
    const Real* g = dy.row(n);
    Real* dgate = dgate_up.row(n);
    Real* dup = dgate + F;
    for (Index f = 0; f < F; ++f) {
      const Real s = sigmoid(gate[f]);
      dgate[f] = g[f] * up[f] * s * (1 + gate[f] * (1 - s));
      dup[f] = g[f] * gate[f] * s;
    }
  }
}

}  // namespace minillm
