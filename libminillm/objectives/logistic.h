// The logistic function and its logarithm, safe for numbers of any size: what every loss that
// compares two answers is made of.

#ifndef LIBMINILLM_OBJECTIVES_LOGISTIC_H_
#define LIBMINILLM_OBJECTIVES_LOGISTIC_H_

#include <algorithm>
#include <cmath>

namespace minillm {

// log(1 + e^x) = -log sigma(-x), without overflow for large x or loss of digits for small.
inline double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

// Its derivative.
inline double sigmoid(double x) {
  const double e = std::exp(-std::abs(x));  // <= 1
  return (x >= 0 ? 1 : e) / (1 + e);
}

}  // namespace minillm

#endif  // LIBMINILLM_OBJECTIVES_LOGISTIC_H_
