#include "libminillm/ops/swiglu.h"

#include "libminillm/core/check.h"
#include "libminillm/core/multiversion.h"
#include "libminillm/ops/elementary.h"
#include "libminillm/ops/loops.h"

namespace minillm {
namespace {

// y = g sigma(g) u
MINILLM_MULTIVERSION
void forward_row(Real* y, const Real* gate, const Real* up, Index F) {
  for (Index f = 0; f < F; ++f) y[f] = gate[f] * sigmoid(gate[f]) * up[f];
}

// With sigma' = sigma (1 - sigma):
//
//   dg = dy u sigma (1 + g (1 - sigma))        how far the gate opens
//   du = dy g sigma                            what passes through it
MINILLM_MULTIVERSION
void backward_row(Real* dgate, Real* dup, const Real* dy, const Real* gate, const Real* up,
                  Index F) {
  for (Index f = 0; f < F; ++f) {
    const Real s = sigmoid(gate[f]);
    dgate[f] = dy[f] * up[f] * s * (1 + gate[f] * (1 - s));
    dup[f] = dy[f] * gate[f] * s;
  }
}

}  // namespace

void swiglu_forward(View y, ConstView gate_up) {
  MINILLM_DCHECK(gate_up.cols == 2 * y.cols && gate_up.rows == y.rows);
  const Index F = y.cols;
  for_rows(y.rows, F,
           [&](Index n) { forward_row(y.row(n), gate_up.row(n), gate_up.row(n) + F, F); });
}

void swiglu_backward(View dgate_up, ConstView dy, ConstView gate_up) {
  MINILLM_DCHECK(same_shape(dgate_up, gate_up) && gate_up.cols == 2 * dy.cols);
  const Index F = dy.cols;
  for_rows(dy.rows, F, [&](Index n) {
    backward_row(dgate_up.row(n), dgate_up.row(n) + F, dy.row(n), gate_up.row(n),
                 gate_up.row(n) + F, F);
  });
}

}  // namespace minillm
