#include "libminillm/lab/scaling.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/checkpoint/run_directory.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/strict_json.h"
#include "libminillm/core/version.h"
#include "libminillm/lab/scaling_questions.h"

namespace minillm::lab {
namespace {

using Json = nlohmann::ordered_json;

// Fewer than stories have, so that a corpus is never too short.
constexpr double kTokensPerStory = 70;
// That a run may write beside those that are asked, whenever it is stopped or time is up.
constexpr int64_t kOtherCheckpoints = 30;

const ScalingSize& size_of(const ScalingPlan& plan, const std::string& name) {
  const auto found = std::ranges::find(plan.sizes, name, &ScalingSize::name);
  MINILLM_CHECK(found != plan.sizes.end(), "scaling: there is no size '{}'", name);
  return *found;
}

// The largest budget under which a size is tried: its longest run.
bool is_longest(const ScalingPlan& plan, double flop, const std::string& size) {
  return std::ranges::none_of(plan.budgets, [&](const ScalingBudget& other) {
    return other.flop > flop && std::ranges::find(other.sizes, size) != other.sizes.end();
  });
}

Json points_json(const std::vector<ScalingPoint>& points) {
  Json json = Json::array();
  for (const ScalingPoint& point : points) {
    Json metrics = Json::object();
    for (const auto& [name, figure] : point.metrics)
      metrics[name] = {figure.value, figure.count, figure.of};
    json.push_back({{"tokens", point.tokens}, {"metrics", metrics}});
  }
  return json;
}

std::vector<ScalingPoint> read_points(const std::string& path) {
  const nlohmann::json json = parse_json(read_file(path), path);
  std::vector<ScalingPoint> points;
  for (const auto& item : json) {
    ScalingPoint point{item.at("tokens").get<int64_t>(), {}};
    for (const auto& [name, figure] : item.at("metrics").items())
      point.metrics[name] = {figure.at(0).get<double>(), figure.at(1).get<int64_t>(),
                             figure.at(2).get<int64_t>()};
    points.push_back(std::move(point));
  }
  return points;
}

class Trial {
 public:
  Trial(const LabOptions& options, const LabEvents& events, const ScalingPlan& plan)
      : options_(options), events_(events), plan_(plan) {}

  ScalingRate tune(const ScalingSize& size) const {
    ScalingRate tuned{size.name, size.rates, {}, 0};
    for (const double rate : size.rates) {
      const ScalingRun run = train_and_ask(size, plan_.budgets.front().flop, options_.seeds.front(),
                                           rate, world::Split::kValidation, Asked::kLoss);
      tuned.losses.push_back(run.end().metrics.at("bits_per_byte").value);
    }
    const auto lowest = std::ranges::min_element(tuned.losses);
    tuned.rate = size.rates[static_cast<size_t>(lowest - tuned.losses.begin())];
    return tuned;
  }

  ScalingRun train_and_ask(const ScalingSize& size, double flop, uint64_t seed, double rate,
                           world::Split split, Asked asked) const {
    ScalingRun run;
    run.size = size.name;
    run.budget = flop;
    run.seed = seed;
    run.rate = rate;
    run.cost = scaling_cost(plan_, size, flop);
    const bool longest = is_longest(plan_, flop, size.name);
    const int64_t every = std::max<int64_t>(1, (run.cost.steps + plan_.points - 1) / plan_.points);
    Cell cell{size.name, {}, {{"base", plan_.settings}}};
    std::vector<std::string>& settings = cell.steps[0].settings;
    settings.insert(settings.end(), size.settings.begin(), size.settings.end());
    settings.push_back(fmt::format("train.steps={}", run.cost.steps));
    settings.push_back(fmt::format("train.learning_rate={}", rate));
    if (longest) {
      settings.push_back(fmt::format("train.save_every={}", every));
      settings.push_back(fmt::format("train.keep_last={}", plan_.points + kOtherCheckpoints));
    }
    LabOptions options = options_;
    options.world.stories = stories_for(run.cost);
    const std::string directory = Laboratory(options, events_).checkpoints(cell, seed).back();
    std::vector<std::string> checkpoints = {directory};
    if (longest && asked == Asked::kAll)
      for (int64_t step = (run.cost.steps - 1) / every * every; step > 0; step -= every)
        checkpoints.insert(checkpoints.begin(), join_path(directory, checkpoint_name(step)));
    run.points = ask(directory, checkpoints, seed, split, asked);
    return run;
  }

 private:
  int64_t stories_for(const ScalingCost& cost) const {
    const auto once = std::max<int64_t>(1, options_.world.stories);
    const double tokens = static_cast<double>(cost.steps * cost.batch_tokens);
    const double times = std::ceil(tokens / (kTokensPerStory * static_cast<double>(once)));
    const int64_t stories = once * std::max<int64_t>(1, std::llround(times));
    return stories;
  }

  // What is asked is kept beside the run.
  std::vector<ScalingPoint> ask(const std::string& directory,
                                const std::vector<std::string>& checkpoints, uint64_t seed,
                                world::Split split, Asked asked) const {
    const std::string path =
        fmt::format("{}_{}_{}.json", directory, asked == Asked::kLoss ? "loss" : "scaling",
                    world::split_name(split));
    if (file_exists(path)) return read_points(path);
    if (events_.on_message)
      events_.on_message(
          fmt::format("seed {}: asking {} checkpoints of {}", seed, checkpoints.size(), directory));
    const ScalingQuestions questions(seed, split, asked);
    std::vector<ScalingPoint> points;
    for (const std::string& checkpoint : checkpoints) {
      if (events_.training.stop_requested && events_.training.stop_requested())
        throw Error("lab: interrupted: run it again to go on", ExitCode::kInterrupted);
      const Checkpoint opened = Checkpoint::open(checkpoint);
      if (points.empty()) points.push_back(questions.untrained(opened));
      points.push_back(questions.ask(opened));
    }
    write_file_atomic(path, points_json(points).dump());
    return points;
  }

  const LabOptions& options_;
  const LabEvents& events_;
  const ScalingPlan& plan_;
};

}  // namespace

ScalingResult try_scaling(const LabOptions& options, const LabEvents& events,
                          const ScalingPlan& plan) {
  MINILLM_CHECK_USAGE(!options.seeds.empty(), "scaling: expected one seed or more, got none");
  MINILLM_CHECK(!plan.budgets.empty(), "scaling: a plan without budgets");
  for (const ScalingSize& size : plan.sizes)
    MINILLM_CHECK(!size.rates.empty(), "scaling: size {} has no learning rates", size.name);
  const Trial trial(options, events, plan);
  ScalingResult result;
  result.plan = plan;
  result.seeds = options.seeds;
  result.version = kVersion;
  for (const ScalingSize& size : plan.sizes) result.rates.push_back(trial.tune(size));
  for (const uint64_t seed : options.seeds)
    for (const ScalingBudget& budget : plan.budgets)
      for (const std::string& name : budget.sizes) {
        const double rate = std::ranges::find(result.rates, name, &ScalingRate::size)->rate;
        result.runs.push_back(trial.train_and_ask(size_of(plan, name), budget.flop, seed, rate,
                                                  options.split, Asked::kAll));
      }
  judge_scaling(result);
  return result;
}

}  // namespace minillm::lab
