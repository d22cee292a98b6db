// bfloat16: the upper half of a float, with 8 significant bits. Widening is exact; narrowing rounds
// to the nearest number, and to the even one of two that are equally near.

#ifndef LIBMINILLM_CORE_BFLOAT16_H_
#define LIBMINILLM_CORE_BFLOAT16_H_

#include <bit>
#include <cmath>
#include <cstdint>

#include "libminillm/core/real.h"

namespace minillm {

inline float bfloat16_to_float(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

// NaN stays NaN: a bit that cannot be rounded away is set.
inline uint16_t float_to_bfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16 | 64);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// A number that is kept in 16 bits. Nothing is computed in them.
struct Bfloat16 {
  uint16_t bits = 0;
};

inline void widen(Real* to, const Bfloat16* from, Index count) {
  for (Index i = 0; i < count; ++i) to[i] = static_cast<Real>(bfloat16_to_float(from[i].bits));
}

}  // namespace minillm

#endif  // LIBMINILLM_CORE_BFLOAT16_H_
