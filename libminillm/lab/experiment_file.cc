// Reads an experiment's TOML file.

#include <fmt/ranges.h>
#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/core/toml_reader.h"
#include "libminillm/lab/experiment.h"

namespace minillm::lab {
namespace {

constexpr std::string_view kDials[] = {"without",        "newcomers", "false_pairs",  "untold",
                                       "inverted_pairs", "told_rate", "told_falsely", "mix",
                                       "refused",        "manner",    "longer",       "secrets"};
constexpr const char* kSteps[] = {"base", "fresh",        "second", "sft",  "dpo",
                                  "rl",   "constitution", "own",    "notes"};
constexpr std::string_view kOwn = "own";  // the only step that a cell may have more than once

class Reader : private TomlReader {
 public:
  explicit Reader(const std::string& file) : TomlReader("experiment '" + file + "'") {}

  Experiment read(const std::string& toml) {
    const toml::table table = parse(toml);
    expect_keys(table, {"name", "claim", "says", "refuted_by", "found", "literature", "measure",
                        "tell", "cell"});
    Experiment experiment;
    experiment.name = text(need(table, "name"), "name");
    experiment.claim = text(need(table, "claim"), "claim");
    experiment.says = text(need(table, "says"), "says");
    experiment.refuted_by = text(need(table, "refuted_by"), "refuted_by");
    if (const toml::node* node = table.get("found")) experiment.found = text(*node, "found");
    if (const toml::node* node = table.get("literature"))
      experiment.literature = texts(*node, "literature");
    if (const toml::node* node = table.get("tell")) experiment.tell = texts(*node, "tell");
    const toml::node& cells = need(table, "cell");
    if (!cells.is_array()) fail(cells, "cell: expected [[cell]]");
    for (const toml::node& node : *cells.as_array())
      experiment.cells.push_back(cell(node, experiment.cells));
    experiment.measure = measure(need(table, "measure"), experiment);
    return experiment;
  }

 private:
  const toml::node& need(const toml::table& table, const char* key) const {
    const toml::node* const node = table.get(key);
    if (node == nullptr) fail(table, "expected '{}'", key);
    return *node;
  }
  double number(const toml::node& node, std::string_view key) const {
    const auto value = node.value<double>();
    if (!value) fail(node, "{}: expected a number", key);
    return *value;
  }
  const toml::table& subtable(const toml::node& node, std::string_view key) const {
    if (!node.is_table()) fail(node, "{}: expected a table", key);
    return *node.as_table();
  }

  Cell cell(const toml::node& node, const std::vector<Cell>& before) const {
    const toml::table& table = subtable(node, "cell");
    Cell cell;
    cell.name = text(need(table, "name"), "name");
    if (const toml::node* agreement = table.get("agreement")) {
      expect_keys(table, {"name", "agreement"});
      cell.agreement = cells_before(*agreement, "agreement", before);
      return cell;
    }
    if (const toml::node* adapters = table.get("adapters")) {
      expect_keys(table, {"name", "adapters", "weight"});
      cell.adapters = cells_before(*adapters, "adapters", before);
      if (const toml::node* weight = table.get("weight")) cell.weight = number(*weight, "weight");
      return cell;
    }
    std::vector<std::string_view> keys = {"name", "steps"};
    keys.insert(keys.end(), std::begin(kDials), std::end(kDials));
    const toml::node& steps = need(table, "steps");
    for (const std::string& name : texts(steps, "steps")) {
      const auto known = std::ranges::find(kSteps, std::string_view(name));
      if (known == std::end(kSteps))
        fail(steps, "steps: expected some of {}, got '{}'", fmt::join(kSteps, ", "), name);
      if (name != kOwn && std::ranges::find(keys, name) != keys.end())
        fail(steps, "steps: '{}' twice", name);
      const bool begins = name == "base" || name == "fresh";
      if (begins != cell.steps.empty())
        fail(steps, "steps: expected \"base\" or \"fresh\" first, and only there");
      cell.steps.push_back({name});
      keys.push_back(*known);
    }
    if (cell.steps.empty()) fail(steps, "steps: expected one or more, got none");
    const bool learns_by_reward = std::ranges::find(keys, "rl") != keys.end();
    if (learns_by_reward) keys.push_back("reward");
    expect_keys(table, keys);
    for (Step& step : cell.steps)
      if (const toml::node* own = table.get(step.name)) configure(subtable(*own, step.name), step);
    if (const toml::node* reward = table.get("reward"))
      configure(subtable(*reward, "reward"), cell.reward.emplace(Step{.name = "reward"}));
    count_generations(cell);
    dial(table, cell.dials);
    return cell;
  }

  std::vector<std::string> cells_before(const toml::node& node, const char* key,
                                        const std::vector<Cell>& before) const {
    const std::vector<std::string> names = texts(node, key);
    if (names.size() < 2) fail(node, "{}: expected two cells or more", key);
    for (const std::string& name : names) {
      const auto found = std::ranges::find(before, name, &Cell::name);
      if (found == before.end() || found->steps.empty())
        fail(node, "{}: expected cells that stand before and have steps, got '{}'", key, name);
    }
    return names;
  }

  // Fresh models, each trained as the first one was.
  static void count_generations(Cell& cell) {
    int64_t generation = 0;
    for (Step& step : cell.steps) {
      if (step.name != kOwn) continue;
      if (!step.own) step.own.emplace();
      step.own->generation = ++generation;
      const std::vector<std::string>& first = cell.steps.front().settings;
      step.settings.insert(step.settings.begin(), first.begin(), first.end());
    }
  }

  OwnText own_text(const toml::table& table) const {
    OwnText own;
    if (const toml::node* node = table.get("documents")) {
      own.documents = node->value<int64_t>().value_or(0);
      if (own.documents < 1) fail(*node, "documents: expected a number, 1 or more");
    }
    if (const toml::node* node = table.get("temperature")) {
      own.temperature = number(*node, "temperature");
      if (!(own.temperature > 0)) fail(*node, "temperature: expected more than 0");
    }
    if (const toml::node* node = table.get("keep")) {
      const std::string keep = text(*node, "keep");
      if (keep != "all" && keep != "true")
        fail(*node, "keep: expected \"all\" or \"true\", got \"{}\"", keep);
      own.only_true = keep == "true";
    }
    if (const toml::node* node = table.get("with_stories")) {
      const auto value = node->value<bool>();
      if (!value) fail(*node, "with_stories: expected true or false");
      own.with_stories = *value;
    }
    return own;
  }

  void configure(const toml::table& table, Step& step) const {
    if (step.name == kOwn) {
      expect_keys(table, {"set", "documents", "temperature", "keep", "with_stories"});
      step.own = own_text(table);
    } else {
      expect_keys(table, {"set", "replay", "rows"});
    }
    if (const toml::node* set = table.get("set")) step.settings = texts(*set, "set");
    if (const toml::node* replay = table.get("replay")) {
      const auto value = replay->value<bool>();
      if (!value) fail(*replay, "replay: expected true or false");
      step.replay = *value;
    }
    if (const toml::node* rows = table.get("rows")) {
      const auto value = rows->value<int64_t>();
      if (!value || *value < 1) fail(*rows, "rows: expected a number of rows, 1 or more");
      step.rows = *value;
    }
  }

  void dial(const toml::table& table, world::WorldDials& dials) const {
    if (const toml::node* node = table.get("without")) dials.without = texts(*node, "without");
    for (const auto& [name, share] :
         {std::pair("newcomers", &dials.newcomers), std::pair("false_pairs", &dials.false_pairs),
          std::pair("untold", &dials.untold), std::pair("told_rate", &dials.told_rate),
          std::pair("told_falsely", &dials.told_falsely)})
      if (const toml::node* node = table.get(name)) *share = number(*node, name);
    for (const auto& [name, word] :
         {std::pair("manner", &dials.manner), std::pair("longer", &dials.longer),
          std::pair("secrets", &dials.secrets)})
      if (const toml::node* node = table.get(name)) *word = text(*node, name);
    if (const toml::node* node = table.get("refused")) dials.refused = number(*node, "refused");
    if (const toml::node* node = table.get("mix"))
      for (const auto& [kind, share] : subtable(*node, "mix"))
        dials.mix[std::string(kind.str())] = number(share, kind.str());
    if (const toml::node* node = table.get("inverted_pairs")) {
      const auto value = node->value<bool>();
      if (!value) fail(*node, "inverted_pairs: expected true or false");
      dials.inverted_pairs = *value;
    }
    try {
      world::check_dials(dials);
    } catch (const Error& error) {
      fail(table, "{}", error.what());
    }
  }

  Measure measure(const toml::node& node, const Experiment& experiment) const {
    const toml::table& table = subtable(node, "measure");
    expect_keys(table, {"metric", "cell", "against", "against_metric", "margin", "expects"});
    Measure measure;
    measure.metric = text(need(table, "metric"), "metric");
    if (measure.metric.starts_with("log/"))
      fail(table, "metric: expected one that checkpoints are asked for, got '{}'", measure.metric);
    if (const toml::node* other = table.get("against_metric"))
      measure.against_metric = text(*other, "against_metric");
    measure.margin = number(need(table, "margin"), "margin");
    if (measure.margin < 0) fail(table, "margin: expected at least 0, got {}", measure.margin);
    for (const auto& [key, value] :
         {std::pair("cell", &measure.cell), std::pair("against", &measure.against)}) {
      *value = text(need(table, key), key);
      if (std::ranges::find(experiment.cells, *value, &Cell::name) == experiment.cells.end())
        fail(table, "{}: there is no cell '{}'", key, *value);
    }
    const std::string expects = text(need(table, "expects"), "expects");
    if (expects == "less")
      measure.expects = Expectation::kLess;
    else if (expects == "same")
      measure.expects = Expectation::kSame;
    else if (expects != "more")
      fail(table, "expects: expected \"more\", \"less\" or \"same\", got \"{}\"", expects);
    return measure;
  }
};

}  // namespace

std::span<const char* const> lab_steps() { return kSteps; }

Experiment parse_experiment(const std::string& toml, const std::string& file) {
  Experiment experiment = Reader(file).read(toml);
  std::set<std::string> names;
  for (const Cell& cell : experiment.cells)
    MINILLM_CHECK_USAGE(names.insert(cell.name).second, "experiment '{}': two cells '{}'", file,
                        cell.name);
  return experiment;
}

}  // namespace minillm::lab
