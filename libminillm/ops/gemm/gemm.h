// Matrix products, blocked for registers and caches, with one fixed order over k.
//
// Every element of C is: for each block of kBlockK consecutive k, one chain of fused multiply-adds
// from zero in ascending k; the blocks' sums are added to C in ascending order. The order depends
// on nothing else: not on m or n, not on where a row stands, not on the number of threads. That is
// what makes a token's hidden state bit-identical whatever shares its batch (Eigen's order changes
// with thread count and row position).
//
// Blocking after Goto & van de Geijn 2008 (doi:10.1145/1356052.1356053): a micro-kernel keeps a
// kPanelRows x kPanelCols tile of C in registers; A and B are copied ("packed") into panels that it
// reads with stride one.

#ifndef LIBMINILLM_OPS_GEMM_GEMM_H_
#define LIBMINILLM_OPS_GEMM_GEMM_H_

#include "libminillm/core/matrix.h"

namespace minillm {

// C [m, n] = start + A [m, k] B [n, k]^T       y = x W^T
void gemm_nt(View c, ConstView a, ConstView b, ConstView start = {});
// C [m, n] = start + A [m, k] B [k, n]         dx = dy W
void gemm_nn(View c, ConstView a, ConstView b, ConstView start = {});
// C [m, n] = start + A [k, m]^T B [k, n]       dW += dy^T x
void gemm_tn(View c, ConstView a, ConstView b, ConstView start = {});

// `start` [m, n] is nothing (C = the product), C itself (C += the product), or another matrix.

// C must not overlap A or B. Inside an OpenMP region a product runs on the calling thread alone.

}  // namespace minillm

#endif  // LIBMINILLM_OPS_GEMM_GEMM_H_
