#include "libminillm/objectives/preference.h"

#include <numeric>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

PairValues values_of(std::span<const Real> logp, const PreferenceItem& item, const PairLoss& loss,
                     double moved) {
  const PairTargets& t = item.targets;
  const Index chosen_tokens = t.chosen_end - t.chosen_begin;
  const Index rejected_tokens = t.rejected_end - t.rejected_begin;
  MINILLM_CHECK(loss.judges_single_answers || (chosen_tokens > 0 && rejected_tokens > 0),
                "preference pair: an answer has no tokens: expected at least one, got {} chosen "
                "and {} rejected",
                chosen_tokens, rejected_tokens);
  return {.chosen = sum_log_probs(logp, t.chosen_begin, t.chosen_end),
          .rejected = sum_log_probs(logp, t.rejected_begin, t.rejected_end),
          .reference_chosen = item.reference_chosen,
          .reference_rejected = item.reference_rejected,
          .chosen_tokens = static_cast<double>(chosen_tokens),
          .rejected_tokens = static_cast<double>(rejected_tokens),
          .moved = moved};
}

// An answer's log-probability is a sum over its tokens: each gets the sum's derivative.
void add_to(std::span<Real> dlogp, Index begin, Index end, double gradient) {
  for (Real& d : dlogp.subspan(begin, end - begin)) d += static_cast<Real>(gradient);
}

}  // namespace

void PreferenceSums::add(const PairValues& v, double pair_loss, double beta) {
  const double shift_chosen = v.chosen - v.reference_chosen;
  const double shift_rejected = v.rejected - v.reference_rejected;
  pairs += 1;
  chosen += v.chosen_tokens > 0 ? 1 : 0;
  rejected += v.rejected_tokens > 0 ? 1 : 0;
  loss += pair_loss;
  reward_chosen += beta * shift_chosen;
  reward_rejected += beta * shift_rejected;
  accurate += shift_chosen > shift_rejected ? 1 : 0;
  preferred += v.chosen > v.rejected ? 1 : 0;
  logp_chosen += v.chosen;
  logp_rejected += v.rejected;
  chosen_shift += shift_chosen;
  chosen_tokens += v.chosen_tokens;
  chosen_nll -= v.chosen;
}

std::vector<double*> PreferenceSums::all() {
  static_assert(sizeof(PreferenceSums) == 13 * sizeof(double), "list a new one here");
  return {&pairs,           &chosen,        &rejected,  &loss,        &reward_chosen,
          &reward_rejected, &accurate,      &preferred, &logp_chosen, &logp_rejected,
          &chosen_shift,    &chosen_tokens, &chosen_nll};
}

PreferenceSums& PreferenceSums::operator+=(const PreferenceSums& other) {
  PreferenceSums added = other;
  const std::vector<double*> to = all(), from = added.all();
  for (size_t i = 0; i < to.size(); ++i) *to[i] += *from[i];
  return *this;
}

double sum_log_probs(std::span<const Real> logp, Index begin, Index end) {
  const auto answer = logp.subspan(begin, end - begin);
  return std::accumulate(answer.begin(), answer.end(), 0.0);
}

Contribution pair_loss(std::span<Real> dlogp, std::span<const Real> logp,
                       std::span<const PreferenceItem> items, const PairLoss& loss,
                       const PairLossConfig& config, PreferenceSums* sums, double moved) {
  Contribution sum;
  for (const PreferenceItem& item : items) {
    const PairTargets& t = item.targets;
    const PairValues values = values_of(logp, item, loss, moved);
    const PairGradient gradient = loss.at(values, config);
    sum.loss += gradient.loss;
    sum.weight += 1;
    add_to(dlogp, t.chosen_begin, t.chosen_end, gradient.dchosen);
    add_to(dlogp, t.rejected_begin, t.rejected_end, gradient.drejected);
    if (sums != nullptr) sums->add(values, gradient.loss, config.beta);
  }
  return sum;
}

Contribution chosen_sft_loss(std::span<Real> dlogp, std::span<const Real> logp,
                             std::span<const PreferenceItem> items, double scale) {
  Contribution sum;
  for (const PreferenceItem& item : items) {
    const PairTargets& t = item.targets;
    if (t.chosen_begin == t.chosen_end) continue;  // scale has no meaning if no pair has one
    sum.loss -= scale * sum_log_probs(logp, t.chosen_begin, t.chosen_end);
    add_to(dlogp, t.chosen_begin, t.chosen_end, -scale);
  }
  return sum;
}

}  // namespace minillm
