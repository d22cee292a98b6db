#include "libminillm/objectives/bradley_terry.h"

#include <algorithm>

#include "libminillm/core/check.h"
#include "libminillm/objectives/logistic.h"

namespace minillm {

// With h = s_c - s_r - m and t = s_c + s_r:
//
//   loss = softplus(-h) + lambda t^2
//   dloss/ds_c = -sigma(-h) + 2 lambda t        dloss/ds_r = sigma(-h) + 2 lambda t
Contribution bradley_terry_loss(std::span<Real> dscore, std::span<const Real> score,
                                std::span<const double> margins, double lambda, ScoreSums* sums) {
  MINILLM_DCHECK(dscore.size() == score.size() && score.size() == 2 * margins.size());
  Contribution total;
  for (size_t i = 0; i < margins.size(); ++i) {
    const double chosen = score[2 * i], rejected = score[2 * i + 1];
    const double h = chosen - rejected - margins[i], t = chosen + rejected;
    const double loss = softplus(-h) + lambda * t * t;
    dscore[2 * i] += static_cast<Real>(-sigmoid(-h) + 2 * lambda * t);
    dscore[2 * i + 1] += static_cast<Real>(sigmoid(-h) + 2 * lambda * t);
    total.loss += loss;
    total.weight += 1;
    if (sums == nullptr) continue;
    sums->pairs += 1;
    sums->loss += loss;
    sums->accurate += chosen > rejected;
    sums->chosen += chosen;
    sums->rejected += rejected;
    sums->smallest = std::min({sums->smallest, chosen, rejected});
    sums->largest = std::max({sums->largest, chosen, rejected});
  }
  return total;
}

Metrics named_metrics(const ScoreSums& s) {
  return {{"accuracy", s.accurate / s.pairs},
          {"margin", (s.chosen - s.rejected) / s.pairs},
          {"rewards/chosen", s.chosen / s.pairs},
          {"rewards/rejected", s.rejected / s.pairs},
          {"mean_reward", (s.chosen + s.rejected) / (2 * s.pairs)},
          {"min_reward", s.smallest},
          {"max_reward", s.largest}};
}

}  // namespace minillm
