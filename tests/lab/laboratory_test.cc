#include "libminillm/lab/laboratory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string_view>

#include "libminillm/core/file.h"
#include "libminillm/lab/diagnosis_trial.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace minillm::lab {
namespace {

// Small enough for a test: what comes of it means nothing.
constexpr const char* kTiny = R"(name = "tiny"
claim = "Rows under a rule matter."
says = "somebody"
refuted_by = "nothing"
tell = ["cloze_accuracy", "sum_accuracy"]
[measure]
metric = "answer_format"
cell = "without"
against = "with"
margin = 0.1
expects = "less"
[[cell]]
name = "with"
steps = ["base", "sft"]
base = { set = ["model.vocab_size=400", "model.hidden_size=16", "model.intermediate_size=32", "model.num_hidden_layers=1", "model.num_attention_heads=1", "model.num_key_value_heads=1", "model.head_dim=16", "train.batch_tokens=1024"] }
[[cell]]
name = "without"
steps = ["base", "sft"]
without = ["system"]
base = { set = ["model.vocab_size=400", "model.hidden_size=16", "model.intermediate_size=32", "model.num_hidden_layers=1", "model.num_attention_heads=1", "model.num_key_value_heads=1", "model.head_dim=16", "train.batch_tokens=1024"] }
)";

// The same with what comes after fine-tuning.
constexpr const char* kTinyAligned = R"(name = "aligned"
claim = "It matters who judges."
says = "somebody"
refuted_by = "nothing"
tell = ["log/kl_per_answer", "log/rewards/model/mean", "log/rewards/world/mean"]
[measure]
metric = "answer_format"
cell = "by a reward model"
against = "by a principle"
margin = 0.1
expects = "less"
[[cell]]
name = "by a reward model"
steps = ["base", "sft", "rl"]
base = { set = ["model.vocab_size=400", "model.hidden_size=16", "model.intermediate_size=32", "model.num_hidden_layers=1", "model.num_attention_heads=1", "model.num_key_value_heads=1", "model.head_dim=16", "train.batch_tokens=1024"] }
reward = { rows = 10 }
rl = { rows = 9, set = ["train.steps=6", "rl.kinds=", "rl.questions=2", "rl.samples=2", "rl.max_tokens=8"] }
[[cell]]
name = "by a principle"
steps = ["base", "sft", "constitution"]
base = { set = ["model.vocab_size=400", "model.hidden_size=16", "model.intermediate_size=32", "model.num_hidden_layers=1", "model.num_attention_heads=1", "model.num_key_value_heads=1", "model.head_dim=16", "train.batch_tokens=1024"] }
constitution = { rows = 8, set = ["train.epochs=1"] }
)";

// Adapters that are added to one model; times nothing they leave it what it was.
constexpr const char* kTinyAdapters = R"(name = "adapters"
claim = "Adapters add up."
says = "somebody"
refuted_by = "nothing"
tell = ["chosen_log_prob"]
[measure]
metric = "rejected_log_prob"
cell = "both"
against = "neither"
margin = 0.1
expects = "less"
[[cell]]
name = "base"
steps = ["base"]
base = { set = ["model.vocab_size=400", "model.hidden_size=16", "model.intermediate_size=32", "model.num_hidden_layers=1", "model.num_attention_heads=1", "model.num_key_value_heads=1", "model.head_dim=16", "train.batch_tokens=1024"] }
[[cell]]
name = "one"
steps = ["base", "sft"]
base = { set = ["model.vocab_size=400", "model.hidden_size=16", "model.intermediate_size=32", "model.num_hidden_layers=1", "model.num_attention_heads=1", "model.num_key_value_heads=1", "model.head_dim=16", "train.batch_tokens=1024"] }
sft = { set = ["lora.rank=2", "train.learning_rate=1e-2"] }
[[cell]]
name = "other"
steps = ["base", "sft"]
without = ["system"]
base = { set = ["model.vocab_size=400", "model.hidden_size=16", "model.intermediate_size=32", "model.num_hidden_layers=1", "model.num_attention_heads=1", "model.num_key_value_heads=1", "model.head_dim=16", "train.batch_tokens=1024"] }
sft = { set = ["lora.rank=2", "train.learning_rate=1e-2"] }
[[cell]]
name = "both"
adapters = ["one", "other"]
[[cell]]
name = "neither"
adapters = ["one", "other"]
weight = 0
)";

class LabRun : public testing::Test {
 protected:
  LabOptions options(const std::string& build = "a") {
    LabOptions options;
    options.directory = directory_.path();
    options.seeds = {1};
    options.build = build;
    options.world.stories = 120;
    options.world.sft_rows = 80;
    options.world.pairs = 20;
    return options;
  }
  LabEvents events() {
    LabEvents events;
    events.on_message = [this](const std::string& message) { said_.push_back(message); };
    return events;
  }
  size_t trainings() const {
    return static_cast<size_t>(
        std::count_if(said_.begin(), said_.end(), [](const std::string& message) {
          return message.find("training '") != std::string::npos;
        }));
  }

  minillm_testing::TempDir directory_;
  std::vector<std::string> said_;
};

TEST_F(LabRun, CellsAreTrainedOnceAndTheirFilesSayWhatCameOfThem) {
  const Experiment experiment = parse_experiment(kTiny, "tiny.toml");
  const ExperimentResult result = Laboratory(options(), events()).run(experiment);
  EXPECT_EQ(trainings(), 3U) << "the base is shared";
  ASSERT_EQ(result.cells.size(), 2U);
  EXPECT_EQ(result.cells[0].metrics.at("answer_format").size(), 1U);
  EXPECT_GT(result.difference.questions, 1000);
  for (const char* name : {"table.md", "table.csv", "figure.svg", "verdict.json"})
    EXPECT_TRUE(file_exists(join_path(join_path(directory_.path(), "tiny"), name))) << name;

  // Again: nothing is trained, and the same comes of it.
  said_.clear();
  const ExperimentResult again = Laboratory(options(), events()).run(experiment);
  EXPECT_EQ(said_.size(), 0U) << testing::PrintToString(said_);
  EXPECT_EQ(again.difference.mean, result.difference.mean);
  const auto told = Laboratory(options(), events()).results({experiment});
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].difference.interval.high, result.difference.interval.high);
  const auto asked = Laboratory(options(), events()).asked_checkpoints({experiment, experiment});
  ASSERT_EQ(asked.size(), 2U) << "each once";
  EXPECT_EQ(asked[1].cell, "tiny: without");
  EXPECT_EQ(asked[1].metrics.at("cloze_accuracy").of, 1080);
  // Another program, another seed and another dial are other cells.
  EXPECT_TRUE(Laboratory(options("b"), events()).results({experiment}).empty());
  EXPECT_TRUE(Laboratory(options("b"), events()).asked_checkpoints({experiment}).empty());
  Experiment dialed = experiment;
  dialed.cells[1].dials.without = {"list"};
  EXPECT_TRUE(Laboratory(options(), events()).results({dialed}).empty());
  EXPECT_EQ(said_.size(), 0U) << "it only looked";
  Laboratory(options(), events()).run(dialed);
  EXPECT_EQ(trainings(), 1U);
}

// However often it is stopped, it goes on to the same end.
class LabIsStopped : public LabRun, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Lab, LabIsStopped, testing::Values(kTiny, kTinyAligned));
TEST_P(LabIsStopped, AnywhereAndGoesOn) {
  const Experiment experiment = parse_experiment(GetParam(), "tiny.toml");
  LabOptions whole = options();
  whole.directory = join_path(directory_.path(), "whole");
  const ExperimentResult expected = Laboratory(whole, {}).run(experiment);

  std::optional<ExperimentResult> result;
  int stops = 0;
  for (int patience = 1; !result; patience += 1 + patience / 2) {
    LabEvents events;
    int asked = 0;
    events.training.stop_requested = [&] { return ++asked > patience; };
    try {
      result = Laboratory(options(), events).run(experiment);
    } catch (const Error& error) {
      ASSERT_EQ(error.exit_code(), ExitCode::kInterrupted) << error.what();
      ++stops;
    }
    ASSERT_LT(stops, 50);
  }
  EXPECT_GT(stops, 3);
  EXPECT_EQ(result->difference.mean, expected.difference.mean);
  EXPECT_EQ(result->difference.interval.low, expected.difference.interval.low);
  for (const std::string& metric : experiment.tell)
    for (size_t c = 0; c < result->cells.size(); ++c)
      EXPECT_EQ(result->cells[c].metrics.at(metric)[0].value,
                expected.cells[c].metrics.at(metric)[0].value)
          << metric;
}

TEST_F(LabRun, AlignsByARewardModelAndByAPrinciple) {
  Experiment experiment = parse_experiment(kTinyAligned, "aligned.toml");
  const ExperimentResult result = Laboratory(options(), events()).run(experiment);
  EXPECT_EQ(trainings(), 5U) << "base, sft, reward, rl, constitution";
  // Of the log of the last step, which for preference tuning has no KL.
  const auto& by_model = result.cells[0].metrics;
  EXPECT_EQ(by_model.at("log/kl_per_answer")[0].of, 3) << "six steps, of which every second";
  EXPECT_EQ(by_model.at("log/rewards/model/mean")[0].of, 3) << "it pays";
  EXPECT_GE(by_model.at("log/rewards/world/mean")[0].value, 0) << "and the truth is told";
  EXPECT_EQ(result.cells[1].metrics.at("log/kl_per_answer")[0].of, 0);

  // Cells that agree are counted, not trained.
  said_.clear();
  experiment.cells.push_back({"agree", {}, {}, {}, {"by a reward model", "by a principle"}});
  const ExperimentResult agreed = Laboratory(options(), events()).run(experiment);
  EXPECT_EQ(said_.size(), 0U) << testing::PrintToString(said_);
  const SeedFigure agree = agreed.cells[2].metrics.at("answer_format")[0];
  const SeedFigure one = agreed.cells[0].metrics.at("answer_format")[0];
  const SeedFigure other = agreed.cells[1].metrics.at("answer_format")[0];
  EXPECT_EQ(agree.of, one.of);
  EXPECT_LE(std::abs(one.count - other.count), agree.of - agree.count);
  EXPECT_EQ(agreed.cells[2].metrics.at("log/kl_per_answer")[0].of, 0) << "they have no log";
  experiment.cells.pop_back();

  // What one reward model is trained on is part of what is trained on it.
  said_.clear();
  experiment.cells[0].reward->rows = 11;
  Laboratory(options(), events()).run(experiment);
  EXPECT_EQ(trainings(), 2U) << testing::PrintToString(said_);
  said_.clear();
  experiment.cells[1].steps[2].settings = {"train.epochs=1", "principle.refusal=Nobody"};
  Laboratory(options(), events()).run(experiment);
  EXPECT_EQ(trainings(), 1U) << testing::PrintToString(said_);
  EXPECT_EQ(Laboratory(options(), events()).results({experiment}).size(), 1U);
}

// Nothing of half a judgement is kept.
TEST_F(LabRun, IsStoppedWhileAModelJudges) {
  Experiment experiment = parse_experiment(kTinyAligned, "aligned.toml");
  std::swap(experiment.cells[0], experiment.cells[1]);
  LabEvents stops = events();
  bool judging = false;
  stops.training.on_progress = [&](const char* work, double, double) {
    judging = judging || std::string_view(work) == "judging";
  };
  stops.training.stop_requested = [&] { return judging; };
  EXPECT_ERROR(Laboratory(options(), stops).run(experiment), "interrupted: run it again to go on");
  EXPECT_TRUE(judging);
  const auto pairs = [this] {
    const std::filesystem::recursive_directory_iterator files(directory_.path());
    return std::count_if(begin(files), end(files), [](const auto& entry) {
      return entry.path().filename() == "pairs.jsonl";
    });
  };
  EXPECT_EQ(pairs(), 0);
  said_.clear();
  Laboratory(options(), events()).checkpoints(experiment.cells[0], 1);
  EXPECT_EQ(trainings(), 1U) << testing::PrintToString(said_);
  EXPECT_EQ(pairs(), 1);
}

TEST_F(LabRun, APrincipleIsChecked) {
  Experiment experiment = parse_experiment(kTinyAligned, "aligned.toml");
  experiment.cells[1].steps[2].settings = {"principle.refusal="};
  std::swap(experiment.cells[0], experiment.cells[1]);
  EXPECT_ERROR(Laboratory(options(), events()).run(experiment),
               "config 'world_principle.toml': principle.refusal: expected a text, got none");
}

TEST_F(LabRun, AdaptersAreAddedToOneModel) {
  const Experiment experiment = parse_experiment(kTinyAdapters, "adapters.toml");
  const ExperimentResult result = Laboratory(options(), events()).run(experiment);
  EXPECT_EQ(trainings(), 3U) << "what is composed is not trained";
  const auto figure = [&](size_t cell) {
    return result.cells[cell].metrics.at("chosen_log_prob").front().value;
  };
  EXPECT_NEAR(figure(4), figure(0), 1e-4) << "times nothing they are the base";
  EXPECT_GT(std::abs(figure(3) - figure(0)), 1e-3);
  EXPECT_GT(std::abs(figure(3) - figure(1)), 1e-3);
  EXPECT_GT(std::abs(figure(3) - figure(2)), 1e-3);
  ASSERT_EQ(Laboratory(options(), events()).results({experiment}).size(), 1U);

  std::string whole = kTinyAdapters;
  for (size_t at = 0; (at = whole.find("\nsft = {")) != std::string::npos;)
    whole.erase(at, whole.find('\n', at + 1) - at);
  EXPECT_ERROR(Laboratory(options(), events()).run(parse_experiment(whole, "whole.toml")),
               "adapter");
}

TEST(LabDiagnosis, IsRightWhereItNamesWhatWasDamaged) {
  DiagnosisTrial trial = {{"pretraining", "fine-tuning"}, {}};
  EXPECT_EQ(trial.right(), 0);
  trial.named["pretraining"] = {{"pretraining", 7}, {"fine-tuning", 3}};
  trial.named["fine-tuning"] = {{"fine-tuning", 10}};
  EXPECT_DOUBLE_EQ(trial.right(), 0.85);
  const std::string table = diagnosis_markdown(trial);
  EXPECT_THAT(table,
              testing::HasSubstr("| pretraining | 10 | 7 | 3 |\n| fine-tuning | 10 | 0 | 10 |"));
  EXPECT_THAT(table, testing::HasSubstr("0.850"));
}

TEST_F(LabRun, AMetricThatThereIsNotIsTold) {
  Experiment experiment = parse_experiment(kTiny, "tiny.toml");
  for (const std::string name : {"cloze_acuracy", "log/kl"}) {
    experiment.tell = {name};
    EXPECT_ERROR(Laboratory(options(), events()).run(experiment),
                 "experiment 'tiny': there is no metric '" + name + "'");
  }
}

}  // namespace
}  // namespace minillm::lab
