#include "libminillm/generate/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "libminillm/core/check.h"
#include "libminillm/generate/weight_passes.h"

namespace minillm {
namespace {

// Relative probabilities below this count as zero: exp_fast ends at e^-87.
constexpr double kNothing = 1e-37;
constexpr double kLowestTemperature = 1e-30;  // its inverse is a finite float

void check_finite(std::span<const Real> logits) {
  if (all_finite(logits)) return;
  for (size_t v = 0; v < logits.size(); ++v)
    MINILLM_CHECK(std::isfinite(logits[v]), "sampler: logit of token {} is {}", v, logits[v]);
}

// The smallest Real that is not below `bound`.
Real at_least(double bound) {
  const Real rounded = static_cast<Real>(bound);
  return double{rounded} >= bound ? rounded
                                  : std::nextafter(rounded, std::numeric_limits<Real>::infinity());
}

}  // namespace

void SamplingConfig::validate() const {
  MINILLM_CHECK_USAGE(std::isfinite(temperature) && temperature >= 0,
                      "temperature: expected a number >= 0, got {}", temperature);
  MINILLM_CHECK_USAGE(top_k >= 0, "top_k: expected 0 (all) or more, got {}", top_k);
  MINILLM_CHECK_USAGE(top_p > 0 && top_p <= 1, "top_p: expected a number in (0, 1], got {}", top_p);
  MINILLM_CHECK_USAGE(min_p >= 0 && min_p <= 1, "min_p: expected a number in [0, 1], got {}",
                      min_p);
  MINILLM_CHECK_USAGE(std::isfinite(repetition_penalty) && repetition_penalty > 0,
                      "repetition_penalty: expected a number > 0, got {} (1 = no penalty)",
                      repetition_penalty);
  for (const auto& [token, bias] : logit_bias)
    MINILLM_CHECK_USAGE(bias >= -100 && bias <= 100,
                        "logit_bias: of token {}: expected a number in [-100, 100], got {}", token,
                        bias);
}

void SamplingConfig::validate(Index vocab_size) const {
  validate();
  for (const auto& [token, bias] : logit_bias)
    MINILLM_CHECK_USAGE(token >= 0 && token < vocab_size, "logit_bias: token {}: expected 0 to {}",
                        token, vocab_size - 1);
}

Sampler::Sampler(const SamplingConfig& config, Index vocab_size)
    : config_(config),
      weights_(static_cast<size_t>(vocab_size)),
      block_sums_((weights_.size() + kWeightBlock - 1) / kWeightBlock),
      penalized_(config.repetition_penalty == 1 ? 0 : weights_.size()) {
  config_.validate(vocab_size);
}

Token Sampler::sample(std::span<const Real> logits, std::span<const Token> history, Rng& rng,
                      const TokenMask* allowed) {
  filter(logits, history, allowed);
  return is_one() ? first() : draw(rng.uniform());
}

Token Sampler::sample(std::span<const Real> logits, std::span<const Token> history, double u,
                      const TokenMask* allowed) {
  filter(logits, history, allowed);
  return is_one() ? first() : draw(u);
}

Token Sampler::draw(double u) {
  if (const std::optional<Token> chosen = choose(u)) return *chosen;
  list();
  for (const Candidate& candidate : candidates_) {
    if (u < candidate.probability) return candidate.token;
    u -= candidate.probability;
  }
  return candidates_.back().token;  // the probabilities summed to a little less than 1
}

std::span<const Sampler::Candidate> Sampler::distribution(std::span<const Real> logits,
                                                          std::span<const Token> history,
                                                          const TokenMask* allowed) {
  filter(logits, history, allowed);
  list();
  return candidates_;
}

void Sampler::filter(std::span<const Real> logits, std::span<const Token> history,
                     const TokenMask* allowed) {
  MINILLM_CHECK(logits.size() == weights_.size(), "sampler: expected {} logits, got {}",
                weights_.size(), logits.size());
  check_finite(logits);
  const std::span<const Real> z = changed(logits, history, allowed);
  const Real largest = largest_of(z);
  MINILLM_CHECK(std::isfinite(largest), "sampler: no token is allowed");
  if (config_.temperature == 0) {
    const auto first = std::ranges::find(z, largest);  // the first on ties
    candidates_.assign(1, {static_cast<Token>(first - z.begin()), 1});
    kept_ = Kept::kListed;
    return;
  }
  // softmax(z / temperature), up to its denominator. The difference comes first, so no temperature
  // is too small: the largest score gives exp(0) and the others go to zero.
  weigh(z, largest, static_cast<Real>(1 / std::max(config_.temperature, kLowestTemperature)),
        weights_);
  if (allowed != nullptr) allowed->set_others(weights_, 0);
  least_ = least_top_k();
  if (config_.top_p < 1) {
    keep_top_p(config_.top_k == 0 ? double{lane_sum_of(weights_)} : sum_from(least_));
  } else {
    kept_ = Kept::kByToken;
    least_ = std::max(least_, at_least(config_.min_p));
    total_ = sum_from(least_);
  }
}

std::span<const Real> Sampler::changed(std::span<const Real> logits, std::span<const Token> history,
                                       const TokenMask* allowed) {
  if (config_.logit_bias.empty() && config_.repetition_penalty == 1 && allowed == nullptr)
    return logits;
  std::ranges::copy(logits, weights_.begin());
  add_bias();
  penalize_repetition(history);
  if (allowed != nullptr) allowed->set_others(weights_, -std::numeric_limits<Real>::infinity());
  return weights_;
}

void Sampler::add_bias() {
  for (const auto& [token, bias] : config_.logit_bias)
    weights_[static_cast<size_t>(token)] += static_cast<Real>(bias);
}

void Sampler::penalize_repetition(std::span<const Token> history) {
  const Real penalty = static_cast<Real>(config_.repetition_penalty);
  if (penalty == 1) return;
  std::fill(penalized_.begin(), penalized_.end(), false);
  for (const Token token : history) {
    const auto v = static_cast<size_t>(token);
    MINILLM_CHECK(v < weights_.size(), "sampler: token {} in the history: expected 0 to {}", token,
                  weights_.size() - 1);
    if (penalized_[v]) continue;
    penalized_[v] = true;
    weights_[v] = weights_[v] > 0 ? weights_[v] / penalty : weights_[v] * penalty;
  }
}

// The smallest weight that stays: the k-th largest.
Real Sampler::least_top_k() {
  const Real least = at_least(kNothing);
  if (config_.top_k == 0 || config_.top_k >= std::ssize(weights_)) return least;
  order_.reset(weights_, least, WeightOrder::Mass::kOne);
  const auto kth = order_.reach(static_cast<double>(config_.top_k));
  return kth ? kth->at.weight : least;
}

// The most probable ones until they hold their share of `all` the mass. Nothing is listed where
// sums are exact, whatever their order.
void Sampler::keep_top_p(double all) {
  // What is certainly outside the nucleus need not be looked at. If a token of probability below
  // (1 - p) / V were in it, that token and all after it would hold less than 1 - p, so those before
  // it would already hold p. (Top-k comes first, and leaves a smaller sum.)
  const double share = (1 - config_.top_p) / static_cast<double>(weights_.size());
  if (config_.top_k == 0) least_ = std::max(least_, at_least(0.999 * share * all));
  if (!WeightOrder::is_exact(least_, all)) {
    list_top_p();
    return;
  }
  kept_ = Kept::kByWeight;
  order_.reset(weights_, least_, WeightOrder::Mass::kWeight);
  const auto place = order_.reach(config_.top_p * all);
  const Real least = std::max(least_, at_least(config_.min_p));
  if (place && place->at.weight >= least) {
    last_ = place->at;
    total_ = place->through;
  } else {
    last_ = {std::numeric_limits<Token>::max(), least};
    total_ = sum_from(least);
  }
}

// The largest weight is exp(0) = 1 by construction, and no filter removes it.
bool Sampler::is_one() const {
  switch (kept_) {
    case Kept::kByToken:
      return count_ == 1;
    case Kept::kByWeight:
      return total_ == 1;
    case Kept::kListed:
      break;
  }
  return candidates_.size() == 1;
}

Token Sampler::first() const {
  if (kept_ == Kept::kListed) return candidates_.front().token;
  return static_cast<Token>(std::ranges::find(weights_, Real{1}) - weights_.begin());
}

double Sampler::sum_from(Real least) {
  count_ = sum_blocks(weights_, least, block_sums_);
  return std::accumulate(block_sums_.begin(), block_sums_.end(), 0.0);
}

// What sample() finds when it takes the probabilities off u one after another, without doing so:
// the token at which the sum of weights passes u * total_. The two can differ only where u is as
// near to a token's end as all roundings together, and then there is no answer. A sum of V weights
// is rounded V times, by at most 2^-53 of the total each; there are two such sums here, two in what
// draw() does then, and V quotients.
std::optional<Token> Sampler::choose(double u) {
  if (kept_ == Kept::kListed) return std::nullopt;
  const double margin = 8 * (static_cast<double>(weights_.size()) + 8) * 0x1p-53 * total_;
  return kept_ == Kept::kByToken ? choose_by_token(u, margin) : choose_by_weight(u, margin);
}

std::optional<Token> Sampler::choose_by_token(double u, double margin) const {
  const double target = u * total_;
  double before = 0;
  size_t block = 0;
  while (block < block_sums_.size() && before + block_sums_[block] <= target)
    before += block_sums_[block++];
  const size_t begin = block * kWeightBlock, end = std::min(begin + kWeightBlock, weights_.size());
  for (size_t v = begin; v < end; ++v) {
    if (weights_[v] < least_) continue;
    const double through = before + double{weights_[v]};
    if (through > target) {
      const bool certain = (before == 0 || target - before > margin) && through - target > margin;
      return certain ? std::optional(static_cast<Token>(v)) : std::nullopt;
    }
    before = through;
  }
  return std::nullopt;
}

std::optional<Token> Sampler::choose_by_weight(double u, double margin) {
  const double target = u * total_;
  const auto place = order_.reach(target);
  if (!place) return std::nullopt;
  const bool certain = (place->before == 0 || target - place->before > margin) &&
                       place->through - target > margin && place->through <= total_;
  return certain ? std::optional(place->at.token) : std::nullopt;
}

// Lists what was kept.
void Sampler::list() {
  if (kept_ == Kept::kListed) return;
  constexpr Real kInfinity = std::numeric_limits<Real>::infinity();
  listed_.clear();
  if (kept_ == Kept::kByToken) {
    collect(weights_, least_, kInfinity, listed_);
  } else {
    collect(weights_, last_.weight, kInfinity, listed_);
    std::ranges::sort(listed_, comes_first);
    listed_.erase(std::ranges::upper_bound(listed_, last_, comes_first), listed_.end());
  }
  divide();
}

// Where the order of sums matters. Takes the most probable ones off a heap until they hold their
// share: cheaper than sorting everything.
void Sampler::list_top_p() {
  const auto comes_last = [](const TokenWeight& a, const TokenWeight& b) {
    return comes_first(b, a);
  };
  listed_.clear();
  collect(weights_, least_, std::numeric_limits<Real>::infinity(), listed_);
  const double all = config_.top_k == 0 ? double{lane_sum_of(weights_)} : sum_of_listed();
  const double mass = config_.top_p * all;
  std::ranges::make_heap(listed_, comes_last);
  auto kept = listed_.end();  // [kept, end) are taken, the most probable one last
  double sum = 0;
  while (kept != listed_.begin() && sum < mass) {
    std::pop_heap(listed_.begin(), kept--, comes_last);
    sum += double{kept->weight};
  }
  listed_.erase(listed_.begin(), kept);
  std::ranges::reverse(listed_);
  std::erase_if(listed_, [this](const TokenWeight& one) { return one.weight < config_.min_p; });
  divide();
}

// Their probabilities: the weights divided by the sum in their order.
void Sampler::divide() {
  kept_ = Kept::kListed;
  const double sum = sum_of_listed();
  candidates_.clear();
  for (const auto& [token, weight] : listed_) candidates_.push_back({token, double{weight} / sum});
}

double Sampler::sum_of_listed() const {
  double sum = 0;
  for (const TokenWeight& one : listed_) sum += double{one.weight};
  return sum;
}

}  // namespace minillm
