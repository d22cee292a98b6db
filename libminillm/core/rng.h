// Rng: a counter-based random generator. The n-th number is a pure function of (seed, stream, n),
// so nothing has to be saved to resume: a batch draws from Rng(seed, stream_of(step)).
//
// The mixing function is SplitMix64 (Steele, Lea & Flood 2014): it passes BigCrush, and its
// integers are the same on every platform.

#ifndef LIBMINILLM_CORE_RNG_H_
#define LIBMINILLM_CORE_RNG_H_

#include <cmath>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace minillm {

class Rng {
 public:
  explicit Rng(uint64_t seed, uint64_t stream = 0)
      : key_(mix(mix(seed) ^ (stream * kGolden + 1))) {}

  // Uniform 64 bits.
  uint64_t next() { return mix(key_ + kGolden * ++counter_); }
  // Uniform in [0, 1), 53 bits.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  // Uniform in [0, n), without bias. REQUIRES n > 0.
  uint64_t below(uint64_t n) {
    const uint64_t limit = -n % n;  // 2^64 mod n values at the bottom would be drawn once too often
    for (;;) {
      const uint64_t x = next();
      if (x >= limit) return x % n;
    }
  }
  // True with probability p.
  bool chance(double p) { return uniform() < p; }
  // Standard normal (Box-Muller, the cosine half).
  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(6.283185307179586 * uniform());
  }
  // An index drawn with probability proportional to `weights`.
  size_t weighted(std::span<const double> weights) {
    double total = 0;
    for (double w : weights) total += w;
    double u = uniform() * total;
    for (size_t i = 0; i + 1 < weights.size(); ++i) {
      if (u < weights[i]) return i;
      u -= weights[i];
    }
    return weights.size() - 1;
  }
  template <typename T>
  const T& pick(const std::vector<T>& items) {
    return items[below(items.size())];
  }
  // Fisher-Yates.
  template <typename T>
  void shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  static constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;
  static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t key_;
  uint64_t counter_ = 0;
};

}  // namespace minillm

#endif  // LIBMINILLM_CORE_RNG_H_
