// How the numbers of exported weights are stored.

#ifndef LIBMINILLM_INTEROP_WEIGHT_ENCODING_H_
#define LIBMINILLM_INTEROP_WEIGHT_ENCODING_H_

#include <cstdint>
#include <span>
#include <string>

#include "libminillm/core/real.h"

namespace minillm {

enum class WeightEncoding {
  kF32,
  kF16,   // IEEE binary16, rounded to nearest
  kBf16,  // bfloat16, rounded to nearest
  // Blocks of 32 numbers x in 34 bytes: the scale d = max|x| / 127 in F16, then round(x / d) in 8
  // bits each, halves away from zero. The division uses d before it is rounded to F16, as ggml's
  // reference implementation does (ggml-quants.c, quantize_row_q8_0_ref): the bits are the same.
  kQ8_0,
};

inline constexpr Index kQ8BlockSize = 32;

const char* weight_encoding_name(WeightEncoding encoding);  // "f32", "f16", "bf16", "q8_0"

// Bytes of `count` numbers. REQUIRES whole blocks.
uint64_t encoded_bytes(WeightEncoding encoding, Index count);

// Appends the numbers, little-endian. REQUIRES finite values and whole blocks. Throws Error
// `<subject>: ...` for a number that would become infinite.
void append_encoded(WeightEncoding encoding, std::span<const Real> values,
                    const std::string& subject, std::string& bytes);

}  // namespace minillm

#endif  // LIBMINILLM_INTEROP_WEIGHT_ENCODING_H_
