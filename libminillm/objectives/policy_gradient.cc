#include "libminillm/objectives/policy_gradient.h"

#include <algorithm>
#include <cmath>

#include "libminillm/core/check.h"

namespace minillm {

SampledTokens SampledTokens::part(Index begin, Index end) const {
  const auto of = [&](auto span) {
    return span.empty()
               ? span
               : span.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
  };
  return {of(sampled), of(reference), of(advantage), of(weight)};
}

// With l = log p, rho = exp(l - log q) and u = log r - l:
//
//   d(rho A)/dl = rho A, where the surrogate is not the clipped one, which has no gradient
//   k3 = e^u - 1 - u        dk3/dl = 1 - e^u
Contribution policy_gradient_loss(std::span<Real> dlogp, std::span<const Real> logp,
                                  const SampledTokens& t, const PolicyLossConfig& c,
                                  PolicySums* sums) {
  MINILLM_DCHECK(dlogp.size() == logp.size() && t.weight.size() == logp.size());
  Contribution total;
  for (size_t m = 0; m < logp.size(); ++m) {
    const double l = logp[m], a = t.advantage[m], w = t.weight[m];
    const double ratio = std::exp(l - t.sampled[m]);
    const double plain = ratio * a,
                 clipped = std::clamp(ratio, 1 - c.clip_low, 1 + c.clip_high) * a;
    const bool is_clipped = clipped < plain;
    total.loss -= w * std::min(plain, clipped);
    double gradient = is_clipped ? 0 : -w * plain;
    const double u = t.reference.empty() ? 0 : t.reference[m] - l;
    const double k3 = std::expm1(u) - u;
    if (c.kl_weight > 0) {
      total.loss += w * c.kl_weight * k3;
      gradient -= w * c.kl_weight * std::expm1(u);
    }
    dlogp[m] += static_cast<Real>(gradient);
    if (sums == nullptr) continue;
    sums->tokens += 1;
    sums->k1 -= u;
    sums->k3 += k3;
    sums->entropy -= l;
    sums->clipped += is_clipped;
    sums->ratio += ratio;
    sums->largest_difference = std::max(sums->largest_difference, std::abs(l - t.sampled[m]));
  }
  return total;
}

// d/dv of the larger of the two squares; the clipped one has none once v has left the range.
Contribution value_loss(std::span<Real> dvalue, std::span<const Real> value,
                        std::span<const Real> value_before, std::span<const double> returns,
                        std::span<const double> weight, double clip) {
  MINILLM_DCHECK(dvalue.size() == value.size() && returns.size() == value.size());
  Contribution total;
  for (size_t m = 0; m < value.size(); ++m) {
    const double v = value[m], before = value_before[m];
    const double near = std::clamp(v, before - clip, before + clip);
    const double plain = (v - returns[m]) * (v - returns[m]),
                 clipped = (near - returns[m]) * (near - returns[m]);
    total.loss += 0.5 * weight[m] * std::max(plain, clipped);
    if (plain >= clipped) dvalue[m] += static_cast<Real>(weight[m] * (v - returns[m]));
  }
  return total;
}

}  // namespace minillm
