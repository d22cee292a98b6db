#include "libminillm/objectives/advantages.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "libminillm/core/alternatives.h"
#include "libminillm/core/check.h"

namespace minillm {
namespace {

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double squares_around(std::span<const double> values, double mean) {
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return sum;
}

// Calls body(advantages, rewards) for every group.
template <typename Body>
void for_groups(std::span<double> advantages, std::span<const double> rewards, Index group,
                Body&& body) {
  const auto size = static_cast<size_t>(group);
  for (size_t begin = 0; begin < rewards.size(); begin += size)
    body(advantages.subspan(begin, size), rewards.subspan(begin, size));
}

void subtract_mean(std::span<double> advantages, std::span<const double> rewards, double scale) {
  const double mean = mean_of(rewards);
  std::ranges::transform(rewards, advantages.begin(), [&](double r) { return scale * (r - mean); });
}

void grpo(std::span<double> advantages, std::span<const double> rewards, Index group) {
  for_groups(advantages, rewards, group, [&](auto a, auto r) {
    const double variance = squares_around(r, mean_of(r)) / static_cast<double>(group - 1);
    subtract_mean(a, r, 1 / (std::sqrt(variance) + 1e-4));
  });
}

void dr_grpo(std::span<double> advantages, std::span<const double> rewards, Index group) {
  for_groups(advantages, rewards, group, [](auto a, auto r) { subtract_mean(a, r, 1); });
}

// r_i - (sum - r_i) / (G - 1) = G/(G-1) (r_i - mean)
void rloo(std::span<double> advantages, std::span<const double> rewards, Index group) {
  const double scale = static_cast<double>(group) / static_cast<double>(group - 1);
  for_groups(advantages, rewards, group, [&](auto a, auto r) { subtract_mean(a, r, scale); });
}

void reinforce(std::span<double> advantages, std::span<const double> rewards, Index) {
  subtract_mean(advantages, rewards, 1);
}

constexpr AdvantageEstimator kEstimators[] = {
    {"grpo", grpo}, {"dr_grpo", dr_grpo}, {"rloo", rloo}, {"reinforce", reinforce}};

}  // namespace

std::span<const AdvantageEstimator> advantage_estimators() { return kEstimators; }

const AdvantageEstimator& advantage_estimator(const std::string& name) {
  const auto found =
      std::ranges::find(kEstimators, name, [](const auto& e) { return std::string(e.name); });
  MINILLM_CHECK_USAGE(found != std::end(kEstimators), "advantage '{}': expected {}", name,
                      alternatives(kEstimators));
  return *found;
}

void generalized_advantages(std::span<double> advantages, std::span<double> returns,
                            std::span<const double> rewards, std::span<const Real> values,
                            double gamma, double lambda) {
  double next_value = 0, next_advantage = 0;
  for (size_t t = rewards.size(); t-- > 0;) {
    const double delta = rewards[t] + gamma * next_value - values[t];
    advantages[t] = next_advantage = delta + gamma * lambda * next_advantage;
    returns[t] = advantages[t] + values[t];
    next_value = values[t];
  }
}

void whiten(std::span<double> values) {
  if (values.empty()) return;
  const double mean = mean_of(values);
  const double deviation =
      std::sqrt(squares_around(values, mean) / static_cast<double>(values.size()));
  for (double& value : values) value = deviation > 0 ? (value - mean) / deviation : 0;
}

}  // namespace minillm
