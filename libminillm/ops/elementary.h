// exp and sums that vectorise, and give the same bits wherever an element is.
//
// A library's exp differs in bits between its vector and its scalar form, so a result could depend
// on whether an element was in a loop's main part or in its tail. This one is plain arithmetic: the
// compiler may vectorise it, and every lane computes the same thing.

#ifndef LIBMINILLM_OPS_ELEMENTARY_H_
#define LIBMINILLM_OPS_ELEMENTARY_H_

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "libminillm/core/real.h"

namespace minillm {

// e^x to 2 units in the last place; arguments beyond the range of normal floats are clamped to it.
//
//   e^x = 2^n e^r      n = round(x / ln 2)      |r| <= ln(2) / 2
//
// The polynomial in r is that of Moshier's Cephes.
inline float exp_fast(float x) {
  x = x > 88.0f ? 88.0f : x;
  x = x < -87.0f ? -87.0f : x;
  // 1.5 * 2^23: adding it leaves n in the low bits of the mantissa.
  constexpr float kRound = 12582912.0f;
  const float shifted = x * 1.44269504f + kRound;
  const float n = shifted - kRound;
  // ln 2 in two parts, so that r is exact.
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const float e_r = p * (r * r) + (r + 1.0f);
  const float two_n = std::bit_cast<float>((std::bit_cast<uint32_t>(shifted) + 127u) << 23);
  return e_r * two_n;
}
inline double exp_fast(double x) { return std::exp(x); }

// 1 / (1 + e^-x)
inline Real sigmoid(Real x) { return 1 / (1 + exp_fast(-x)); }

// Sums run in kSumLanes interleaved partial sums, combined in a fixed tree: vectorisable,
// independent of the processor's register width, and unchanged by trailing zeros.
inline constexpr int kSumLanes = 16;

inline Real combine_lanes(Real (&lane)[kSumLanes]) {
#pragma GCC unroll 4
  for (int half = kSumLanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
  return lane[0];
}

// The first `count` of kSumLanes numbers stay, the others become `otherwise`: without a branch that
// depends on where a row ends, which processors foresee badly.
inline void keep_first(Real* x, Index count, Real otherwise) {
  for (int j = 0; j < kSumLanes; ++j) x[j] = j < count ? x[j] : otherwise;
}

// sum over i of term(i)
template <typename Term>
inline Real lane_sum(Index size, Term&& term) {
  Real lane[kSumLanes] = {};
  Index i = 0;
  for (; i + kSumLanes <= size; i += kSumLanes)
    for (int j = 0; j < kSumLanes; ++j) lane[j] += term(i + j);
  for (int j = 0; i + j < size; ++j) lane[j] += term(i + j);
  return combine_lanes(lane);
}

// max over i of x[i]; the order does not matter. REQUIRES size > 0.
inline Real max_of(const Real* x, Index size) {
  const auto keep_larger = [](Real& max, Real next) { max = max < next ? next : max; };
  Real lane[kSumLanes];
  std::fill_n(lane, kSumLanes, x[0]);
  Index i = 0;
  for (; i + kSumLanes <= size; i += kSumLanes)
    for (int j = 0; j < kSumLanes; ++j) keep_larger(lane[j], x[i + j]);
  for (; i < size; ++i) keep_larger(lane[0], x[i]);
#pragma GCC unroll 4
  for (int half = kSumLanes / 2; half > 0; half /= 2)
    for (int j = 0; j < half; ++j) keep_larger(lane[j], lane[j + half]);
  return lane[0];
}

}  // namespace minillm

#endif  // LIBMINILLM_OPS_ELEMENTARY_H_
