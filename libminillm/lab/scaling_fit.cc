#include "libminillm/lab/scaling_fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "libminillm/core/rng.h"

namespace minillm::lab {
namespace {

constexpr uint64_t kBootstrapSeed = 1;
constexpr double kFewestWithMinimum = 0.95;  // of the draws
constexpr double kFlat = 1e-9;               // bits per byte: a bend this small is rounding

double determinant(const double (&m)[3][3]) {
  return m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) -
         m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
         m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
}

// The normal equations, by Cramer's rule: sum x^(i+j) c_j = sum x^i loss. Centered, x is about 1,
// and they are well conditioned.
std::optional<Parabola> fit_parabola(std::span<const SizedLoss> runs) {
  Parabola parabola;
  for (const SizedLoss& run : runs)
    parabola.center += std::log10(run.parameters) / static_cast<double>(runs.size());
  double powers[5] = {}, right[3] = {};
  for (const SizedLoss& run : runs) {
    const double x = std::log10(run.parameters) - parabola.center;
    double power = 1;
    for (int i = 0; i < 5; ++i, power *= x) {
      powers[i] += power;
      if (i < 3) right[i] += power * run.loss;
    }
  }
  double solution[3];
  double left[3][3];
  for (int column = -1; column < 3; ++column) {
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j) left[i][j] = j == column ? right[i] : powers[i + j];
    if (column >= 0) solution[column] = determinant(left);
  }
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) left[i][j] = powers[i + j];
  const double all = determinant(left);
  if (!(std::abs(all) > 1e-12)) return std::nullopt;
  parabola.height = solution[0] / all;
  parabola.slope = solution[1] / all;
  parabola.curvature = solution[2] / all;
  return parabola;
}

struct Lowest {
  std::optional<Minimum> minimum;
  std::string why_none;
};

Lowest lowest_of(const Parabola& parabola, double smallest, double largest) {
  const double width = std::log10(largest / smallest);
  if (std::abs(parabola.curvature) * width * width < kFlat)
    return {std::nullopt, "the parabola is flat"};
  if (parabola.curvature < 0) return {std::nullopt, "the parabola opens downward"};
  const double x = -parabola.slope / (2 * parabola.curvature);
  const double parameters = std::pow(10, parabola.center + x);
  if (parameters < smallest) return {std::nullopt, "lowest below the smallest size tried"};
  if (parameters > largest) return {std::nullopt, "lowest above the largest size tried"};
  return {Minimum{parameters, parabola.at(parameters)}, ""};
}

using Sizes = std::map<double, std::vector<SizedLoss>>;  // runs by parameters

// As many runs of each size as there are, drawn from them.
std::vector<SizedLoss> draw_runs(Rng& rng, const Sizes& sizes) {
  std::vector<SizedLoss> drawn;
  for (const auto& [parameters, runs] : sizes)
    for (size_t i = 0; i < runs.size(); ++i) drawn.push_back(runs[rng.below(runs.size())]);
  return drawn;
}

void add_interval(IsoFlopFit& fit, const Sizes& sizes, int draws) {
  const bool repeated =
      std::ranges::any_of(sizes, [](const auto& size) { return size.second.size() > 1; });
  if (!repeated) {
    fit.why_none = "no interval from one seed";
    return;
  }
  Rng rng(kBootstrapSeed);
  std::vector<double> minima;
  for (int draw = 0; draw < draws; ++draw) {
    const std::optional<Parabola> parabola = fit_parabola(draw_runs(rng, sizes));
    if (!parabola) continue;
    const Lowest lowest = lowest_of(*parabola, sizes.begin()->first, sizes.rbegin()->first);
    if (lowest.minimum) minima.push_back(lowest.minimum->parameters);
  }
  const double share = static_cast<double>(minima.size()) / draws;
  if (minima.empty() || share < kFewestWithMinimum) {
    fit.why_none = fmt::format("no interval: {:.0f} % of draws have no minimum", 100 * (1 - share));
    return;
  }
  std::ranges::sort(minima);
  const auto at = [&](double quantile) {
    return minima[static_cast<size_t>(quantile * static_cast<double>(minima.size() - 1))];
  };
  fit.interval = Interval{at(0.025), at(0.975)};
}

}  // namespace

double Parabola::at(double parameters) const {
  const double x = std::log10(parameters) - center;
  return height + x * (slope + x * curvature);
}

IsoFlopFit fit_isoflop(std::span<const SizedLoss> runs, int draws) {
  IsoFlopFit fit;
  Sizes sizes;
  for (const SizedLoss& run : runs) sizes[run.parameters].push_back(run);
  if (sizes.size() >= 3) fit.parabola = fit_parabola(runs);
  if (!fit.parabola) {
    fit.why_none = "fewer than three sizes";
    return fit;
  }
  Lowest lowest = lowest_of(*fit.parabola, sizes.begin()->first, sizes.rbegin()->first);
  fit.minimum = lowest.minimum;
  fit.why_none = std::move(lowest.why_none);
  if (fit.minimum) add_interval(fit, sizes, draws);
  return fit;
}

}  // namespace minillm::lab
