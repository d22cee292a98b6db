#include "libminillm/generate/weight_passes.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "libminillm/core/multiversion.h"
#include "libminillm/ops/elementary.h"

namespace minillm {
namespace {

constexpr size_t kLanes = size_t{kSumLanes};

MINILLM_MULTIVERSION
bool finite_pass(const Real* z, Index size) {  // x - x is 0, or NaN if x is not finite
  return lane_sum(size, [z](Index v) { return z[v] - z[v]; }) == 0;
}

// Numbers as integers of the same order, and back again: negative numbers have their bits reversed.
// Compilers vectorise the largest of integers, but not that of numbers.
using Ordered = std::conditional_t<sizeof(Real) == sizeof(int32_t), int32_t, int64_t>;
inline Ordered reordered(Ordered bits) {
  constexpr int kSignBit = 8 * sizeof(Ordered) - 1;
  return bits ^ ((bits >> kSignBit) & std::numeric_limits<Ordered>::max());
}

MINILLM_MULTIVERSION
Ordered largest_pass(const Real* z, size_t size) {
  Ordered largest = std::numeric_limits<Ordered>::min();
  for (size_t v = 0; v < size; ++v)
    largest = std::max(largest, reordered(std::bit_cast<Ordered>(z[v])));
  return largest;
}

MINILLM_MULTIVERSION
Ordered smallest_pass(const Real* z, size_t size) {
  Ordered smallest = std::numeric_limits<Ordered>::max();
  for (size_t v = 0; v < size; ++v)
    smallest = std::min(smallest, reordered(std::bit_cast<Ordered>(z[v])));
  return smallest;
}

MINILLM_MULTIVERSION
void weigh_pass(const Real* z, size_t size, Real largest, Real inverse, Real* weights) {
  for (size_t v = 0; v < size; ++v) weights[v] = exp_fast((z[v] - largest) * inverse);
}

MINILLM_MULTIVERSION
Real sum_pass(const Real* weights, Index size) {
  return lane_sum(size, [weights](Index v) { return weights[v]; });
}

MINILLM_MULTIVERSION
Index block_pass(const Real* weights, size_t size, Real least, double* sums) {
  Index count = 0;
  for (size_t begin = 0; begin < size; begin += kWeightBlock) {
    const size_t end = std::min(begin + kWeightBlock, size);
    double sum[kLanes] = {};
    int32_t counted[kLanes] = {};
    size_t v = begin;
    for (; v + kLanes <= end; v += kLanes)
      for (size_t j = 0; j < kLanes; ++j) {
        const bool counts = weights[v + j] >= least;
        sum[j] += double{counts ? weights[v + j] : 0};
        counted[j] += counts ? 1 : 0;
      }
    for (size_t j = 0; v + j < end; ++j) {
      const bool counts = weights[v + j] >= least;
      sum[j] += double{counts ? weights[v + j] : 0};
      counted[j] += counts ? 1 : 0;
    }
    double& all = sums[begin / kWeightBlock] = 0;
    for (size_t j = 0; j < kLanes; ++j) {
      all += sum[j];
      count += counted[j];
    }
  }
  return count;
}

MINILLM_MULTIVERSION
void collect_pass(const Real* weights, size_t size, Real least, Real below,
                  std::vector<TokenWeight>& found) {
  constexpr size_t kStep = 32;
  for (size_t begin = 0; begin < size; begin += kStep) {
    const size_t end = std::min(begin + kStep, size);
    if (end - begin == kStep) {  // hardly any step finds one
      int any = 0;
      for (size_t j = 0; j < kStep; ++j)
        any |= static_cast<int>(weights[begin + j] >= least) &
               static_cast<int>(weights[begin + j] < below);
      if (any == 0) continue;
    }
    for (size_t v = begin; v < end; ++v)
      if (weights[v] >= least && weights[v] < below)
        found.push_back({static_cast<Token>(v), weights[v]});
  }
}

}  // namespace

bool all_finite(std::span<const Real> values) {
  return finite_pass(values.data(), std::ssize(values));
}

Real largest_of(std::span<const Real> values) {
  return std::bit_cast<Real>(reordered(largest_pass(values.data(), values.size())));
}

Real smallest_of(std::span<const Real> values) {
  return std::bit_cast<Real>(reordered(smallest_pass(values.data(), values.size())));
}

void weigh(std::span<const Real> z, Real largest, Real inverse_temperature,
           std::span<Real> weights) {
  weigh_pass(z.data(), z.size(), largest, inverse_temperature, weights.data());
}

Real lane_sum_of(std::span<const Real> weights) {
  return sum_pass(weights.data(), std::ssize(weights));
}

Index sum_blocks(std::span<const Real> weights, Real least, std::span<double> sums) {
  return block_pass(weights.data(), weights.size(), least, sums.data());
}

void collect(std::span<const Real> weights, Real least, Real below,
             std::vector<TokenWeight>& found) {
  collect_pass(weights.data(), weights.size(), least, below, found);
}

}  // namespace minillm
