#include "libminillm/generate/weight_order.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>
#include <limits>
#include <type_traits>

#include "libminillm/core/multiversion.h"

namespace minillm {
namespace {

using RealBits = std::conditional_t<sizeof(Real) == 4, uint32_t, uint64_t>;

RealBits bits_of(Real x) { return std::bit_cast<RealBits>(x); }

constexpr uint32_t kBuckets = 2048;
constexpr int kBucketBits = 11;
static_assert(kBuckets == 1 << kBucketBits);
// Where what is below `least` goes: several places, for it comes often, and an addition would have
// to wait for the one before.
constexpr uint32_t kOutside = 16;
// Rows of buckets that are added to in turn, for the same reason.
constexpr size_t kRows = 2;
constexpr size_t kRow = kBuckets + kOutside;
constexpr size_t kChunk = 256;

MINILLM_MULTIVERSION
void find_buckets(const Real* weights, size_t size, RealBits first, int shift, uint32_t* buckets) {
  for (size_t i = 0; i < size; ++i) {
    const RealBits bits = std::bit_cast<RealBits>(weights[i]);
    const auto bucket = static_cast<uint32_t>((bits - first) >> shift);
    const uint32_t inside = bucket < kBuckets - 1 ? bucket : kBuckets - 1;
    const uint32_t outside = kBuckets + static_cast<uint32_t>(i) % kOutside;
    buckets[i] = bits < first ? outside : inside;
  }
}

}  // namespace

WeightOrder::WeightOrder() : rows_(kRows * kRow) {}

bool WeightOrder::is_exact(double least, double sum) {
  constexpr int kSpare = std::numeric_limits<double>::digits - std::numeric_limits<Real>::digits;
  return kSpare > 0 && least >= std::ldexp(sum, 1 - kSpare);  // twice what is needed
}

void WeightOrder::reset(std::span<const Real> weights, Real least, Mass mass) {
  weights_ = weights;
  mass_ = mass;
  const RealBits first = bits_of(std::max(least, smallest_of(weights)));
  const RealBits range = std::max(bits_of(1), first) - first;
  first_bits_ = first;
  shift_ = std::max(0, static_cast<int>(std::bit_width(range)) - kBucketBits);
  std::ranges::fill(rows_, 0);
  mass == Mass::kOne ? add_all<Mass::kOne>() : add_all<Mass::kWeight>();
  for (size_t b = 0; b < kBuckets; ++b)
    for (size_t row = 1; row < kRows; ++row) rows_[b] += rows_[row * kRow + b];
}

template <WeightOrder::Mass mass>
void WeightOrder::add_all() {
  uint32_t buckets[kChunk];
  double* const rows = rows_.data();
  for (size_t begin = 0; begin < weights_.size(); begin += kChunk) {
    const size_t size = std::min(kChunk, weights_.size() - begin);
    const Real* const weights = weights_.data() + begin;
    find_buckets(weights, size, static_cast<RealBits>(first_bits_), shift_, buckets);
    const auto add = [&](size_t i, size_t row) {
      rows[row * kRow + buckets[i]] += mass == Mass::kOne ? 1 : double{weights[i]};
    };
    size_t i = 0;
    for (; i + kRows <= size; i += kRows)
      for (size_t row = 0; row < kRows; ++row) add(i + row, row);
    for (; i < size; ++i) add(i, 0);
  }
}

Real WeightOrder::lower_edge(size_t bucket) const {
  return std::bit_cast<Real>(static_cast<RealBits>(first_bits_ + (uint64_t{bucket} << shift_)));
}

std::optional<WeightOrder::Place> WeightOrder::reach(double mass) {
  double before = 0;
  for (size_t b = kBuckets; b-- > 0;) {
    if (before + rows_[b] >= mass && rows_[b] > 0) {
      found_.clear();
      collect(weights_, lower_edge(b),
              b + 1 < kBuckets ? lower_edge(b + 1) : std::numeric_limits<Real>::infinity(), found_);
      return search(before, mass);
    }
    before += rows_[b];
  }
  return std::nullopt;
}

// Among what was found: halves it until the rest is quickly sorted.
WeightOrder::Place WeightOrder::search(double before, double mass) {
  constexpr ptrdiff_t kFew = 16;
  auto begin = found_.begin(), end = found_.end();
  while (end - begin > kFew) {
    const auto middle = begin + (end - begin) / 2;
    std::nth_element(begin, middle, end, comes_first);
    double through = before;
    for (auto i = begin; i != middle; ++i) through += mass_of(*i);
    if (through >= mass) {
      end = middle;
    } else {
      before = through;
      begin = middle;
    }
  }
  std::sort(begin, end, comes_first);
  while (end - begin > 1 && before + mass_of(*begin) < mass) before += mass_of(*begin++);
  return {*begin, before, before + mass_of(*begin)};
}

}  // namespace minillm
