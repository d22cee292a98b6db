// The products' kernels for AVX-512.

#define MINILLM_KERNEL_SET avx512
#define MINILLM_VECTOR_BYTES 64
#define MINILLM_TILE_ROWS 14

#include "libminillm/ops/gemm/kernels.inc"
