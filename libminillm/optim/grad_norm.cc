#include "libminillm/optim/grad_norm.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "libminillm/core/multiversion.h"
#include "libminillm/core/threads.h"

namespace minillm {
namespace {

// Each part is summed in this many lanes (so that the compiler may use vectors): the order of every
// addition is fixed.
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

ElementRange norm_part(Index part, Index size) {
  const Index part_size = (size + kNormParts - 1) / kNormParts;
  return {std::min(part * part_size, size), std::min((part + 1) * part_size, size)};
}

void norm_parts(std::span<double> sums, std::span<const Real> values,
                std::span<const ElementRange> parts) {
  parallel_for(parts.size(),
               [&](size_t k) { sums[k] = sum_of_squares(part_of(values, parts[k])); });
}

double norm_of_parts(std::span<const double> sums) {
  double sum = 0;
  for (double part : sums) sum += part;
  return std::sqrt(sum);
}

double l2_norm(std::span<const Real> values) {
  std::array<double, kNormParts> sums = {};
  std::array<ElementRange, kNormParts> parts;
  for (Index p = 0; p < kNormParts; ++p) parts[p] = norm_part(p, static_cast<Index>(values.size()));
  norm_parts(sums, values, parts);
  return norm_of_parts(sums);
}

std::optional<Index> first_non_finite(std::span<const Real> values) {
  const auto found = std::find_if_not(values.begin(), values.end(),
                                      [](Real value) { return std::isfinite(value); });
  if (found == values.end()) return std::nullopt;
  return found - values.begin();
}

}  // namespace minillm
