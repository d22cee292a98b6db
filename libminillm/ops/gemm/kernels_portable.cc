// The products' kernels for any processor.

#define MINILLM_KERNEL_SET portable
#define MINILLM_VECTOR_BYTES 16
#define MINILLM_TILE_ROWS 6

#include "libminillm/ops/gemm/kernels.inc"
