// bfloat16: the upper half of a float, with 8 significant bits. Widening is exact; narrowing rounds
// to the nearest number, and to the even one of two that are equally near.

#ifndef LIBMINILLM_CORE_BFLOAT16_H_
#define LIBMINILLM_CORE_BFLOAT16_H_

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "libminillm/core/matrix.h"

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
using Bfloat16View = BasicView<const Bfloat16>;

inline void widen(Real* to, const Bfloat16* from, Index count) {
  for (Index i = 0; i < count; ++i) to[i] = static_cast<Real>(bfloat16_to_float(from[i].bits));
}

// A matrix of weights: kept in Real or, where it is not trained, in bfloat16, in half the memory.
struct StoredMatrix {
  ConstView matrix;   // null where it is kept in bfloat16
  Bfloat16View half;  // null where it is not

  StoredMatrix() = default;
  StoredMatrix(ConstView matrix_) : matrix(matrix_) {}
  StoredMatrix(View matrix_) : matrix(matrix_) {}

  bool is_half() const { return half.data != nullptr; }
  Index rows() const { return is_half() ? half.rows : matrix.rows; }
  Index cols() const { return is_half() ? half.cols : matrix.cols; }
  void read_row(Index r, Real* to) const {
    if (is_half())
      widen(to, half.row(r), half.cols);
    else
      std::copy_n(matrix.row(r), matrix.cols, to);
  }
};

}  // namespace minillm

#endif  // LIBMINILLM_CORE_BFLOAT16_H_
