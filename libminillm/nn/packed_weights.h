// The model's matrices packed once, for many passes in which they do not change: decoding.

#ifndef LIBMINILLM_NN_PACKED_WEIGHTS_H_
#define LIBMINILLM_NN_PACKED_WEIGHTS_H_

#include <vector>

#include "libminillm/nn/parameters.h"
#include "libminillm/ops/gemm/gemm.h"

namespace minillm {

struct PackedBlock {
  PackedMatrix wqkv, wo, w_gate_up, w_down;
};

// Made by Model::pack_weights(). About as large as the parameters; half of it in bfloat16, a
// quarter in int8.
struct PackedWeights {
  std::vector<PackedBlock> blocks;  // [L]
  PackedMatrix head;
};

}  // namespace minillm

#endif  // LIBMINILLM_NN_PACKED_WEIGHTS_H_
