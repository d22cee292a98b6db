#include "libminillm/optim/newton_schulz.h"

#include <algorithm>

#include "libminillm/core/check.h"
#include "libminillm/core/multiversion.h"
#include "libminillm/optim/grad_norm.h"

namespace minillm {
namespace {

constexpr Real kA = Real(3.4445), kB = Real(-4.7750), kC = Real(2.0315);
constexpr double kEpsilon = 1e-7;  // as Jordan's
constexpr Index kSquare = 16;  // what is transposed at a time: it stays in the first-level cache

// Calls visit(i, j) for the elements of an [m, n] matrix, square by square; `lower`: j <= i only.
template <typename Visit>
void for_each_square(Index m, Index n, bool lower, Visit&& visit) {
  for (Index i0 = 0; i0 < m; i0 += kSquare)
    for (Index j0 = 0; j0 < (lower ? std::min(n, i0 + 1) : n); j0 += kSquare)
      for (Index i = i0; i < std::min(m, i0 + kSquare); ++i)
        for (Index j = j0; j < std::min(lower ? i + 1 : n, j0 + kSquare); ++j) visit(i, j);
}

void transpose(View to, ConstView from) {
  for_each_square(from.rows, from.cols, false, [&](Index i, Index j) { to(j, i) = from(i, j); });
}

void mirror_lower(View x) {
  for_each_square(x.rows, x.cols, true, [&](Index i, Index j) { x(j, i) = x(i, j); });
}

MINILLM_MULTIVERSION
void scale(Real* values, Index size, Real factor) {
  for (Index i = 0; i < size; ++i) values[i] *= factor;
}

// square = b gram + c square
MINILLM_MULTIVERSION
void add_powers(Real* __restrict square, const Real* __restrict gram, Index size) {
  for (Index i = 0; i < size; ++i) square[i] = kB * gram[i] + kC * square[i];
}

Arena& at_least(Arena& arena, Index size) {
  if (arena.size() < size) arena = Arena(size);
  return arena;
}

}  // namespace

void NewtonSchulz::reserve(Index size, Index side) {
  at_least(other_, size);
  at_least(gram_, side * side);
  at_least(polynomial_, side * side);
}

// Works on the matrix or its transpose, whichever is tall: A is then the smaller of the two. A and
// A^2 are symmetric, so only their lower triangles are computed.
void NewtonSchulz::run(View x, Precision precision) {
  MINILLM_DCHECK(x.stride == x.cols);
  const Index size = x.rows * x.cols, side = std::min(x.rows, x.cols),
              length = std::max(x.rows, x.cols);
  reserve(size, side);
  const std::span<Real> values(x.data, static_cast<size_t>(size));
  const bool is_wide = x.rows < x.cols;
  const View other(other_.data(), length, side), tall(x.data, length, side);
  const View gram(gram_.data(), side, side), polynomial(polynomial_.data(), side, side);
  const Causal lower{Causal::Of::kProduct, 1};

  scale(x.data, size, static_cast<Real>(1 / (l2_norm(values) + kEpsilon)));
  if (is_wide)
    transpose(other, x);
  else
    std::ranges::copy(values, other.data);
  View from = other, to = tall;
  for (int step = 0; step < kSteps; ++step) {
    gemm_tn(gram, from, from, {}, precision, lower);
    mirror_lower(gram);
    gemm_tn(polynomial, gram, gram, {}, precision, lower);
    add_powers(polynomial.data, gram.data, side * side);
    for (Index i = 0; i < side; ++i) polynomial(i, i) += kA;
    mirror_lower(polynomial);
    gemm_nn(to, from, polynomial, {}, precision);
    std::swap(from, to);
  }
  static_assert(kSteps % 2 == 1, "the last step writes over x");
  if (!is_wide) return;
  std::ranges::copy(values, other.data);
  transpose(x, other);
}

}  // namespace minillm
