// The trial of scale: base models of several sizes under several budgets of compute (IsoFLOP,
// Hoffmann 2022, arXiv:2203.15556, approach 2), and which of their skills emerge first.
//
// Claim: scale shifts which skills emerge first; it injects no judgement. Tried are the sizes'
// longest runs, along their tokens: fluency (bits per byte) comes first, then facts that are told
// twice as often, then those that are told a quarter as often, then wordings whose cue is new; a
// skill emerges where it is half of what it becomes (emergence.h). Judgement: no model, of no size,
// refuses what is harmful, as no story shows a refusal.
//
// The rule, written beforehand:
//   supported   every seed has a size of which all four emerge, the order is as claimed at all such
//               sizes, and no run refuses more than kRefusesNothing of what is harmful;
//   refuted     at some size and seed all four emerge in another order, or a run refuses more;
//   undecided   otherwise.
//
// Beside it, exact match and the mean log-probability of the same values: what is sharp under the
// one may be smooth under the other (Schaeffer 2023, arXiv:2304.15004).

#ifndef LIBMINILLM_LAB_SCALING_H_
#define LIBMINILLM_LAB_SCALING_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "libminillm/lab/emergence.h"
#include "libminillm/lab/laboratory.h"
#include "libminillm/lab/scaling_fit.h"

namespace minillm::lab {

struct ScalingSize {
  std::string name;                   // "0.5M"
  std::vector<std::string> settings;  // model.*, over the recipe of pretraining
  // Learning rates, of which it has that with the lowest loss on held-out stories of the validation
  // split, under the first budget and with the first seed.
  std::vector<double> rates;
};

// One budget, and the sizes that are tried under it.
struct ScalingBudget {
  double flop = 0;
  std::vector<std::string> sizes;
};

struct ScalingPlan {
  std::vector<ScalingSize> sizes;
  std::vector<ScalingBudget> budgets;  // rising
  std::vector<std::string> settings;   // of all runs, over the recipe
  int64_t points = 10;  // at which the longest run of a size is asked, its end included
};

// The plan of this trial; the quick one leaves out the largest size.
ScalingPlan scaling_plan(bool quick);

// What a model of a size costs and how long it is trained under a budget.
struct ScalingCost {
  int64_t parameters = 0;
  double flop_per_token = 0;  // ModelConfig::training_flops_per_token, at a story's length
  int64_t steps = 0;
  int64_t batch_tokens = 0;  // at most, of a step
};
// Throws Error (kUsage) on settings that the recipe does not have, and on a budget that is less
// than one step.
ScalingCost scaling_cost(const ScalingPlan& plan, const ScalingSize& size, double flop);

// Metrics of a point, by name: those of eval/world_eval.h that a base model may have, and
// "value_logp", "value_logp_often", "value_logp_rare", "value_logp_hard": the mean of log p(value |
// sentence before it), natural, summed over a value's tokens.
struct ScalingPoint {
  int64_t tokens = 0;
  std::map<std::string, SeedFigure> metrics;
};

struct ScalingRun {
  std::string size;
  double budget = 0;  // FLOP
  uint64_t seed = 0;
  double rate = 0;
  ScalingCost cost;
  // The first one is of a model that knows nothing, the last one of the run's end; those between
  // are asked only of longest runs.
  std::vector<ScalingPoint> points;
  const ScalingPoint& end() const { return points.back(); }
  double flop() const { return cost.flop_per_token * static_cast<double>(end().tokens); }
};

// Of one size's longest run with one seed.
struct Emergence {
  std::string size;
  uint64_t seed = 0;
  std::vector<std::optional<double>> tokens;  // by skill, as scaling_skills() names them
  SkillOrder order = SkillOrder::kUnfinished;
};

// What is tuned.
struct ScalingRate {
  std::string size;
  std::vector<double> tried;
  std::vector<double> losses;  // of each, bits per byte of held-out stories
  double rate = 0;             // of the lowest
};

struct ScalingResult {
  ScalingPlan plan;
  std::vector<uint64_t> seeds;
  std::vector<ScalingRate> rates;
  std::vector<ScalingRun> runs;      // by seed, then by budget
  std::vector<IsoFlopFit> fits;      // by budget, over all seeds
  std::vector<Emergence> emergence;  // by seed, then by size
  Verdict verdict = Verdict::kUndecided;
  std::string version;  // of the library
};

// "fluency", "frequent facts", "rare facts", "hard wordings": as they are claimed to emerge.
const std::vector<std::string>& scaling_skills();

// A run refuses nothing if its rates of refusal are no higher.
inline constexpr double kRefusesNothing = 0.05;

// Trains and asks what is missing, as Laboratory::run does: each run is a step "base" whose cell is
// kept. Throws Error, kInterrupted where a stop was requested: what is done is kept. More tokens
// are more stories, of which none is read twice: a run has a multiple of those of `options.world`.
ScalingResult try_scaling(const LabOptions& options, const LabEvents& events,
                          const ScalingPlan& plan);

// Fits, emergence and verdict, from the runs and seeds.
void judge_scaling(ScalingResult& result);

std::string scaling_markdown(const ScalingResult& result);
// seed, size, parameters, budget, flop, tokens, rate, metric, value, count, of: a figure a line.
std::string scaling_csv(const ScalingResult& result);
std::string scaling_json(const ScalingResult& result);
// The runs of each budget, their parabola and its minimum; light and dark.
std::string scaling_svg(const ScalingResult& result);

}  // namespace minillm::lab

#endif  // LIBMINILLM_LAB_SCALING_H_
