#include "libminillm/lab/experiment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "libminillm/core/file.h"
#include "libminillm/lab/forms.h"
#include "libminillm/lab/own_text.h"
#include "libminillm/lab/question_groups.h"
#include "libminillm/lab/steps.h"
#include "libminillm/world/probes.h"
#include "libminillm/world/scoring.h"
#include "tests/testing/expect_error.h"

namespace minillm::lab {
namespace {

constexpr const char* kHead = R"(name = "x"
claim = "a claim"
says = "somebody"
refuted_by = "this"
)";
constexpr const char* kMeasure = R"([measure]
metric = "answer_accuracy"
cell = "a"
against = "b"
margin = 0.1
expects = "less"
)";
constexpr const char* kAligned = R"([[cell]]
name = "a"
steps = ["base", "sft", "rl"]
reward = { rows = 100, set = ["train.epochs=3"] }
[[cell]]
name = "b"
steps = ["base", "sft", "constitution"]
constitution = { rows = 50 }
)";
constexpr const char* kCells = R"([[cell]]
name = "a"
steps = ["base", "second", "sft", "dpo"]
without = ["system"]
newcomers = 0.5
dpo = { replay = false, set = ["dpo.sft_weight=0"] }
[[cell]]
name = "b"
steps = "fresh"
)";

Experiment parse(const std::string& toml) { return parse_experiment(toml, "x.toml"); }

TEST(LabExperiment, IsReadFromItsFile) {
  const Experiment experiment = parse(std::string(kHead) + kMeasure + kCells);
  EXPECT_EQ(experiment.claim, "a claim");
  EXPECT_EQ(experiment.measure.margin, 0.1);
  EXPECT_EQ(experiment.measure.expects, Expectation::kLess);
  ASSERT_EQ(experiment.cells.size(), 2U);
  const Cell& cell = experiment.cells[0];
  EXPECT_EQ(cell.dials.without, std::vector<std::string>{"system"});
  EXPECT_EQ(cell.dials.newcomers, 0.5);
  ASSERT_EQ(cell.steps.size(), 4U);
  EXPECT_TRUE(cell.steps[2].replay);
  EXPECT_FALSE(cell.steps[3].replay);
  EXPECT_EQ(cell.steps[3].settings, std::vector<std::string>{"dpo.sft_weight=0"});
}

TEST(LabExperiment, WhatIsLearnedWithoutLabelsHasAJudge) {
  const Experiment experiment = parse(std::string(kHead) + kMeasure + kAligned);
  const Cell& cell = experiment.cells[0];
  ASSERT_TRUE(cell.reward);
  EXPECT_EQ(cell.reward->name, "reward");
  EXPECT_EQ(cell.reward->rows, 100);
  EXPECT_EQ(cell.reward->settings, std::vector<std::string>{"train.epochs=3"});
  EXPECT_FALSE(experiment.cells[1].reward);
  EXPECT_EQ(experiment.cells[1].steps[2].rows, 50);

  const std::string before = std::string(kHead) + kMeasure + "[[cell]]\nname = \"a\"\n";
  EXPECT_ERROR(parse(before + "steps = [\"base\", \"sft\"]\nreward = {}\n"),
               "unknown key 'reward'");
  EXPECT_ERROR(parse(before + "steps = [\"base\", \"reward\"]\n"), "got 'reward'");
  EXPECT_ERROR(parse(before + "steps = [\"base\", \"rl\"]\nreward = { row = 1 }\n"),
               "unknown key 'row' (did you mean 'rows'?)");
  EXPECT_ERROR(parse(before + "steps = [\"base\", \"rl\"]\nrl = { rows = 0 }\n"),
               "experiment 'x.toml':14: rows: expected a number of rows, 1 or more");
  std::string measure = kMeasure;
  measure.replace(measure.find("answer_accuracy"), 15, "log/kl_per_answer");
  EXPECT_ERROR(parse(kHead + measure + kAligned),
               "metric: expected one that checkpoints are asked for, got 'log/kl_per_answer'");
}

TEST(LabExperiment, RunsMayAgree) {
  const std::string start = std::string(kHead) + kMeasure + kAligned;
  const Experiment experiment =
      parse(start + "[[cell]]\nname = \"c\"\nagreement = [\"a\", \"b\"]\n");
  EXPECT_EQ(experiment.cells[2].agreement, (std::vector<std::string>{"a", "b"}));
  const auto refused = [&](const std::string& line, const char* expected) {
    EXPECT_ERROR(parse(start + "[[cell]]\nname = \"c\"\n" + line), expected);
  };
  refused("agreement = \"a\"\n", "agreement: expected two cells or more");
  refused("agreement = [\"a\", \"d\"]\n", "stand before and have steps, got 'd'");
  refused("agreement = [\"a\", \"c\"]\n", "got 'c'");
  refused("agreement = [\"a\", \"b\"]\nsteps = \"base\"\n", "unknown key 'steps'");
}

TEST(LabExperiment, AdaptersMayBeComposed) {
  const std::string start = std::string(kHead) + kMeasure + kAligned;
  const Experiment experiment =
      parse(start + "[[cell]]\nname = \"c\"\nadapters = [\"a\", \"b\"]\nweight = 0.5\n");
  EXPECT_EQ(experiment.cells[2].adapters, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(experiment.cells[2].weight, 0.5);
  EXPECT_ERROR(parse(start + "[[cell]]\nname = \"c\"\nadapters = [\"a\"]\n"),
               "adapters: expected two cells or more");
  EXPECT_ERROR(parse(start + "[[cell]]\nname = \"c\"\nweight = 0.5\nsteps = \"base\"\n"),
               "unknown key 'weight'");
}

TEST(LabExperiment, DialsAreReadByName) {
  const std::string start = std::string(kHead) + kMeasure;
  const Experiment experiment = parse(start + R"([[cell]]
name = "a"
steps = "base"
told_rate = 0.25
told_falsely = 0.5
mix = { unknown = 0.2, harmful_pairs = 0.4 }
refused = 1
manner = "polite"
longer = "chosen"
secrets = "user"
[[cell]]
name = "b"
steps = "base"
)");
  const world::WorldDials& dials = experiment.cells[0].dials;
  EXPECT_EQ(dials.told_rate, 0.25);
  EXPECT_EQ(dials.told_falsely, 0.5);
  EXPECT_EQ(dials.mix.at("unknown"), 0.2);
  EXPECT_EQ(dials.mix.at("harmful_pairs"), 0.4);
  EXPECT_EQ(dials.refused, 1);
  EXPECT_EQ(dials.manner, "polite");
  EXPECT_EQ(dials.longer, "chosen");
  EXPECT_EQ(dials.secrets, "user");
  EXPECT_FALSE(experiment.cells[1].dials.refused);
  EXPECT_ERROR(parse(start + "[[cell]]\nname = \"a\"\nsteps = \"base\"\nmanner = \"kind\"\n"),
               "'manner': expected one of polite, rambling, rude");
  EXPECT_ERROR(parse(start + "[[cell]]\nname = \"a\"\nsteps = \"base\"\nmix = { lists = 1 }\n"),
               "'mix': expected some of");
}

TEST(LabExperiment, MistakesAreToldWithTheirLine) {
  const std::string head = kHead, measure = kMeasure, cells = kCells;
  EXPECT_ERROR(parse("name = "), "experiment 'x.toml':1: not valid TOML");
  EXPECT_ERROR(parse("claims = \"x\"\n"), "unknown key 'claims' (did you mean 'claim'?)");
  EXPECT_ERROR(parse(measure + cells), "expected 'name'");
  EXPECT_ERROR(parse(head + cells), "expected 'measure'");
  EXPECT_ERROR(parse(head + measure), "expected 'cell'");
  EXPECT_ERROR(parse(head + measure + "[[cell]]\nname = \"a\"\nsteps = \"basis\"\n"),
               "experiment 'x.toml':13: steps: expected some of base, fresh, second, sft, dpo, rl, "
               "constitution, own, notes, got 'basis'");
  EXPECT_ERROR(parse(head + measure + "[[cell]]\nname = \"a\"\nsteps = \"sft\"\n"),
               "\"base\" or \"fresh\" first");
  EXPECT_ERROR(
      parse(head + measure + "[[cell]]\nname = \"a\"\nsteps = [\"base\", \"sft\", \"sft\"]\n"),
      "'sft' twice");
  EXPECT_ERROR(parse(head + measure + "[[cell]]\nname = \"a\"\nsteps = \"base\"\nsft = {}\n"),
               "unknown key 'sft'");
  EXPECT_ERROR(parse(head + measure + "[[cell]]\nname = \"a\"\nsteps = \"base\"\n"),
               "against: there is no cell 'b'");
  EXPECT_ERROR(parse(head + measure + cells + cells), "two cells 'a'");
  EXPECT_ERROR(parse(head + measure + cells + "newcomers = 2\n"), "from 0 to 1, got 2");
  EXPECT_ERROR(parse(head + measure + cells + "without = \"systems\"\n"), "got 'systems'");
}

TEST(LabExperiment, GenerationsOfOwnTextAreFreshModelsLikeTheFirst) {
  const std::string cell = std::string(kHead) + kMeasure +
                           "[[cell]]\nname = \"b\"\nsteps = \"base\"\n" +
                           "[[cell]]\nname = \"a\"\nsteps = [\"base\", \"own\", \"own\"]\n";
  const Experiment experiment =
      parse(cell +
            "base = { set = [\"train.steps=9\"] }\nown = { documents = 50, temperature = 0.7, "
            "keep = \"true\", with_stories = true, set = [\"train.learning_rate=1e-3\"] }\n");
  const std::vector<Step>& steps = experiment.cells[1].steps;
  ASSERT_EQ(steps.size(), 3U);
  EXPECT_FALSE(steps[0].own);
  for (size_t i : {1, 2}) {
    ASSERT_TRUE(steps[i].own);
    EXPECT_EQ(steps[i].own->generation, static_cast<int64_t>(i));
    EXPECT_EQ(steps[i].own->documents, 50);
    EXPECT_EQ(steps[i].own->temperature, 0.7);
    EXPECT_TRUE(steps[i].own->only_true && steps[i].own->with_stories);
    EXPECT_EQ(steps[i].settings,
              (std::vector<std::string>{"train.steps=9", "train.learning_rate=1e-3"}));
  }
  const std::optional<OwnText> plain = parse(cell).cells[1].steps[1].own;
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->documents, 10000);
  EXPECT_FALSE(plain->only_true || plain->with_stories);

  const auto with = [&](const std::string& own) { return parse(cell + "own = " + own + "\n"); };
  EXPECT_ERROR(with("{ documents = 0 }"), "documents: expected a number, 1 or more");
  EXPECT_ERROR(with("{ temperature = 0 }"), "temperature: expected more than 0");
  EXPECT_ERROR(with("{ keep = \"some\" }"), "expected \"all\" or \"true\", got \"some\"");
  EXPECT_ERROR(with("{ with_stories = \"yes\" }"), "with_stories: expected true or false");
  EXPECT_ERROR(with("{ replay = false }"), "unknown key 'replay'");
}

TEST(LabExperiment, TheDocumentsExampleIsOne) {
  const std::string document = read_file(MINILLM_SOURCE_DIR "/libminillm/doc/lab.md");
  const size_t begin = document.find("```toml\n") + 8;
  const Experiment experiment =
      parse_experiment(document.substr(begin, document.find("```", begin) - begin), "lab.md");
  EXPECT_EQ(experiment.name, "without-lists");
  EXPECT_EQ(experiment.cells[1].steps[1].settings.size(), 1U);
}

// All that a checkpoint can be asked for.
std::set<std::string> known_metrics() {
  std::set<std::string> metrics;
  for (const world::WorldMetric& metric : world::WorldScore().metrics())
    metrics.insert(metric.name);
  const std::set<std::string> of_world = metrics;
  const world::World world(1);
  const world::HarbourRegister harbour(world);
  for (const world::Probe& probe : make_probes(world, harbour, world::Split::kTest))
    for (const world::ProbeMetric& metric : probe.metrics) metrics.emplace(metric.name);
  for (const char* turn : {"user", "answer"})
    for (const world::Canary& secret : world::make_secrets(1))
      metrics.insert(world::secret_metric(turn, secret.repeats));
  for (const char* other :
       {"true_value_rate", "false_value_rate", "true_value_probability", "false_value_probability",
        "one_word_brier", "one_word_overconfidence", "chosen_log_prob", "rejected_log_prob"})
    metrics.insert(other);
  for (const std::string& metric : metrics)
    EXPECT_EQ(&group_of(metric) == &question_groups().front(), of_world.contains(metric)) << metric;
  for (const world::WorldMetric& metric : own_text_metrics("")) metrics.insert(metric.name);
  metrics.insert("bits_per_byte");
  return metrics;
}

// It can be run: its metrics and settings are known.
void expect_whole(const Experiment& experiment, const std::set<std::string>& metrics) {
  SCOPED_TRACE(experiment.name);
  EXPECT_GE(experiment.tell.size(), 2U);
  for (const std::string& metric : shown_metrics(experiment))
    EXPECT_TRUE(metrics.contains(metric) || metric.starts_with("log/")) << metric;
  EXPECT_TRUE(experiment.measure.cell != experiment.measure.against ||
              against_metric(experiment.measure) != experiment.measure.metric);
  for (const Cell& cell : experiment.cells) {
    for (const Step& step : cell.steps)
      EXPECT_NO_THROW(plan_step(step, cell.dials, 1)) << cell.name << ": " << step.name;
    if (cell.reward) {
      EXPECT_NO_THROW(plan_step(*cell.reward, cell.dials, 1)) << cell.name;
    }
  }
}

// In a hurry only what a verdict compares is trained, and what that is made of.
TEST(LabExperiment, KeepsTheCellsThatDecide) {
  const Experiment whole = find_experiment("dpo-or-rl");
  const Experiment quick = with_deciding_cells(whole);
  std::set<std::string> names;
  for (const Cell& cell : quick.cells) names.insert(cell.name);
  EXPECT_TRUE(names.contains(whole.measure.cell) && names.contains(whole.measure.against));
  for (const Cell& cell : quick.cells)
    for (const std::string& part : cell.agreement) EXPECT_TRUE(names.contains(part)) << part;
  EXPECT_GT(names.size(), 2U) << "agreements are of cells";
  EXPECT_EQ(with_deciding_cells(find_experiment("three-phases")).cells.size(), 2U);
  for (const Experiment& experiment : all_experiments())
    expect_whole(with_deciding_cells(experiment), known_metrics());
}

TEST(LabExperiment, AllOfOursAreWhole) {
  const std::set<std::string> metrics = known_metrics();
  std::set<std::string> names;
  ASSERT_GE(all_experiments().size(), 10U);
  for (const Experiment& experiment : all_experiments()) {
    expect_whole(experiment, metrics);
    EXPECT_TRUE(names.insert(experiment.name).second) << experiment.name;
    EXPECT_FALSE(experiment.literature.empty()) << experiment.name;
    EXPECT_EQ(&find_experiment(experiment.name), &experiment);
  }
  EXPECT_ERROR(find_experiment("goodhard"), "did you mean 'goodhart'?");
}

TEST(LabExperiment, TheExercisesOneIsWhole) {
  const std::string path = MINILLM_SOURCE_DIR "/libminillm/doc/exercises/cost.toml";
  const Experiment experiment = parse_experiment(read_file(path), path);
  expect_whole(experiment, known_metrics());
  // All cells train one base model: otherwise a build's table would take three times as long.
  for (const Cell& cell : experiment.cells)
    EXPECT_EQ(cell.steps.front().settings, experiment.cells.front().steps.front().settings);
}

}  // namespace
}  // namespace minillm::lab
