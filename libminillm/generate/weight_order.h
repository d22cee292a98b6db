// WeightOrder: weights in descending order, known only where somebody asks: which of them brings
// the sum of the largest ones to a given mass. A part of Sampler.
//
// Weights are counted into buckets that are ranges of their bits (of positive numbers the order is
// that of their bits). The bucket in which the mass is reached is found by adding up buckets, and
// only its few weights are put in order.

#ifndef LIBMINILLM_GENERATE_WEIGHT_ORDER_H_
#define LIBMINILLM_GENERATE_WEIGHT_ORDER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "libminillm/core/real.h"
#include "libminillm/generate/weight_passes.h"

namespace minillm {

// The larger weight, the lower token on ties.
inline bool comes_first(const TokenWeight& a, const TokenWeight& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.token < b.token;
}

class WeightOrder {
 public:
  WeightOrder();

  // Whether sums of the weights from `least` up are exact in double, in whatever order they are
  // added, if their sum is about `sum`: all are multiples of the last place of `least`, and the
  // sum is less than 2^53 of these.
  static bool is_exact(double least, double sum);

  enum class Mass { kWeight, kOne };  // what a token adds to the mass: its weight, or 1 each
  // Takes the weights in [least, 1], which must stay as they are. REQUIRES least > 0 and, for
  // kWeight, that their sums are exact.
  void reset(std::span<const Real> weights, Real least, Mass mass);

  struct Place {
    TokenWeight at;
    double before = 0;   // the mass of all that come before it
    double through = 0;  // ... and of itself
  };
  // The first one with which the mass is reached; nothing if all of them hold less.
  std::optional<Place> reach(double mass);

 private:
  double mass_of(const TokenWeight& one) const {
    return mass_ == Mass::kOne ? 1 : double{one.weight};
  }
  template <Mass mass>
  void add_all();
  Real lower_edge(size_t bucket) const;
  Place search(double before, double mass);

  std::span<const Real> weights_;
  Mass mass_ = Mass::kWeight;
  uint64_t first_bits_ = 0;         // where bucket 0 begins
  int shift_ = 0;                   // a bucket spans 2^shift_ values
  std::vector<double> rows_;        // of mass, each of several rows of buckets
  std::vector<TokenWeight> found_;  // of one bucket
};

}  // namespace minillm

#endif  // LIBMINILLM_GENERATE_WEIGHT_ORDER_H_
