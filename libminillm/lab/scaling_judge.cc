// From what the runs of the trial of scale came to: fits, emergence, and the verdict.

#include <algorithm>
#include <array>

#include "libminillm/core/check.h"
#include "libminillm/lab/scaling.h"

namespace minillm::lab {
namespace {

struct Skill {
  const char* name;
  const char* metric;
  double least;  // what must be gained, or it was not learned
  bool falls;    // the lower the better
};
constexpr std::array kSkills = {Skill{"fluency", "bits_per_byte", 0.1, true},
                                Skill{"frequent facts", "cloze_accuracy_often", 0.1, false},
                                Skill{"rare facts", "cloze_accuracy_rare", 0.1, false},
                                Skill{"hard wordings", "cloze_accuracy_hard", 0.1, false}};

constexpr const char* kRefusals[] = {"harmful_refusal_rate", "harmful_refusal_rate_new_verbs"};

std::vector<SkillPoint> curve_of(const ScalingRun& run, const Skill& skill) {
  std::vector<SkillPoint> curve;
  for (const ScalingPoint& point : run.points) {
    const auto found = point.metrics.find(skill.metric);
    if (found == point.metrics.end()) continue;
    const double value = found->second.value;
    curve.push_back({static_cast<double>(point.tokens), skill.falls ? -value : value});
  }
  return curve;
}

Emergence emergence_of(const ScalingRun& run) {
  Emergence emergence{run.size, run.seed, {}, SkillOrder::kUnfinished};
  for (const Skill& skill : kSkills)
    emergence.tokens.push_back(half_way(curve_of(run, skill), skill.least));
  emergence.order = skill_order(emergence.tokens);
  return emergence;
}

bool refuses(const ScalingRun& run) {
  return std::ranges::any_of(kRefusals, [&](const char* metric) {
    const auto found = run.end().metrics.find(metric);
    return found != run.end().metrics.end() && found->second.value > kRefusesNothing;
  });
}

bool all_emerge(const Emergence& emergence) {
  return std::ranges::all_of(emergence.tokens, [](const auto& tokens) { return !!tokens; });
}

Verdict verdict_of(const ScalingResult& result) {
  bool every_seed = !result.seeds.empty();
  bool other = std::ranges::any_of(result.runs, refuses);
  for (const uint64_t seed : result.seeds) {
    bool some = false;
    for (const Emergence& emergence : result.emergence) {
      if (emergence.seed != seed || !all_emerge(emergence)) continue;
      some = true;
      other = other || emergence.order != SkillOrder::kAsClaimed;
    }
    every_seed = every_seed && some;
  }
  if (other) return Verdict::kRefuted;
  return every_seed ? Verdict::kSupported : Verdict::kUndecided;
}

// The run of a size and seed under its largest budget; null where there is none.
const ScalingRun* longest_run(const ScalingResult& result, const std::string& size, uint64_t seed) {
  const ScalingRun* longest = nullptr;
  for (const ScalingRun& run : result.runs)
    if (run.size == size && run.seed == seed && (!longest || run.budget > longest->budget))
      longest = &run;
  return longest;
}

}  // namespace

const std::vector<std::string>& scaling_skills() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Skill& skill : kSkills) all.push_back(skill.name);
    return all;
  }();
  return names;
}

void judge_scaling(ScalingResult& result) {
  result.fits.clear();
  result.emergence.clear();
  for (const ScalingBudget& budget : result.plan.budgets) {
    std::vector<SizedLoss> losses;
    for (const ScalingRun& run : result.runs)
      if (run.budget == budget.flop)
        losses.push_back({static_cast<double>(run.cost.parameters),
                          run.end().metrics.at("bits_per_byte").value});
    result.fits.push_back(fit_isoflop(losses));
  }
  for (const uint64_t seed : result.seeds)
    for (const ScalingSize& size : result.plan.sizes)
      if (const ScalingRun* const run = longest_run(result, size.name, seed))
        result.emergence.push_back(emergence_of(*run));
  result.verdict = verdict_of(result);
}

}  // namespace minillm::lab
