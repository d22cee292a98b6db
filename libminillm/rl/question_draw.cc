#include "libminillm/rl/question_draw.h"

#include <algorithm>

#include "libminillm/core/alternatives.h"
#include "libminillm/core/check.h"
#include "libminillm/core/rng.h"

namespace minillm {
namespace {

constexpr uint64_t kDrawStream = 0x7175657374696f6e;  // "question": independent of other draws

}  // namespace

QuestionDraw::QuestionDraw(std::span<const RewardedQuestion> questions, const std::string& kinds,
                           uint64_t seed)
    : seed_(seed) {
  if (kinds.empty()) {
    kinds_ = {{"", 1, {}}};
    for (size_t i = 0; i < questions.size(); ++i)
      kinds_[0].questions.push_back(static_cast<Index>(i));
    return;
  }
  std::vector<Kind> known;
  for (size_t i = 0; i < questions.size(); ++i) {
    const std::string& name = questions[i].kind;
    if (name.empty()) continue;
    auto kind = std::ranges::find(known, name, &Kind::name);
    if (kind == known.end()) kind = known.insert(known.end(), {name, 0, {}});
    kind->questions.push_back(static_cast<Index>(i));
  }
  MINILLM_CHECK_USAGE(!known.empty(),
                      "config: rl.kinds: no question has a \"kind\": expected an empty text");
  for (const auto& [name, weight] : parse_weights(kinds, "config: rl.kinds")) {
    const auto kind = std::ranges::find(known, name, &Kind::name);
    MINILLM_CHECK_USAGE(kind != known.end(), "config: rl.kinds: '{}': expected {}", name,
                        alternatives(known));
    MINILLM_CHECK_USAGE(weight >= 0, "config: rl.kinds: '{}': expected 0 or more, got {}", name,
                        weight);
    if (weight == 0) continue;
    kinds_.push_back(*kind);
    kinds_.back().weight = weight;
  }
  MINILLM_CHECK_USAGE(!kinds_.empty(), "config: rl.kinds: expected a weight over 0");
}

std::vector<Index> QuestionDraw::draw(Index step, Index count) const {
  Rng rng(seed_, kDrawStream + static_cast<uint64_t>(step));
  std::vector<double> weights;
  for (const Kind& kind : kinds_) weights.push_back(kind.weight);
  std::vector<std::vector<Index>> asked(kinds_.size());
  std::vector<Index> drawn;
  while (std::ssize(drawn) < count) {
    const size_t k = rng.weighted(weights);
    const std::vector<Index>& of_kind = kinds_[k].questions;
    Index question = 0;
    do question = of_kind[rng.below(of_kind.size())];
    while (std::ranges::find(asked[k], question) != asked[k].end());
    asked[k].push_back(question);
    drawn.push_back(question);
    if (asked[k].size() < of_kind.size()) continue;
    weights[k] = 0;  // all of them are asked
    if (std::ranges::count(weights, 0.0) == std::ssize(weights)) break;
  }
  return drawn;
}

}  // namespace minillm
