// The two 16-bit floating-point formats of published weights, widened to float. Both conversions
// are exact.

#ifndef LIBMINILLM_CHECKPOINT_HALF_FLOAT_H_
#define LIBMINILLM_CHECKPOINT_HALF_FLOAT_H_

#include <bit>
#include <cmath>
#include <cstdint>

namespace minillm {

// bfloat16: the upper half of a float.
inline float bfloat16_to_float(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

// IEEE 754 binary16: 1 sign bit, 5 exponent bits (bias 15), 10 fraction bits.
inline float float16_to_float(uint16_t bits) {
  const uint32_t sign = uint32_t{bits} >> 15 << 31;
  const uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023;
  if (exponent == 0) {  // zero or subnormal: fraction * 2^-24
    const float magnitude = std::ldexp(static_cast<float>(fraction), -24);
    return sign != 0 ? -magnitude : magnitude;
  }
  // Infinity and NaN keep their exponent of all ones; others move from bias 15 to bias 127.
  const uint32_t wide = exponent == 31 ? 255 : exponent + 127 - 15;
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

}  // namespace minillm

#endif  // LIBMINILLM_CHECKPOINT_HALF_FLOAT_H_
