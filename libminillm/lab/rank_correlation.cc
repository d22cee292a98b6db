#include "libminillm/lab/rank_correlation.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "libminillm/core/check.h"
#include "libminillm/core/rng.h"

namespace minillm::lab {
namespace {

constexpr uint64_t kBootstrapSeed = 1;

int order(double a, double b) { return (a > b) - (a < b); }

}  // namespace

std::optional<double> kendall_tau(std::span<const double> x, std::span<const double> y) {
  MINILLM_CHECK(x.size() == y.size(), "lab: ranks of {} and {}", x.size(), y.size());
  double agreement = 0, apart_x = 0, apart_y = 0;  // apart: pairs that are not tied
  for (size_t i = 0; i < x.size(); ++i)
    for (size_t j = 0; j < i; ++j) {
      const int in_x = order(x[i], x[j]), in_y = order(y[i], y[j]);
      agreement += in_x * in_y;
      apart_x += in_x * in_x;
      apart_y += in_y * in_y;
    }
  if (apart_x == 0 || apart_y == 0) return std::nullopt;
  return agreement / std::sqrt(apart_x * apart_y);
}

RankCorrelation rank_correlation(std::span<const double> x, std::span<const double> y, int draws) {
  RankCorrelation result;
  result.tau = kendall_tau(x, y);
  if (!result.tau) return result;
  Rng rng(kBootstrapSeed);
  std::vector<double> taus, drawn_x(x.size()), drawn_y(x.size());
  for (int draw = 0; draw < draws; ++draw) {
    for (size_t i = 0; i < x.size(); ++i) {
      const size_t from = rng.below(x.size());
      drawn_x[i] = x[from];
      drawn_y[i] = y[from];
    }
    if (const std::optional<double> tau = kendall_tau(drawn_x, drawn_y)) taus.push_back(*tau);
  }
  if (taus.empty()) return result;
  std::ranges::sort(taus);
  const auto at = [&](double quantile) {
    return taus[static_cast<size_t>(quantile * static_cast<double>(taus.size() - 1))];
  };
  result.interval = Interval{at(0.025), at(0.975)};
  return result;
}

}  // namespace minillm::lab
