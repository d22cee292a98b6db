// The products' kernels for AVX2 with fused multiply-add.

#define MINILLM_KERNEL_SET avx2
#define MINILLM_VECTOR_BYTES 32
#define MINILLM_TILE_ROWS 6

#include "libminillm/ops/gemm/kernels.inc"
