// Emergence: when, along the tokens that a model is trained on, a skill is half of what it becomes,
// and in which order skills do so.

#ifndef LIBMINILLM_LAB_EMERGENCE_H_
#define LIBMINILLM_LAB_EMERGENCE_H_

#include <optional>
#include <span>
#include <vector>

namespace minillm::lab {

struct SkillPoint {
  double tokens = 0, value = 0;
};

// The tokens at which a curve first is half of the way from its first value to its best (highest)
// one, on straight lines between points. Nothing where it never rises by `least`: what is not
// learned does not emerge. Points are in the order of their tokens.
std::optional<double> half_way(std::span<const SkillPoint> curve, double least);

enum class SkillOrder {
  kAsClaimed,   // all emerge, each after the one before it
  kOther,       // one emerges before, or with, one that should come first, or without it
  kUnfinished,  // those that emerge are as claimed, and the last ones never do
};
const char* skill_order_name(SkillOrder order);  // "as claimed", "other", "unfinished"

// `emerged`: by skill, in the order that is claimed.
SkillOrder skill_order(std::span<const std::optional<double>> emerged);

}  // namespace minillm::lab

#endif  // LIBMINILLM_LAB_EMERGENCE_H_
