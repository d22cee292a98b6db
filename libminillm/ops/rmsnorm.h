// RMSNorm: y = weight * x / rms(x), over the last dimension.
//
// Paper: Zhang & Sennrich 2019, arXiv:1910.07467, eq. 4. Compared with LayerNorm there is no mean
// subtraction and no bias.

#ifndef LIBMINILLM_OPS_RMSNORM_H_
#define LIBMINILLM_OPS_RMSNORM_H_

#include "libminillm/core/matrix.h"

namespace minillm {

//   y        [N, C]  out   the normed rows
//   rstd     [N, 1]  out   1 / rms of each row; backward needs it
//   x        [N, C]  in    may not overlap y (backward reads x)
//   weight   [1, C]  in    the gain
//   epsilon          in    added to the mean square, so that an all-zero row stays finite
void rmsnorm_forward(View y, View rstd, ConstView x, ConstView weight, Real epsilon);

// Adds (+=) to dx [N, C], the residual stream, and dweight [1, C], given dy [N, C] and what forward
// saw and saved. A null dweight means that the gain is frozen: its sum is skipped.
void rmsnorm_backward(View dx, View dweight, ConstView dy, ConstView x, ConstView weight,
                      ConstView rstd);

// The same of each head by itself, in place: what Qwen3 does to queries and keys before RoPE, so
// that no score can grow with their length (Henry et al. 2020, arXiv:2010.04245).
//
//   x         [N, heads * D]  in/out
//   unnormed  [N, heads * D]  out  x as it was; backward needs it
//   rstd      [N, heads]      out
//   weight    [1, D]          in   the gain of all heads
void head_norm_forward(View x, View unnormed, View rstd, ConstView weight, Real epsilon);

// Writes dx [N, heads * D], which comes in as the gradient of the normed rows, and adds (+=) to
// dweight [1, D]; null: frozen.
void head_norm_backward(View dx, View dweight, ConstView unnormed, ConstView weight,
                        ConstView rstd);

}  // namespace minillm

#endif  // LIBMINILLM_OPS_RMSNORM_H_
