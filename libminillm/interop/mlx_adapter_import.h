// Adapters of mlx-lm, read: adapter_config.json and adapters.safetensors.

#ifndef LIBMINILLM_INTEROP_MLX_ADAPTER_IMPORT_H_
#define LIBMINILLM_INTEROP_MLX_ADAPTER_IMPORT_H_

#include <string>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/nn/adapter.h"

namespace minillm {

// The LoRA adapter in a directory, for this base: both factors turned back, and `scale` as it is
// (it is s, not alpha). Which base it was trained on the directory does not say: only names and
// shapes are checked. Throws Error naming the file and what is wrong: DoRA or full weights, a
// tensor that belongs to no matrix of the base or to a layer before the last `num_layers` (mlx-lm
// would leave these out in silence), a factor that is missing or of another shape.
Adapter import_mlx_adapter(const std::string& directory, const Checkpoint& base);

}  // namespace minillm

#endif  // LIBMINILLM_INTEROP_MLX_ADAPTER_IMPORT_H_
