#include "libminillm/lab/laboratory.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/sha256.h"
#include "libminillm/core/strict_json.h"
#include "libminillm/core/version.h"
#include "libminillm/data/tokenizer.h"
#include "libminillm/eval/world_eval.h"
#include "libminillm/lab/lab_files.h"
#include "libminillm/pipeline/stages.h"

namespace minillm::lab {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kKeyDigits = 16;
constexpr const char* kDone = "done";  // the file that a step leaves, with its seconds

// What a step trains, on which files; part and file of the world (world/world_files.h).
struct Recipe {
  const char* step;
  const char* stage;
  const char* config;
  const char *part, *file;
  const char *replay_part, *replay_file;  // null: nothing is replayed
};
constexpr Recipe kRecipes[] = {
    {"base", "pretrain", "world_pretrain.toml", "pretrain", "pretrain.jsonl", nullptr, nullptr},
    {"fresh", "pretrain", "world_pretrain.toml", "pretrain", "pretrain.jsonl", nullptr, nullptr},
    {"second", "pretrain", "world_pretrain.toml", "second", "second.jsonl", "pretrain",
     "pretrain.jsonl"},
    {"sft", "sft", "world_sft.toml", "sft", "sft.jsonl", "pretrain", "pretrain.jsonl"},
    {"dpo", "dpo", "world_dpo.toml", "preference", "preference.jsonl", "replay", "replay.jsonl"}};

const Recipe& recipe_of(const Step& step) {
  return *std::ranges::find(kRecipes, std::string_view(step.name), &Recipe::step);
}

std::string key_of(const Json& what) { return sha256(what.dump()).substr(0, kKeyDigits); }

Json dials_json(const world::WorldDials& dials) {
  Json json = {dials.without, dials.newcomers, dials.false_pairs};
  if (dials.untold > 0) json.push_back(dials.untold);
  if (dials.inverted_pairs) json.push_back("inverted");
  return json;
}

Json outcomes_json(const Outcomes& outcomes, const std::vector<world::WorldMetric>& metrics) {
  Json json = {{"metrics", Json::object()}, {"outcomes", Json::array()}};
  for (const world::WorldMetric& metric : metrics)
    if (!metric.name.starts_with("cloze/"))
      json["metrics"][metric.name] = {metric.value, metric.count, metric.of};
  for (const world::WorldOutcome& outcome : outcomes)
    json["outcomes"].push_back({outcome.metric, outcome.person, outcome.wording, int{outcome.hit}});
  return json;
}

// Of the model that a pretraining's config describes.
int64_t vocab_size_of(const ConfigFields& fields) {
  const auto field = std::ranges::find(fields.all(), "model.vocab_size", &ConfigField::key);
  return *std::get<int64_t*>(field->value);
}

ConfiguredStage configure(const Recipe& recipe, const std::vector<std::string>& settings) {
  ConfiguredStage stage = configure_stage(recipe.stage);
  read_config_text(stage.fields, lab_file(recipe.config), recipe.config);
  for (const std::string& setting : settings) set_config_value(stage.fields, setting);
  return stage;
}

}  // namespace

Laboratory::Laboratory(LabOptions options, LabEvents events)
    : options_(std::move(options)), events_(std::move(events)) {
  MINILLM_CHECK_USAGE(!options_.seeds.empty(), "lab: expected one seed or more, got none");
}

void Laboratory::say(const std::string& message) const {
  if (events_.on_message) events_.on_message(message);
}

// Of the world, as a part of keys.
std::string Laboratory::sizes() const {
  const world::WorldOptions& world = options_.world;
  return fmt::format("{} {} {} {} {}", world.stories, world.sft_rows, world.pairs,
                     world.replay_facts, world.second_documents);
}

std::string Laboratory::cell_directory(const std::string& key) const {
  return join_path(join_path(options_.directory, "cells"), key);
}

// The path of a file of the world, which is written where it is not there yet.
std::string Laboratory::data_file(const std::string& part, const std::string& file,
                                  const world::WorldDials& dials, uint64_t seed) {
  world::WorldOptions options = options_.world;
  options.seed = seed;
  options.dials = dials;
  const Json what = {"data", options_.build, part, seed, dials_json(dials), sizes()};
  const std::string directory = join_path(join_path(options_.directory, "data"), key_of(what));
  const std::string path = join_path(directory, file);
  if (file_exists(path)) return path;
  create_directories(directory);
  for (const world::WorldFile& written : world::make_world_files(options, part))
    write_file_atomic(join_path(directory, written.name), written.content);
  return path;
}

std::string Laboratory::tokenizer(uint64_t seed, int64_t vocab_size) {
  const std::string text = data_file("tokenizer", "tokenizer.txt", {}, seed);
  const std::string path = fmt::format("{}.{}.model", text, vocab_size);
  if (file_exists(path)) return path;
  say(fmt::format("seed {}: training the tokenizer", seed));
  const std::string all = read_file(text);
  size_t at = 0;
  const auto next_line = [&](std::string& line) {
    if (at >= all.size()) return false;
    const size_t end = std::min(all.find('\n', at), all.size());
    line = all.substr(at, end - at);
    at = end + 1;
    return true;
  };
  write_file_atomic(path, train_tokenizer(next_line, {.vocab_size = vocab_size}));
  return path;
}

Laboratory::Trained Laboratory::train_step(const Step& step, const world::WorldDials& dials,
                                           uint64_t seed, const Trained& before) {
  const Recipe& recipe = recipe_of(step);
  std::vector<std::string> settings = {fmt::format("train.seed={}", seed)};
  // As good as no step: the learning rate is below what a weight can change by.
  if (step.name == "fresh") {
    settings.push_back("train.steps=1");
    settings.push_back("train.learning_rate=1e-30");
  }
  settings.insert(settings.end(), step.settings.begin(), step.settings.end());
  const ConfiguredStage stage = configure(recipe, settings);
  // Stories have a dial of their own, conversations and pairs the others.
  world::WorldDials own = dials;
  own.untold = 0;
  if (step.name != "sft" && step.name != "dpo") own = {.untold = dials.untold};
  const bool replays = recipe.replay_part != nullptr && step.replay;
  Trained trained;
  trained.key =
      key_of({"cell", options_.build, before.key, recipe.stage, config_to_toml(stage.fields),
              dials_json(own), sizes(), seed, recipe.file, replays});
  trained.chain = before.chain;
  trained.chain.push_back(trained.key);
  const std::string directory = cell_directory(trained.key);
  trained.checkpoint = join_path(directory, "run");
  const std::string done = join_path(directory, kDone);
  if (file_exists(done)) return trained;
  if (only_what_is_there_) return {};

  say(fmt::format("seed {}: training '{}' ({})", seed, step.name, trained.key));
  create_directories(directory);
  StageOptions options;
  options.train_files = {data_file(recipe.part, recipe.file, own, seed)};
  if (replays)
    options.replay_files = {data_file(recipe.replay_part, recipe.replay_file,
                                      std::string_view(recipe.replay_part) == "replay"
                                          ? own
                                          : world::WorldDials{.untold = dials.untold},
                                      seed)};
  if (before.checkpoint.empty())
    options.tokenizer = tokenizer(seed, vocab_size_of(stage.fields));
  else
    options.init_from = before.checkpoint;
  options.out = trained.checkpoint;
  options.resume = true;
  const auto begun = std::chrono::steady_clock::now();
  if (stage.run(options, events_.training) == TrainOutcome::kInterrupted)
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
  return data_file("heldout", "eval.jsonl", {}, seed);
}

Laboratory::Trained Laboratory::train(const Cell& cell, uint64_t seed) {
  Trained trained;
  for (const Step& step : cell.steps) {
    trained = train_step(step, cell.dials, seed, trained);
    if (trained.key.empty()) break;
  }
  return trained;
}

Laboratory::Asked Laboratory::ask(const Trained& trained, uint64_t seed) {
  const std::string path =
      join_path(cell_directory(trained.key),
                fmt::format("outcomes_{}.json", world::split_name(options_.split)));
  if (!file_exists(path)) {
    if (only_what_is_there_) return {};
    say(fmt::format("seed {}: asking {}", seed, trained.key));
    if (events_.training.stop_requested && events_.training.stop_requested())
      throw Error("lab: interrupted: run it again to go on", ExitCode::kInterrupted);
    const world::World world(seed);
    const world::HarbourRegister harbour(world);
    const world::WorldEvalSet set = world::make_world_eval(world, harbour, options_.split);
    const Checkpoint checkpoint = Checkpoint::open(trained.checkpoint);
    const Model model = checkpoint.load_model();
    const world::WorldScore score = score_world(model, checkpoint.tokenizer(), set);
    write_file_atomic(path, outcomes_json(score.outcomes(), score.metrics()).dump());
  }
  const nlohmann::json json = parse_json(read_file(path), path);
  Asked asked;
  asked.chain = trained.chain;
  for (const auto& [name, figure] : json.at("metrics").items())
    asked.metrics.push_back({name, figure.at(0).is_null() ? 0 : figure.at(0).get<double>(),
                             figure.at(1).get<int64_t>(), figure.at(2).get<int64_t>()});
  for (const auto& outcome : json.at("outcomes"))
    asked.outcomes.push_back({outcome.at(0), outcome.at(1), outcome.at(2), outcome.at(3) == 1});
  return asked;
}

ExperimentResult Laboratory::evaluate(const Experiment& experiment,
                                      const std::vector<std::vector<Asked>>& asked) const {
  ExperimentResult result;
  result.experiment = experiment;
  result.seeds = options_.seeds;
  result.version = kVersion;
  std::vector<std::string> metrics = {experiment.measure.metric};
  metrics.insert(metrics.end(), experiment.tell.begin(), experiment.tell.end());
  std::vector<Outcomes> of_cell, of_other;
  for (size_t c = 0; c < asked.size(); ++c) {
    CellResult cell = {experiment.cells[c].name, {}};
    for (const std::string& metric : metrics) {
      for (const Asked& one : asked[c]) {
        const auto found = std::ranges::find(one.metrics, metric, &world::WorldMetric::name);
        MINILLM_CHECK_USAGE(found != one.metrics.end(), "experiment '{}': there is no metric '{}'",
                            experiment.name, metric);
        cell.metrics[metric].push_back({found->value, found->count, found->of});
      }
    }
    for (const Asked& one : asked[c]) {
      if (cell.name == experiment.measure.cell) of_cell.push_back(one.outcomes);
      if (cell.name == experiment.measure.against) of_other.push_back(one.outcomes);
    }
    result.cells.push_back(std::move(cell));
  }
  std::set<std::string> steps;
  for (const std::vector<Asked>& seeds : asked)
    for (const Asked& one : seeds) steps.insert(one.chain.begin(), one.chain.end());
  for (const std::string& key : steps) {
    const std::string done = join_path(cell_directory(key), kDone);
    result.seconds += parse_json(read_file(done), done).value("seconds", 0.0);
  }
  result.difference = paired_difference(of_cell, of_other, experiment.measure.metric);
  result.verdict = judge(experiment.measure.expects, experiment.measure.margin, result.difference);
  return result;
}

ExperimentResult Laboratory::run(const Experiment& experiment) {
  std::vector<std::vector<Asked>> asked(experiment.cells.size());
  // Seed by seed: after the first one there is something to see.
  for (const uint64_t seed : options_.seeds)
    for (size_t c = 0; c < experiment.cells.size(); ++c)
      asked[c].push_back(ask(train(experiment.cells[c], seed), seed));
  ExperimentResult result = evaluate(experiment, asked);
  write(result);
  return result;
}

std::vector<ExperimentResult> Laboratory::results(const std::vector<Experiment>& experiments) {
  only_what_is_there_ = true;
  std::vector<ExperimentResult> all;
  for (const Experiment& experiment : experiments) {
    std::vector<std::vector<Asked>> asked(experiment.cells.size());
    bool whole = true;
    for (const uint64_t seed : options_.seeds)
      for (size_t c = 0; whole && c < experiment.cells.size(); ++c) {
        const Trained trained = train(experiment.cells[c], seed);
        if (!trained.key.empty()) asked[c].push_back(ask(trained, seed));
        whole = !trained.key.empty() && !asked[c].back().metrics.empty();
      }
    if (whole) all.push_back(evaluate(experiment, asked));
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
