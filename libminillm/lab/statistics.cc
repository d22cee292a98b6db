#include "libminillm/lab/statistics.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>

#include "libminillm/core/check.h"
#include "libminillm/core/rng.h"

namespace minillm::lab {
namespace {

constexpr uint64_t kBootstrapSeed = 1;

// The questions of one seed under a metric, people and wordings as numbers.
struct Paired {
  struct Question {
    size_t person, wording;
    double difference;
  };
  std::vector<Question> questions;
  size_t people = 0, wordings = 0;
};

Paired pair_up(const Outcomes& a, const Outcomes& b, std::string_view metric) {
  const auto under = [&](const Outcomes& all) {
    std::vector<const world::WorldOutcome*> some;
    for (const world::WorldOutcome& outcome : all)
      if (outcome.metric == metric) some.push_back(&outcome);
    return some;
  };
  const auto of_a = under(a), of_b = under(b);
  Paired paired;
  std::map<std::string_view, size_t> people, wordings;
  for (size_t i = 0; i < std::max(of_a.size(), of_b.size()); ++i) {
    MINILLM_CHECK(i < of_a.size() && i < of_b.size() && of_a[i]->person == of_b[i]->person &&
                      of_a[i]->wording == of_b[i]->wording,
                  "lab: metric '{}': question {} is not the same in both cells", metric, i + 1);
    // Who is nobody is like nobody else.
    std::string_view person = of_a[i]->person;
    if (person.empty()) person = of_a[i]->wording;
    paired.questions.push_back(
        {people.try_emplace(person, people.size()).first->second,
         wordings.try_emplace(of_a[i]->wording, wordings.size()).first->second,
         double(of_a[i]->hit) - double(of_b[i]->hit)});
  }
  paired.people = people.size();
  paired.wordings = wordings.size();
  return paired;
}

double mean_of(const Paired& paired) {
  double sum = 0;
  for (const Paired::Question& question : paired.questions) sum += question.difference;
  return sum / static_cast<double>(paired.questions.size());
}

std::vector<double> draw_weights(Rng& rng, size_t count) {
  std::vector<double> weights(count);
  for (size_t i = 0; i < count; ++i) ++weights[rng.below(count)];
  return weights;
}

double draw_mean(Rng& rng, const Paired& paired) {
  double sum = 0, weight = 0;
  while (weight == 0) {  // no question whose person and wording were both drawn: draw again
    sum = 0;
    const std::vector<double> people = draw_weights(rng, paired.people);
    const std::vector<double> wordings = draw_weights(rng, paired.wordings);
    for (const Paired::Question& question : paired.questions) {
      const double own = people[question.person] * wordings[question.wording];
      sum += own * question.difference;
      weight += own;
    }
  }
  return sum / weight;
}

}  // namespace

Difference paired_difference(std::span<const Outcomes> a, std::span<const Outcomes> b,
                             std::string_view metric, int draws) {
  MINILLM_CHECK(a.size() == b.size(), "lab: {} and {} seeds", a.size(), b.size());
  Difference result;
  std::vector<Paired> seeds;
  for (size_t s = 0; s < a.size(); ++s) {
    Paired paired = pair_up(a[s], b[s], metric);
    if (paired.questions.empty()) return {};
    result.questions += std::ssize(paired.questions);
    result.seeds.push_back(mean_of(paired));
    result.mean += result.seeds.back() / static_cast<double>(a.size());
    seeds.push_back(std::move(paired));
  }
  if (seeds.empty()) return result;
  Rng rng(kBootstrapSeed);
  std::vector<double> means;
  for (int draw = 0; draw < draws; ++draw) {
    double mean = 0;
    for (const Paired& paired : seeds)
      mean += draw_mean(rng, paired) / static_cast<double>(seeds.size());
    means.push_back(mean);
  }
  std::ranges::sort(means);
  const auto quantile = [&](double q) {
    return means[static_cast<size_t>(std::llround(q * static_cast<double>(means.size() - 1)))];
  };
  result.interval = {quantile(0.025), quantile(0.975)};
  return result;
}

const char* verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSupported:
      return "supported";
    case Verdict::kRefuted:
      return "refuted";
    case Verdict::kUndecided:
      break;
  }
  return "undecided";
}

Verdict judge(Expectation expected, double margin, const Difference& difference) {
  if (difference.questions == 0) return Verdict::kUndecided;
  const double low = difference.interval.low, high = difference.interval.high;
  const bool within = low >= -margin && high <= margin;
  const auto beyond = [&](double sign) {
    const double nearest = sign > 0 ? low : -high;
    return nearest > margin &&
           std::ranges::all_of(difference.seeds, [&](double seed) { return seed * sign > 0; });
  };
  if (expected == Expectation::kSame) {
    if (within) return Verdict::kSupported;
    return beyond(1) || beyond(-1) ? Verdict::kRefuted : Verdict::kUndecided;
  }
  const double sign = expected == Expectation::kMore ? 1 : -1;
  if (beyond(sign)) return Verdict::kSupported;
  return within || beyond(-sign) ? Verdict::kRefuted : Verdict::kUndecided;
}

}  // namespace minillm::lab
