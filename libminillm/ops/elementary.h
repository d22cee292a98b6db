// exp and sums that vectorise, and give the same bits wherever an element is.
//
// A library's exp differs in bits between its vector and its scalar form, so a result could depend
// on whether an element was in a loop's main part or in its tail. This one is plain arithmetic: the
// compiler may vectorise it, and every lane computes the same thing.

#ifndef LIBMINILLM_OPS_ELEMENTARY_H_
#define LIBMINILLM_OPS_ELEMENTARY_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "libminillm/core/real.h"

namespace minillm {

// Loops work on so many elements at once, whatever the width of the processor's registers.
inline constexpr int kSumLanes = 16;
typedef Real Lanes __attribute__((vector_size(kSumLanes * sizeof(Real))));
inline void load(Lanes& to, const Real* from) { std::memcpy(&to, from, sizeof to); }
inline void store(Real* to, const Lanes& from) { std::memcpy(to, &from, sizeof from); }

namespace internal {
// See exp_fast(). F is float, or lanes of them, and Bits as many unsigned numbers. (The range is
// clamped by choices that are one instruction each of a vector; a loop over floats has four.)
template <typename F, typename Bits>
inline void exp_of(F& x) {
  const F most = F{} + 88.0f, least = F{} - 87.0f;
  x = most < x ? most : x;
  x = least > x ? least : x;
  // 1.5 * 2^23: adding it leaves n in the low bits of the mantissa.
  constexpr float kRound = 12582912.0f;
  const F shifted = x * 1.44269504f + kRound;
  const F n = shifted - kRound;
  // ln 2 in two parts, so that r is exact.
  const F r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  F p = F{} + 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const F e_r = p * (r * r) + (r + 1.0f);
  Bits two_n;
  std::memcpy(&two_n, &shifted, sizeof two_n);
  two_n = (two_n + 127u) << 23;
  std::memcpy(&x, &two_n, sizeof x);
  x = e_r * x;
}
}  // namespace internal

// e^x to 2 units in the last place; arguments beyond the range of normal floats are clamped to it.
//
//   e^x = 2^n e^r      n = round(x / ln 2)      |r| <= ln(2) / 2
//
// The polynomial in r is that of Moshier's Cephes.
inline float exp_fast(float x) {
  internal::exp_of<float, uint32_t>(x);
  return x;
}
inline double exp_fast(double x) { return std::exp(x); }

// The same of every lane, in place.
inline void exp_lanes(Lanes& x) {
#ifdef MINILLM_DOUBLE
  for (int i = 0; i < kSumLanes; ++i) x[i] = std::exp(x[i]);
#else
  typedef uint32_t Bits __attribute__((vector_size(sizeof(Lanes))));
  internal::exp_of<Lanes, Bits>(x);
#endif
}

// 1 / (1 + e^-x)
inline Real sigmoid(Real x) { return 1 / (1 + exp_fast(-x)); }

// The first `count` lanes of x, and `otherwise` in the others.
inline void keep_first(Lanes& x, Index count, Real otherwise) {
  constexpr Lanes kNumbers = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  x = kNumbers < Lanes{} + static_cast<Real>(count) ? x : Lanes{} + otherwise;
}

// The lanes combined in a fixed tree: the first half with the second, and so on.
template <typename Combine>
inline Real combine_lanes(const Lanes& lane, Combine&& combine) {
  typedef Real Half __attribute__((vector_size(sizeof(Lanes) / 2)));
  typedef Real Quarter __attribute__((vector_size(sizeof(Lanes) / 4)));
  Half half = __builtin_shufflevector(lane, lane, 0, 1, 2, 3, 4, 5, 6, 7);
  combine(half, __builtin_shufflevector(lane, lane, 8, 9, 10, 11, 12, 13, 14, 15));
  Quarter quarter = __builtin_shufflevector(half, half, 0, 1, 2, 3);
  combine(quarter, __builtin_shufflevector(half, half, 4, 5, 6, 7));
  Real first = quarter[0], second = quarter[1];
  combine(first, Real{quarter[2]});
  combine(second, Real{quarter[3]});
  combine(first, second);
  return first;
}

// Sums run in kSumLanes interleaved partial sums, combined in that tree: vectorisable, independent
// of the processor's register width, and unchanged by trailing zeros.
inline Real sum_of(const Lanes& lane) {
  return combine_lanes(lane, [](auto& sum, const auto& next) { sum += next; });
}

// sum over i of term(i)
template <typename Term>
inline Real lane_sum(Index size, Term&& term) {
  Real lane[kSumLanes] = {};
  Index i = 0;
  for (; i + kSumLanes <= size; i += kSumLanes)
    for (int j = 0; j < kSumLanes; ++j) lane[j] += term(i + j);
  for (int j = 0; i + j < size; ++j) lane[j] += term(i + j);
  Lanes lanes;
  load(lanes, lane);
  return sum_of(lanes);
}

// max over i of x[i]; the order does not matter. REQUIRES size > 0.
inline Real max_of(const Real* x, Index size) {
  // Compilers vectorise a sum in lanes, but not this choice, so the lanes are spelled out.
  const auto keep_larger = [](auto& max, const auto& next) { max = max < next ? next : max; };
  Lanes max = Lanes{} + x[0], next;
  Index i = 0;
  for (; i + kSumLanes <= size; i += kSumLanes) {
    load(next, x + i);
    keep_larger(max, next);
  }
  Real largest = combine_lanes(max, keep_larger);
  for (; i < size; ++i) keep_larger(largest, x[i]);
  return largest;
}

}  // namespace minillm

#endif  // LIBMINILLM_OPS_ELEMENTARY_H_
