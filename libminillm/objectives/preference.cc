#include "libminillm/objectives/preference.h"

#include <algorithm>
#include <cmath>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

// log(1 + e^x) = -log sigma(-x), without overflow for large x or loss of digits for small.
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

double sigmoid(double x) {
  const double e = std::exp(-std::abs(x));  // <= 1
  return (x >= 0 ? 1 : e) / (1 + e);
}

// What both objectives need of a pair: log-probabilities under the model, and how far they moved.
struct Pair {
  double logp_chosen, logp_rejected;    // L
  double shift_chosen, shift_rejected;  // s_w, s_l = L - L_ref
  Index chosen_tokens, rejected_tokens;

  Pair(std::span<const Real> logp, const PreferenceItem& item)
      : logp_chosen(answer_log_prob(logp, item.targets.chosen_begin, item.targets.chosen_end)),
        logp_rejected(
            answer_log_prob(logp, item.targets.rejected_begin, item.targets.rejected_end)),
        shift_chosen(logp_chosen - item.reference_chosen),
        shift_rejected(logp_rejected - item.reference_rejected),
        chosen_tokens(item.targets.chosen_end - item.targets.chosen_begin),
        rejected_tokens(item.targets.rejected_end - item.targets.rejected_begin) {
    MINILLM_CHECK(chosen_tokens > 0 && rejected_tokens > 0,
                  "preference pair: an answer has no tokens: expected at least one, got {} chosen "
                  "and {} rejected",
                  chosen_tokens, rejected_tokens);
  }
};

void add_to(std::span<Real> dlogp, Index begin, Index end, double gradient) {
  for (Real& d : dlogp.subspan(begin, end - begin)) d += static_cast<Real>(gradient);
}

void add_sums(PreferenceSums* sums, const Pair& pair, double beta) {
  if (sums == nullptr) return;
  sums->pairs += 1;
  sums->reward_chosen += beta * pair.shift_chosen;
  sums->reward_rejected += beta * pair.shift_rejected;
  sums->accurate += pair.shift_chosen > pair.shift_rejected ? 1 : 0;
  sums->logp_chosen += pair.logp_chosen;
  sums->logp_rejected += pair.logp_rejected;
  sums->chosen_shift += pair.shift_chosen;
  sums->chosen_tokens += static_cast<double>(pair.chosen_tokens);
  sums->chosen_nll -= pair.logp_chosen;
}

}  // namespace

PreferenceSums& PreferenceSums::operator+=(const PreferenceSums& other) {
  pairs += other.pairs;
  reward_chosen += other.reward_chosen;
  reward_rejected += other.reward_rejected;
  accurate += other.accurate;
  logp_chosen += other.logp_chosen;
  logp_rejected += other.logp_rejected;
  chosen_shift += other.chosen_shift;
  chosen_tokens += other.chosen_tokens;
  chosen_nll += other.chosen_nll;
  return *this;
}

double answer_log_prob(std::span<const Real> logp, Index begin, Index end) {
  double sum = 0;
  for (Real value : logp.subspan(begin, end - begin)) sum += value;
  return sum;
}

// With h = beta (s_w - s_l):   loss = (1 - e) softplus(-h) + e softplus(h)
//                              dloss/dh = -(1 - e) sigma(-h) + e sigma(h)
// and every token of the chosen answer moves h by +beta, every token of the rejected one by -beta.
Contribution dpo_loss(std::span<Real> dlogp, std::span<const Real> logp,
                      std::span<const PreferenceItem> items, double beta, double label_smoothing,
                      PreferenceSums* sums) {
  Contribution sum;
  for (const PreferenceItem& item : items) {
    const Pair pair(logp, item);
    const double h = beta * (pair.shift_chosen - pair.shift_rejected);
    const double keep = 1 - label_smoothing;
    sum.loss += keep * softplus(-h) + label_smoothing * softplus(h);
    sum.weight += 1;
    const double dh = -keep * sigmoid(-h) + label_smoothing * sigmoid(h);
    add_to(dlogp, item.targets.chosen_begin, item.targets.chosen_end, beta * dh);
    add_to(dlogp, item.targets.rejected_begin, item.targets.rejected_end, -beta * dh);
    add_sums(sums, pair, beta);
  }
  return sum;
}

// With d = s_w/n_w - s_l/n_l - 1/(2 beta):   loss = d^2,   dloss/dlogp = 2 d/n_w and -2 d/n_l.
Contribution ipo_loss(std::span<Real> dlogp, std::span<const Real> logp,
                      std::span<const PreferenceItem> items, double beta, PreferenceSums* sums) {
  Contribution sum;
  for (const PreferenceItem& item : items) {
    const Pair pair(logp, item);
    const auto n_chosen = static_cast<double>(pair.chosen_tokens);
    const auto n_rejected = static_cast<double>(pair.rejected_tokens);
    const double d =
        pair.shift_chosen / n_chosen - pair.shift_rejected / n_rejected - 1 / (2 * beta);
    sum.loss += d * d;
    sum.weight += 1;
    add_to(dlogp, item.targets.chosen_begin, item.targets.chosen_end, 2 * d / n_chosen);
    add_to(dlogp, item.targets.rejected_begin, item.targets.rejected_end, -2 * d / n_rejected);
    add_sums(sums, pair, beta);
  }
  return sum;
}

Contribution chosen_sft_loss(std::span<Real> dlogp, std::span<const Real> logp,
                             std::span<const PreferenceItem> items, double scale) {
  Contribution sum;
  for (const PreferenceItem& item : items) {
    const PairTargets& t = item.targets;
    sum.loss -= scale * answer_log_prob(logp, t.chosen_begin, t.chosen_end);
    add_to(dlogp, t.chosen_begin, t.chosen_end, -scale);
  }
  return sum;
}

}  // namespace minillm
