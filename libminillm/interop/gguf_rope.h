// Llama 3's scaling of RoPE from the divisors that GGUF has of it. Internal to gguf_import.cc.

#ifndef LIBMINILLM_INTEROP_GGUF_ROPE_H_
#define LIBMINILLM_INTEROP_GGUF_ROPE_H_

#include <optional>
#include <span>
#include <vector>

#include "libminillm/ops/rope.h"  // RopeScaling

namespace minillm {

// The divisors of all pairs' frequencies under this scaling, as exports write them.
std::vector<Real> frequency_divisors(Index head_dim, double theta, const RopeScaling& scaling);

// The scaling whose divisors are these, to 1e-5 of each (they come in 32 bits, from powers that
// were computed in 32 bits); nothing if none of ours has such divisors. Different numbers may
// describe one scaling (only ratios of low_freq_factor, high_freq_factor and original_context
// count): those with low_freq_factor 1 are chosen, as published models have them.
std::optional<RopeScaling> scaling_of_divisors(std::span<const Real> divisors, double theta);

}  // namespace minillm

#endif  // LIBMINILLM_INTEROP_GGUF_ROPE_H_
