// The 16-bit floating-point formats of published weights, to and from float: bfloat16 is in
// core/bfloat16.h. Widening is exact; narrowing rounds to the nearest number, and to the even one
// of two that are equally near.

#ifndef LIBMINILLM_CHECKPOINT_HALF_FLOAT_H_
#define LIBMINILLM_CHECKPOINT_HALF_FLOAT_H_

#include <bit>
#include <cmath>
#include <cstdint>

#include "libminillm/core/bfloat16.h"

namespace minillm {

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

// Beyond 65519 there is only infinity.
inline uint16_t float_to_float16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 31 << 15, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return static_cast<uint16_t>(sign | 0x7e00);   // NaN
  if (magnitude >= 0x47800000) return static_cast<uint16_t>(sign | 0x7c00);  // 65536 and more
  if (magnitude < 0x38800000) {  // below 2^-14 the step is 2^-24: subnormal
    const float steps = std::ldexp(std::bit_cast<float>(magnitude), 24);
    return static_cast<uint16_t>(sign | static_cast<uint32_t>(std::nearbyint(steps)));
  }
  // 13 fraction bits go; a carry out of the fraction moves the exponent, as it should.
  const uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
  return static_cast<uint16_t>(sign | ((rounded >> 13) - ((127 - 15) << 10)));
}

}  // namespace minillm

#endif  // LIBMINILLM_CHECKPOINT_HALF_FLOAT_H_
