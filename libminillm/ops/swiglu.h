// SwiGLU: y = silu(gate) * up (Shazeer 2020, arXiv:2002.05202), silu(g) = g * sigmoid(g).

#ifndef LIBMINILLM_OPS_SWIGLU_H_
#define LIBMINILLM_OPS_SWIGLU_H_

#include "libminillm/core/matrix.h"

namespace minillm {

//   y        [N, F]   out
//   gate_up  [N, 2F]  in   gate in the first F columns, up in the last
void swiglu_forward(View y, ConstView gate_up);

// Writes dgate_up [N, 2F], given dy [N, F].
void swiglu_backward(View dgate_up, ConstView dy, ConstView gate_up);

}  // namespace minillm

#endif  // LIBMINILLM_OPS_SWIGLU_H_
