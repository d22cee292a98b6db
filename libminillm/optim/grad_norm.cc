#include "libminillm/optim/grad_norm.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "libminillm/core/multiversion.h"

namespace minillm {
namespace {

// The array is cut into this many parts, whatever the number of threads, and each part is summed in
// this many lanes (so that the compiler may use vectors): the order of every addition is fixed.
constexpr Index kParts = 64;
constexpr Index kLanes = 16;

MINILLM_MULTIVERSION
double sum_of_squares(std::span<const Real> values) {
  const Index size = static_cast<Index>(values.size());
  const Index whole = size / kLanes * kLanes;
  std::array<double, kLanes> lanes = {};
  for (Index i = 0; i < whole; i += kLanes) {
    for (Index k = 0; k < kLanes; ++k) {
      const double value = values[i + k];
      lanes[k] += value * value;
    }
  }
  double sum = 0;
  for (double lane : lanes) sum += lane;
  for (Index i = whole; i < size; ++i) sum += double{values[i]} * double{values[i]};
  return sum;
}

}  // namespace

double l2_norm(std::span<const Real> values) {
  const Index size = static_cast<Index>(values.size());
  const Index part_size = (size + kParts - 1) / kParts;
  std::array<double, kParts> sums = {};
#pragma omp parallel for schedule(static)
  for (Index p = 0; p < kParts; ++p) {
    const Index begin = std::min(p * part_size, size);
    const Index end = std::min(begin + part_size, size);
    sums[p] = sum_of_squares(values.subspan(begin, end - begin));
  }
  double sum = 0;
  for (double part : sums) sum += part;
  return std::sqrt(sum);
}

std::optional<Index> first_non_finite(std::span<const Real> values) {
  const auto found = std::find_if_not(values.begin(), values.end(),
                                      [](Real value) { return std::isfinite(value); });
  if (found == values.end()) return std::nullopt;
  return found - values.begin();
}

}  // namespace minillm
