// The products' kernels for AVX-512 with bf16 products (Zen 4, Cooper Lake and later).

#define MINILLM_KERNEL_SET avx512bf16
#define MINILLM_VECTOR_BYTES 64
#define MINILLM_TILE_ROWS 14
#define MINILLM_BFLOAT16_PRODUCTS
#include "libminillm/ops/gemm/kernels.inc"
