// Gradients against central differences. Only meaningful in the double build: the first line of
// such a test is MINILLM_REQUIRE_DOUBLE().
//
// An op's output is made a scalar by projecting it on a fixed random vector r: loss = sum(r * y).
// Its gradient by y is r itself, so r is what the backward is handed:
//
//   const auto r = random_values(y.size(), 7);
//   rmsnorm_backward(dx, dgain, r, ...);
//   expect_gradient([&] { rmsnorm_forward(y, ...); return dot(r, y); }, x, dx, 1e-6, "x");

#ifndef TESTS_TESTING_GRAD_CHECK_H_
#define TESTS_TESTING_GRAD_CHECK_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "libminillm/core/real.h"
#include "libminillm/core/rng.h"

namespace minillm_testing {

using minillm::Index;
using minillm::Real;

inline constexpr bool kRealIsDouble = std::is_same_v<Real, double>;
#define MINILLM_REQUIRE_DOUBLE()       \
  if (!minillm_testing::kRealIsDouble) \
  GTEST_SKIP() << "central differences need double: build with -DMINILLM_DOUBLE=ON"

// `n` normal numbers with standard deviation `scale`, the same for the same seed.
inline std::vector<Real> random_values(size_t n, uint64_t seed, double scale = 1) {
  minillm::Rng rng(seed);
  std::vector<Real> values(n);
  for (Real& v : values) v = static_cast<Real>(scale * rng.normal());
  return values;
}

// sum(a * b): the projection.
inline double dot(std::span<const Real> a, std::span<const Real> b) {
  EXPECT_EQ(a.size(), b.size());
  double sum = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}

// df/dx by the five-point rule: its error is O(h^4), so that h can be large enough to keep rounding
// (about 1e-16 |f| / h) out of the comparison. `x` has its value back afterwards.
inline double central_difference(const std::function<double()>& f, Real& x) {
  const Real at = x;
  const double h = 2e-4 * std::max(1.0, std::abs(double{at}));
  const auto value = [&](double offset) {
    x = static_cast<Real>(double{at} + offset);
    return f();
  };
  const double slope = (value(-2 * h) - 8 * value(-h) + 8 * value(h) - value(2 * h)) / (12 * h);
  x = at;
  return slope;
}

// Expects dx = dloss/dx in every element, where `loss` evaluates the loss with the current x. An
// element's error is relative to the element, or to a thousandth of the tensor's largest if that is
// more; the worst element is reported with `name`.
inline void expect_gradient(const std::function<double()>& loss, std::span<Real> x,
                            std::span<const Real> dx, double tolerance, const std::string& name) {
  ASSERT_EQ(x.size(), dx.size()) << name;
  ASSERT_FALSE(x.empty()) << name;
  std::vector<double> numeric;
  for (Real& element : x) numeric.push_back(central_difference(loss, element));

  double largest = 0;
  for (double n : numeric) largest = std::max(largest, std::abs(n));
  const double floor = 1e-3 * largest + 1e-5 * std::max(1.0, std::abs(loss()));
  double worst = -1;
  size_t worst_index = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double analytic = dx[i];
    const double size = std::max(std::abs(numeric[i]), std::abs(analytic));
    const double error = std::abs(numeric[i] - analytic) / (size + floor);
    if (!(error <= worst)) {  // also true for NaN
      worst = error;
      worst_index = i;
      if (std::isnan(error)) break;
    }
  }
  EXPECT_LE(worst, tolerance) << "gradient of '" << name << "' is wrong, worst at element "
                              << worst_index << " of " << x.size() << ": analytic "
                              << dx[worst_index] << ", central difference " << numeric[worst_index];
}

}  // namespace minillm_testing

#endif  // TESTS_TESTING_GRAD_CHECK_H_
