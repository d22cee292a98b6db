#include "libminillm/lab/emergence.h"

#include <algorithm>

namespace minillm::lab {

std::optional<double> half_way(std::span<const SkillPoint> curve, double least) {
  if (curve.empty()) return std::nullopt;
  const double first = curve.front().value;
  const double best = std::ranges::max_element(curve, {}, &SkillPoint::value)->value;
  if (best - first < least || best <= first) return std::nullopt;
  const double half = first + (best - first) / 2;
  for (size_t i = 1; i < curve.size(); ++i) {
    if (curve[i].value < half) continue;
    const SkillPoint &from = curve[i - 1], &to = curve[i];
    const double share = (half - from.value) / (to.value - from.value);
    return from.tokens + share * (to.tokens - from.tokens);
  }
  return std::nullopt;
}

const char* skill_order_name(SkillOrder order) {
  switch (order) {
    case SkillOrder::kAsClaimed:
      return "as claimed";
    case SkillOrder::kOther:
      return "other";
    case SkillOrder::kUnfinished:
      break;
  }
  return "unfinished";
}

SkillOrder skill_order(std::span<const std::optional<double>> emerged) {
  for (size_t i = 1; i < emerged.size(); ++i)
    if (emerged[i] && !(emerged[i - 1] && *emerged[i - 1] < *emerged[i])) return SkillOrder::kOther;
  return !emerged.empty() && emerged.back() ? SkillOrder::kAsClaimed : SkillOrder::kUnfinished;
}

}  // namespace minillm::lab
