#include "libminillm/lab/laboratory.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/strict_json.h"
#include "libminillm/core/version.h"
#include "libminillm/lab/forms.h"
#include "libminillm/lab/keys.h"
#include "libminillm/lab/own_text.h"
#include "libminillm/lab/steps.h"
#include "libminillm/report/report.h"

namespace minillm::lab {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kDone = "done";  // the file that a step leaves, with its seconds

constexpr std::string_view kLogged = "log/";  // begins a metric of the training log
constexpr int64_t kLoggedLines = 5;           // the last ones, whose mean is told

// What a run's training log ends with; nothing where it has no such metric.
std::optional<SeedFigure> logged_figure(const std::string& run, std::string_view name) {
  const report::RunLog log = report::read_run_log(join_path(run, "metrics.jsonl"));
  SeedFigure figure;
  double sum = 0;
  for (auto line = log.metrics.rbegin(); line != log.metrics.rend(); ++line) {
    const auto found = std::ranges::find(line->values, name, &Metrics::value_type::first);
    if (found == line->values.end()) continue;
    sum += found->second;
    if (++figure.of == kLoggedLines) break;
  }
  if (figure.of == 0) return std::nullopt;
  figure.value = sum / static_cast<double>(figure.of);
  return figure;
}

}  // namespace

Laboratory::Laboratory(LabOptions options, LabEvents events)
    : options_(std::move(options)),
      events_(std::move(events)),
      data_(join_path(options_.directory, "data"), options_.build, options_.world,
            events_.on_message) {
  MINILLM_CHECK_USAGE(!options_.seeds.empty(), "lab: expected one seed or more, got none");
}

void Laboratory::say(const std::string& message) const {
  if (events_.on_message) events_.on_message(message);
}

std::string Laboratory::cell_directory(const std::string& key) const {
  return join_path(join_path(options_.directory, "cells"), key);
}

Laboratory::Trained Laboratory::train_step(const Step& step, const world::WorldDials& dials,
                                           uint64_t seed, const Trained& before,
                                           const Trained* reward) {
  const PlannedStep planned = plan_step(step, dials, seed, reward != nullptr);
  Json what = {"cell",
               options_.build,
               before.key,
               planned.recipe->stage,
               config_to_toml(planned.stage.fields),
               dials_json(planned.dials),
               sizes_text(options_.world),
               seed,
               planned.recipe->file,
               planned.replays};
  if (step.rows > 0) what.push_back(fmt::format("rows {}", step.rows));
  if (step.name == "notes")  // its recipe's second file
    what.push_back(fmt::format("open_book {}", options_.world.open_book_rows));
  if (reward) what.push_back("reward " + reward->key);
  if (planned.own) what.push_back(own_text_name(*planned.own));
  Trained trained;
  trained.key = key_of(what);
  trained.chain = before.chain;
  if (reward) trained.chain.push_back(reward->key);
  trained.chain.push_back(trained.key);
  const std::string directory = cell_directory(trained.key);
  trained.checkpoint = join_path(directory, "run");
  const std::string done = join_path(directory, kDone);
  if (file_exists(done)) return trained;
  if (only_what_is_there_) return {};

  say(fmt::format("seed {}: training '{}' ({})", seed, step.name, trained.key));
  create_directories(directory);
  const auto begun = std::chrono::steady_clock::now();
  const StepModels models = {before.checkpoint, reward ? reward->checkpoint : ""};
  if (run_step(planned, models, directory, data_, events_.training) == TrainOutcome::kInterrupted)
    throw Error("lab: interrupted: run it again to go on", ExitCode::kInterrupted);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begun;
  write_file_atomic(done, fmt::format("{{\"seconds\": {:.1f}}}\n", seconds.count()));
  return trained;
}

std::vector<std::string> Laboratory::checkpoints(const Cell& cell, uint64_t seed) {
  std::vector<std::string> paths;
  for (const std::string& key : train(cell, seed).chain)
    paths.push_back(join_path(cell_directory(key), "run"));
  return paths;
}

std::string Laboratory::questions(uint64_t seed) {
  return data_.file("heldout", "eval.jsonl", {}, seed);
}

Laboratory::Trained Laboratory::train(const Cell& cell, uint64_t seed) {
  Trained trained;
  for (const Step& step : cell.steps) {
    if (cell.reward && step.name == "rl") {
      const Trained reward = train_step(*cell.reward, cell.dials, seed, trained);
      if (reward.key.empty()) return {};
      trained = train_step(step, cell.dials, seed, trained, &reward);
    } else {
      trained = train_step(step, cell.dials, seed, trained);
    }
    if (trained.key.empty()) break;
  }
  return trained;
}

Laboratory::Trained Laboratory::compose(const Experiment& experiment, const Cell& cell,
                                        uint64_t seed) {
  Trained composed;
  Json what = {"adapters", cell.weight};
  for (const std::string& name : cell.adapters) {
    const Trained one = train(*std::ranges::find(experiment.cells, name, &Cell::name), seed);
    if (one.key.empty()) return {};
    MINILLM_CHECK_USAGE(one.chain.size() > 1, "experiment '{}': cell '{}' ends in no adapter",
                        experiment.name, name);
    composed.checkpoint = join_path(cell_directory(one.chain[one.chain.size() - 2]), "run");
    composed.adapters.push_back({one.checkpoint, cell.weight});
    what.push_back(one.key);
  }
  composed.key = key_of(what);
  return composed;
}

// What has been asked of a checkpoint, or is asked now.
std::optional<Answers> Laboratory::answers(const Trained& trained, const QuestionGroup& group,
                                           uint64_t seed) {
  const std::string path =
      join_path(cell_directory(trained.key),
                fmt::format("{}_{}.json", group.name, world::split_name(options_.split)));
  if (!file_exists(path)) {
    if (only_what_is_there_) return std::nullopt;
    say(fmt::format("seed {}: asking {}", seed, trained.key));
    if (events_.training.stop_requested && events_.training.stop_requested())
      throw Error("lab: interrupted: run it again to go on", ExitCode::kInterrupted);
    const Checkpoint checkpoint = CheckpointSource{trained.checkpoint, trained.adapters}.open();
    create_directories(cell_directory(trained.key));
    write_file_atomic(path,
                      answers_to_json(group.ask(checkpoint.load_model(Checkpoint::Use::kFrozen),
                                                checkpoint.tokenizer(), seed, options_.split)));
  }
  return answers_from_json(read_file(path), path);
}

// Nothing where something has not been asked, and nothing is to be done.
std::optional<Laboratory::Asked> Laboratory::ask(const Trained& trained, uint64_t seed,
                                                 const Experiment& experiment) {
  Asked asked = {{}, trained.chain};
  std::set<std::string_view> groups;
  for (const std::string& metric : shown_metrics(experiment))
    if (!metric.starts_with(kLogged)) groups.insert(group_of(metric).name);
  for (const QuestionGroup& group : question_groups()) {
    if (!groups.contains(group.name)) continue;
    std::optional<Answers> some = answers(trained, group, seed);
    if (!some) return std::nullopt;
    std::ranges::move(some->outcomes, std::back_inserter(asked.answers.outcomes));
    std::ranges::move(some->metrics, std::back_inserter(asked.answers.metrics));
  }
  std::ranges::move(own_text_metrics(cell_directory(trained.key)),
                    std::back_inserter(asked.answers.metrics));
  return asked;
}

// What a checkpoint came to under a metric; nothing where neither it nor its training has it.
std::optional<SeedFigure> Laboratory::figure_of(const Asked& asked,
                                                const std::string& metric) const {
  if (metric.starts_with(kLogged) && asked.chain.empty()) return std::nullopt;
  if (metric.starts_with(kLogged))
    return logged_figure(join_path(cell_directory(asked.chain.back()), "run"),
                         std::string_view(metric).substr(kLogged.size()));
  const auto found = std::ranges::find(asked.answers.metrics, metric, &world::WorldMetric::name);
  if (found == asked.answers.metrics.end()) return std::nullopt;
  return SeedFigure{found->value, found->count, found->of};
}

ExperimentResult Laboratory::evaluate(const Experiment& experiment,
                                      const std::vector<std::vector<Asked>>& asked) const {
  ExperimentResult result;
  result.experiment = experiment;
  result.seeds = options_.seeds;
  result.version = kVersion;
  const std::vector<std::string> metrics = shown_metrics(experiment);
  std::set<std::string> known;
  std::vector<Outcomes> of_cell, of_other;
  for (size_t c = 0; c < experiment.cells.size(); ++c) {
    CellResult cell = {experiment.cells[c].name, {}};
    for (const std::string& metric : metrics)
      for (const std::vector<Asked>& of_seed : asked) {
        const std::optional<SeedFigure> figure = figure_of(of_seed[c], metric);
        if (figure) known.insert(metric);
        cell.metrics[metric].push_back(figure.value_or(SeedFigure()));
      }
    for (const std::vector<Asked>& of_seed : asked) {
      if (cell.name == experiment.measure.cell) of_cell.push_back(of_seed[c].answers.outcomes);
      if (cell.name == experiment.measure.against) of_other.push_back(of_seed[c].answers.outcomes);
    }
    result.cells.push_back(std::move(cell));
  }
  for (const std::string& metric : metrics)
    MINILLM_CHECK_USAGE(known.contains(metric), "experiment '{}': there is no metric '{}'",
                        experiment.name, metric);
  std::set<std::string> steps;
  for (const std::vector<Asked>& of_seed : asked)
    for (const Asked& one : of_seed) steps.insert(one.chain.begin(), one.chain.end());
  for (const std::string& key : steps) {
    const std::string done = join_path(cell_directory(key), kDone);
    result.seconds += parse_json(read_file(done), done).value("seconds", 0.0);
  }
  const Measure& measure = experiment.measure;
  result.difference = paired_difference(of_cell, of_other, measure.metric, measure.against_metric);
  result.verdict = judge(measure.expects, measure.margin, result.difference);
  return result;
}

std::vector<Laboratory::Asked> Laboratory::try_seed(const Experiment& experiment, uint64_t seed) {
  std::vector<Asked> all;
  for (const Cell& cell : experiment.cells) {
    if (!cell.agreement.empty()) {
      std::vector<Outcomes> runs;
      for (const std::string& name : cell.agreement) {
        const auto run = std::ranges::find(experiment.cells, name, &Cell::name);
        runs.push_back(all[static_cast<size_t>(run - experiment.cells.begin())].answers.outcomes);
      }
      all.push_back({with_means(agreement(runs)), {}});
      continue;
    }
    const Trained trained =
        cell.adapters.empty() ? train(cell, seed) : compose(experiment, cell, seed);
    if (trained.key.empty()) return {};
    std::optional<Asked> asked = ask(trained, seed, experiment);
    if (!asked) return {};
    all.push_back(std::move(*asked));
  }
  return all;
}

ExperimentResult Laboratory::run(const Experiment& experiment) {
  std::vector<std::vector<Asked>> asked;
  // Seed by seed: after the first one there is something to see.
  for (const uint64_t seed : options_.seeds) asked.push_back(try_seed(experiment, seed));
  ExperimentResult result = evaluate(experiment, asked);
  write(result);
  return result;
}

std::vector<ExperimentResult> Laboratory::results(const std::vector<Experiment>& experiments) {
  only_what_is_there_ = true;
  std::vector<ExperimentResult> all;
  for (const Experiment& experiment : experiments) {
    std::vector<std::vector<Asked>> asked;
    for (const uint64_t seed : options_.seeds) {
      asked.push_back(try_seed(experiment, seed));
      if (asked.back().empty()) break;
    }
    if (!asked.back().empty()) all.push_back(evaluate(experiment, asked));
  }
  only_what_is_there_ = false;
  return all;
}

std::vector<AskedCheckpoint> Laboratory::asked_checkpoints(
    const std::vector<Experiment>& experiments) {
  only_what_is_there_ = true;
  std::vector<AskedCheckpoint> all;
  std::set<std::string> keys;
  for (const uint64_t seed : options_.seeds)
    for (const Experiment& experiment : experiments)
      for (const Cell& cell : experiment.cells) {
        const Trained trained = train(cell, seed);
        if (trained.key.empty() || !keys.insert(trained.key).second) continue;
        const std::optional<Answers> asked = answers(trained, question_groups().front(), seed);
        if (!asked) continue;
        AskedCheckpoint checkpoint{fmt::format("{}: {}", experiment.name, cell.name), seed, {}};
        for (const world::WorldMetric& metric : asked->metrics)
          checkpoint.metrics[metric.name] = {metric.value, metric.count, metric.of};
        all.push_back(std::move(checkpoint));
      }
  only_what_is_there_ = false;
  return all;
}

void Laboratory::write(const ExperimentResult& result) const {
  const std::string directory = join_path(options_.directory, result.experiment.name);
  create_directories(directory);
  for (const auto& [name, content] :
       {std::pair("table.md", result_markdown(result)), std::pair("table.csv", result_csv(result)),
        std::pair("figure.svg", result_svg(result)),
        std::pair("verdict.json", result_json(result))})
    write_file_atomic(join_path(directory, name), content);
}

}  // namespace minillm::lab
