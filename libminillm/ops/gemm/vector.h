// Vec: a register's worth of Real, for the one kernel that has to live in registers.
//
// GCC and Clang have vector types with arithmetic; the struct below is the portable form. Nothing
// else in the library knows how wide a register is.

#ifndef LIBMINILLM_OPS_GEMM_VECTOR_H_
#define LIBMINILLM_OPS_GEMM_VECTOR_H_

#include <cstddef>
#include <cstring>
#include <utility>

#include "libminillm/core/real.h"

namespace minillm::gemm {

#if defined(__AVX512F__)
inline constexpr int kVectorBytes = 64;
inline constexpr int kVectorRegisters = 32;
#elif defined(__AVX__)
inline constexpr int kVectorBytes = 32;
inline constexpr int kVectorRegisters = 16;
#elif defined(__aarch64__)
inline constexpr int kVectorBytes = 16;
inline constexpr int kVectorRegisters = 32;
#else
inline constexpr int kVectorBytes = 16;
inline constexpr int kVectorRegisters = 16;
#endif
inline constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(Real));

#if defined(__GNUC__)

typedef Real Vec __attribute__((vector_size(kVectorBytes)));

#else

struct Vec {
  Real lane[kLanes];
};
inline Vec operator*(Vec a, Real b) {
  for (Real& x : a.lane) x *= b;
  return a;
}
inline Vec operator+(Vec a, const Vec& b) {
  for (int i = 0; i < kLanes; ++i) a.lane[i] += b.lane[i];
  return a;
}
inline Vec& operator+=(Vec& a, const Vec& b) { return a = a + b; }

#endif

// Loads and stores at any address; compiled to one instruction.
inline Vec load(const Real* from) {
  Vec v;
  std::memcpy(&v, from, sizeof(Vec));
  return v;
}
inline void store(Real* to, const Vec& v) { std::memcpy(to, &v, sizeof(Vec)); }

#if defined(__GNUC__)

// One stage of the in-register transpose: exchanges the blocks of S lanes that lie off the
// diagonal.
template <int S, int... P>
inline void exchange(Vec& a, Vec& b, std::integer_sequence<int, P...>) {
  const Vec low = __builtin_shufflevector(a, b, (P & S ? kLanes + P - S : P)...);
  b = __builtin_shufflevector(a, b, (P & S ? kLanes + P : P + S)...);
  a = low;
}
template <int S = 1>
inline void transpose(Vec (&rows)[kLanes]) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    if ((i & S) == 0) exchange<S>(rows[i], rows[i + S], std::make_integer_sequence<int, kLanes>());
  }
  if constexpr (2 * S < kLanes) transpose<2 * S>(rows);
}

#else

inline void transpose(Vec (&rows)[kLanes]) {
  for (int i = 0; i < kLanes; ++i)
    for (int j = 0; j < i; ++j) std::swap(rows[i].lane[j], rows[j].lane[i]);
}

#endif

}  // namespace minillm::gemm

#endif  // LIBMINILLM_OPS_GEMM_VECTOR_H_
