#include "libminillm/interop/gguf_rope.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "libminillm/interop/shortest_decimal.h"

namespace minillm {
namespace {

constexpr double kTolerance = 1e-5;

// A pair between those that are left alone and those that are slowed down by the whole factor: how
// far, 1 meaning left alone.
struct Between {
  double frequency, kept;
};

// 1/d = (1 - kept) / factor + kept.
std::vector<Between> pairs_between(std::span<const Real> divisors, double theta, double factor) {
  std::vector<Between> pairs;
  const Index head_dim = 2 * std::ssize(divisors);
  for (Index pair = 0; pair < std::ssize(divisors); ++pair) {
    const double divisor = double{divisors[static_cast<size_t>(pair)]};
    const double kept = (1 / divisor - 1 / factor) / (1 - 1 / factor);
    if (kTolerance < kept && kept < 1 - kTolerance)
      pairs.push_back({rope_frequency(pair, head_dim, theta, {}), kept});
  }
  return pairs;
}

// kept = (turns - low) / (high - low), where turns = context frequency / 2 pi: a line over the
// frequencies, of which two points tell high and the context where low = 1.
std::vector<RopeScaling> candidates(const std::vector<Between>& pairs, double factor) {
  std::vector<RopeScaling> scalings;
  const auto add = [&](double high, double context) {
    if (!(high > 1) || !(context >= 1) || context > 1e9) return;
    for (const double rounded : {std::round(high), std::round(high * 1024) / 1024, high})
      if (rounded > 1) scalings.push_back({"llama3", factor, 1, rounded, std::llround(context)});
  };
  constexpr double kTurn = 2 * std::numbers::pi;
  for (const double context : {8192., 4096., 2048., 16384., 32768.}) add(4, context);
  for (const Between& pair : pairs) add(4, kTurn * (1 + 3 * pair.kept) / pair.frequency);
  if (pairs.size() >= 2) {
    const Between &a = pairs.front(), &b = pairs.back();
    const double slope = (a.kept - b.kept) / (a.frequency - b.frequency);
    const double range = -1 / (a.kept - slope * a.frequency);  // high - low
    add(1 + range, kTurn * slope * range);
  }
  return scalings;
}

bool agrees(const RopeScaling& scaling, std::span<const Real> divisors, double theta) {
  const std::vector<Real> own = frequency_divisors(2 * std::ssize(divisors), theta, scaling);
  for (size_t i = 0; i < own.size(); ++i)
    if (std::abs(double{own[i]} - double{divisors[i]}) > kTolerance * double{divisors[i]})
      return false;
  return true;
}

}  // namespace

std::vector<Real> frequency_divisors(Index head_dim, double theta, const RopeScaling& scaling) {
  std::vector<Real> divisors;
  for (Index pair = 0; pair < head_dim / 2; ++pair)
    divisors.push_back(static_cast<Real>(rope_frequency(pair, head_dim, theta, {}) /
                                         rope_frequency(pair, head_dim, theta, scaling)));
  return divisors;
}

std::optional<RopeScaling> scaling_of_divisors(std::span<const Real> divisors, double theta) {
  const auto [least, most] = std::minmax_element(divisors.begin(), divisors.end());
  if (!(*least >= 1 - kTolerance) || !std::isfinite(*most)) return std::nullopt;
  const double factor = shortest_decimal(static_cast<float>(*most));
  if (*most <= 1 + kTolerance) return RopeScaling{};
  std::vector<RopeScaling> scalings = {{"linear", factor}};
  std::ranges::copy(candidates(pairs_between(divisors, theta, factor), factor),
                    std::back_inserter(scalings));
  const auto found = std::find_if(scalings.begin(), scalings.end(),
                                  [&](const RopeScaling& s) { return agrees(s, divisors, theta); });
  if (found == scalings.end()) return std::nullopt;
  return *found;
}

}  // namespace minillm
