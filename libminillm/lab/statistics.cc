#include "libminillm/lab/statistics.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string_view>

#include "libminillm/core/check.h"
#include "libminillm/core/rng.h"

namespace minillm::lab {
namespace {

constexpr uint64_t kBootstrapSeed = 1;

// The questions of one seed, people and wordings as numbers that both sides share.
struct Asked {
  struct Question {
    size_t person, wording;
    double value;
  };
  std::vector<Question> a, b;
  size_t people = 0, wordings = 0;
};

std::vector<const world::WorldOutcome*> under(const Outcomes& all, std::string_view metric) {
  std::vector<const world::WorldOutcome*> some;
  for (const world::WorldOutcome& outcome : all)
    if (outcome.metric == metric) some.push_back(&outcome);
  return some;
}

void check_same(const std::vector<const world::WorldOutcome*>& a,
                const std::vector<const world::WorldOutcome*>& b, std::string_view metric) {
  for (size_t i = 0; i < std::max(a.size(), b.size()); ++i)
    MINILLM_CHECK(i < a.size() && i < b.size() && a[i]->person == b[i]->person &&
                      a[i]->wording == b[i]->wording,
                  "lab: metric '{}': question {} is not the same in both cells", metric, i + 1);
}

Asked gather(const Outcomes& a, const Outcomes& b, std::string_view metric,
             std::string_view against_metric) {
  const auto of_a = under(a, metric), of_b = under(b, against_metric);
  if (metric == against_metric) check_same(of_a, of_b, metric);
  Asked asked;
  std::map<std::string_view, size_t> people, wordings;
  const auto number = [&](const std::vector<const world::WorldOutcome*>& outcomes,
                          std::vector<Asked::Question>& questions) {
    for (const world::WorldOutcome* outcome : outcomes) {
      // Who is nobody is like nobody else.
      const std::string_view person = outcome->person.empty() ? outcome->wording : outcome->person;
      questions.push_back({people.try_emplace(person, people.size()).first->second,
                           wordings.try_emplace(outcome->wording, wordings.size()).first->second,
                           outcome->value});
    }
  };
  number(of_a, asked.a);
  number(of_b, asked.b);
  asked.people = people.size();
  asked.wordings = wordings.size();
  return asked;
}

// Nothing if all questions have the weight 0.
std::optional<double> weighted_mean(const std::vector<Asked::Question>& questions,
                                    const std::vector<double>& people,
                                    const std::vector<double>& wordings) {
  double sum = 0, weight = 0;
  for (const Asked::Question& question : questions) {
    const double own = people[question.person] * wordings[question.wording];
    sum += own * question.value;
    weight += own;
  }
  if (weight == 0) return std::nullopt;
  return sum / weight;
}

double difference_of(const Asked& asked) {
  const std::vector<double> people(asked.people, 1), wordings(asked.wordings, 1);
  return *weighted_mean(asked.a, people, wordings) - *weighted_mean(asked.b, people, wordings);
}

std::vector<double> draw_weights(Rng& rng, size_t count) {
  std::vector<double> weights(count);
  for (size_t i = 0; i < count; ++i) ++weights[rng.below(count)];
  return weights;
}

double draw_difference(Rng& rng, const Asked& asked) {
  for (;;) {  // until there are questions whose person and wording were both drawn
    const std::vector<double> people = draw_weights(rng, asked.people);
    const std::vector<double> wordings = draw_weights(rng, asked.wordings);
    const std::optional<double> a = weighted_mean(asked.a, people, wordings);
    const std::optional<double> b = weighted_mean(asked.b, people, wordings);
    if (a && b) return *a - *b;
  }
}

}  // namespace

Outcomes agreement(std::span<const Outcomes> runs) {
  Outcomes agreed = runs[0];
  for (size_t i = 0; i < agreed.size(); ++i) {
    agreed[i].value = 1;
    for (const Outcomes& run : runs) {
      MINILLM_CHECK(run.size() == agreed.size() && run[i].metric == agreed[i].metric &&
                        run[i].person == agreed[i].person && run[i].wording == agreed[i].wording,
                    "lab: question {} is not the same in all cells", i + 1);
      if (run[i].value != runs[0][i].value) agreed[i].value = 0;
    }
  }
  return agreed;
}

Difference paired_difference(std::span<const Outcomes> a, std::span<const Outcomes> b,
                             std::string_view metric, std::string_view against_metric, int draws) {
  MINILLM_CHECK(a.size() == b.size(), "lab: {} and {} seeds", a.size(), b.size());
  Difference result;
  std::vector<Asked> seeds;
  for (size_t s = 0; s < a.size(); ++s) {
    Asked asked = gather(a[s], b[s], metric, against_metric.empty() ? metric : against_metric);
    if (asked.a.empty() || asked.b.empty()) return {};
    result.questions += std::ssize(asked.a);
    result.seeds.push_back(difference_of(asked));
    result.mean += result.seeds.back() / static_cast<double>(a.size());
    seeds.push_back(std::move(asked));
  }
  if (seeds.empty()) return result;
  Rng rng(kBootstrapSeed);
  std::vector<double> means;
  for (int draw = 0; draw < draws; ++draw) {
    double mean = 0;
    for (const Asked& asked : seeds)
      mean += draw_difference(rng, asked) / static_cast<double>(seeds.size());
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
  constexpr double kRounding = 1e-9;  // an end that is the margin is within it
  const bool within = low >= -margin - kRounding && high <= margin + kRounding;
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
