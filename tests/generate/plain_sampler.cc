#include "tests/generate/plain_sampler.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "libminillm/core/check.h"
#include "libminillm/ops/elementary.h"

namespace minillm {
namespace {

// Relative probabilities below this count as zero: exp_fast ends at e^-87.
constexpr double kNothing = 1e-37;
constexpr double kLowestTemperature = 1e-30;  // its inverse is a finite float

void check_finite(std::span<const Real> logits) {
  Real zero = 0;  // x - x is 0, or NaN if x is not finite
  for (const Real z : logits) zero += z - z;
  if (zero == 0) return;
  for (size_t v = 0; v < logits.size(); ++v)
    MINILLM_CHECK(std::isfinite(logits[v]), "sampler: logit of token {} is {}", v, logits[v]);
}

}  // namespace

PlainSampler::PlainSampler(const SamplingConfig& config, Index vocab_size)
    : config_(config), scores_(static_cast<size_t>(vocab_size)), penalized_(scores_.size()) {
  config_.validate(vocab_size);
  candidates_.reserve(scores_.size());
}

Token PlainSampler::sample(std::span<const Real> logits, std::span<const Token> history, Rng& rng,
                           const TokenMask* allowed) {
  const auto candidates = distribution(logits, history, allowed);
  if (candidates.size() == 1) return candidates.front().token;
  return sample(logits, history, rng.uniform(), allowed);
}

Token PlainSampler::sample(std::span<const Real> logits, std::span<const Token> history, double u,
                           const TokenMask* allowed) {
  for (const Candidate& candidate : distribution(logits, history, allowed)) {
    if (u < candidate.probability) return candidate.token;
    u -= candidate.probability;
  }
  return candidates_.back().token;  // the probabilities summed to a little less than 1
}

std::span<const PlainSampler::Candidate> PlainSampler::distribution(std::span<const Real> logits,
                                                                    std::span<const Token> history,
                                                                    const TokenMask* allowed) {
  MINILLM_CHECK(logits.size() == scores_.size(), "sampler: expected {} logits, got {}",
                scores_.size(), logits.size());
  check_finite(logits);
  std::ranges::copy(logits, scores_.begin());
  add_bias();
  penalize_repetition(history);
  if (allowed != nullptr) allowed->set_others(scores_, -std::numeric_limits<Real>::infinity());

  const Real largest = max_of(scores_.data(), static_cast<Index>(scores_.size()));
  MINILLM_CHECK(std::isfinite(largest), "sampler: no token is allowed");
  candidates_.clear();
  if (config_.temperature == 0) {
    const auto first = std::ranges::find(scores_, largest);  // the first on ties
    candidates_.push_back({static_cast<Token>(first - scores_.begin()), 1});
    return candidates_;
  }
  // softmax(z / temperature), up to its denominator. The difference comes first, so no temperature
  // is too small: the largest score gives exp(0) and the others go to zero.
  const Real inverse = static_cast<Real>(1 / std::max(config_.temperature, kLowestTemperature));
  for (Real& score : scores_) score = exp_fast((score - largest) * inverse);
  if (allowed != nullptr) allowed->set_others(scores_, 0);
  double least = std::max(kNothing, least_top_k());
  const Real sum = lane_sum(static_cast<Index>(scores_.size()),
                            [&](Index v) { return scores_[static_cast<size_t>(v)]; });
  // What is certainly outside the nucleus need not go on the heap. If a token of probability below
  // (1 - p) / V were in it, that token and all after it would hold less than 1 - p, so those before
  // it would already hold p. (Top-k comes first, and leaves a smaller sum.)
  const double share = (1 - config_.top_p) / static_cast<double>(scores_.size());
  if (config_.top_k == 0) least = std::max(least, 0.999 * share * double{sum});
  for (size_t v = 0; v < scores_.size(); ++v)
    if (scores_[v] >= least) candidates_.push_back({static_cast<Token>(v), double{scores_[v]}});
  if (config_.top_p < 1) keep_top_p(config_.top_k == 0 ? double{sum} : total());
  if (config_.min_p > 0) keep_min_p();

  const double kept = total();
  for (Candidate& candidate : candidates_) candidate.probability /= kept;
  return candidates_;
}

void PlainSampler::add_bias() {
  for (const auto& [token, bias] : config_.logit_bias)
    scores_[static_cast<size_t>(token)] += static_cast<Real>(bias);
}

void PlainSampler::penalize_repetition(std::span<const Token> history) {
  const Real penalty = static_cast<Real>(config_.repetition_penalty);
  if (penalty == 1) return;
  std::fill(penalized_.begin(), penalized_.end(), false);
  for (const Token token : history) {
    const auto v = static_cast<size_t>(token);
    MINILLM_CHECK(v < scores_.size(), "sampler: token {} in the history: expected 0 to {}", token,
                  scores_.size() - 1);
    if (penalized_[v]) continue;
    penalized_[v] = true;
    scores_[v] = scores_[v] > 0 ? scores_[v] / penalty : scores_[v] * penalty;
  }
}

// The smallest relative probability that stays: of what is in scores_, the k-th largest.
double PlainSampler::least_top_k() {
  const auto k = static_cast<size_t>(config_.top_k);
  if (k == 0 || k >= scores_.size()) return kNothing;
  sorted_ = scores_;
  const auto kth = sorted_.begin() + static_cast<ptrdiff_t>(k - 1);
  std::nth_element(sorted_.begin(), kth, sorted_.end(), std::greater<>());
  return std::max(kNothing, double{*kth});
}

// Takes the most probable ones off a heap until they hold their share of `all` the mass: cheaper
// than sorting everything.
void PlainSampler::keep_top_p(double all) {
  const auto less_probable = [](const Candidate& a, const Candidate& b) {
    return a.probability != b.probability ? a.probability < b.probability : a.token > b.token;
  };
  const double mass = config_.top_p * all;
  std::make_heap(candidates_.begin(), candidates_.end(), less_probable);
  auto kept = candidates_.end();  // [kept, end) are taken, the most probable one last
  double sum = 0;
  while (kept != candidates_.begin() && sum < mass) {
    std::pop_heap(candidates_.begin(), kept--, less_probable);
    sum += kept->probability;
  }
  candidates_.erase(candidates_.begin(), kept);
  std::reverse(candidates_.begin(), candidates_.end());
}

// The largest relative probability is exp(0) = 1 by construction, and no filter removes it.
void PlainSampler::keep_min_p() {
  std::erase_if(candidates_, [this](const Candidate& candidate) {
    return candidate.probability < config_.min_p;
  });
}

double PlainSampler::total() const {
  double sum = 0;
  for (const Candidate& candidate : candidates_) sum += candidate.probability;
  return sum;
}

}  // namespace minillm
