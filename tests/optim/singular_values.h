// The singular value decomposition of a small matrix in double, by one-sided Jacobi rotations
// (Hestenes 1958): slow, exact, and nothing that the library has.

#ifndef TESTS_OPTIM_SINGULAR_VALUES_H_
#define TESTS_OPTIM_SINGULAR_VALUES_H_

#include <cmath>
#include <vector>

#include "libminillm/core/matrix.h"

namespace minillm_testing {

using minillm::ConstView;
using minillm::Index;

using Columns = std::vector<std::vector<double>>;  // [n][m]

// Of x [m, n] or its transpose, whichever is tall: x = sum_k left[k] value[k] right[k]^T, where
// left[k] has length 1 unless its value is 0.
struct Decomposition {
  bool transposed = false;
  Columns left, right;
  std::vector<double> values;

  // The matrix with f(value) in place of each singular value, at (i, j) of x.
  template <typename F>
  double element(Index i, Index j, F&& f) const {
    if (transposed) std::swap(i, j);
    double sum = 0;
    for (size_t k = 0; k < values.size(); ++k)
      sum += left[k][static_cast<size_t>(i)] * f(values[k]) * right[k][static_cast<size_t>(j)];
    return sum;
  }
};

inline double inner(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

inline Decomposition decompose(ConstView x) {
  Decomposition d;
  d.transposed = x.rows < x.cols;
  const auto m = static_cast<size_t>(std::max(x.rows, x.cols));
  const auto n = static_cast<size_t>(std::min(x.rows, x.cols));
  d.left.assign(n, std::vector<double>(m));
  d.right.assign(n, std::vector<double>(n));
  for (size_t j = 0; j < n; ++j) {
    d.right[j][j] = 1;
    for (size_t i = 0; i < m; ++i)
      d.left[j][i] = d.transposed ? x(static_cast<Index>(j), static_cast<Index>(i))
                                  : x(static_cast<Index>(i), static_cast<Index>(j));
  }
  // Turns pairs of columns until all are orthogonal.
  const auto turn = [](std::vector<double>& a, std::vector<double>& b, double c, double s) {
    for (size_t i = 0; i < a.size(); ++i) {
      const double ai = a[i];
      a[i] = c * ai - s * b[i];
      b[i] = s * ai + c * b[i];
    }
  };
  for (int sweep = 0; sweep < 30; ++sweep)
    for (size_t p = 0; p < n; ++p)
      for (size_t q = p + 1; q < n; ++q) {
        const double pp = inner(d.left[p], d.left[p]), qq = inner(d.left[q], d.left[q]);
        const double pq = inner(d.left[p], d.left[q]);
        if (std::abs(pq) <= 1e-15 * std::sqrt(pp * qq)) continue;
        const double zeta = (qq - pp) / (2 * pq);
        const double t = std::copysign(1 / (std::abs(zeta) + std::hypot(1, zeta)), zeta);
        const double c = 1 / std::hypot(1, t);
        turn(d.left[p], d.left[q], c, c * t);
        turn(d.right[p], d.right[q], c, c * t);
      }
  for (std::vector<double>& column : d.left) {
    d.values.push_back(std::sqrt(inner(column, column)));
    for (double& value : column) value = d.values.back() > 0 ? value / d.values.back() : 0;
  }
  return d;
}

}  // namespace minillm_testing

#endif  // TESTS_OPTIM_SINGULAR_VALUES_H_
