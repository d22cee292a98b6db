// What is gathered about runs, and what is concluded from their answers.

#include <gtest/gtest.h>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/core/file.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/report/report.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/tiny_model.h"
#include "tests/testing/toy_model.h"

namespace minillm::report {
namespace {

using minillm_testing::toy_model;
using minillm_testing::toy_tokenizer;

class Gather : public ::testing::Test {
 protected:
  // A run directory with one checkpoint of that stage.
  std::string write_run(const std::string& name, const std::string& stage,
                        const std::string& metrics, const std::string& taught = "") {
    const Model model = toy_model(1, 200);
    CheckpointContents contents;
    contents.model = &model;
    contents.tokenizer = &toy_tokenizer();
    LineageEntry entry;
    entry.stage = stage;
    entry.seed = 7;
    if (!taught.empty()) entry.hashes["template"] = taught;
    contents.state.lineage = {entry};
    write_checkpoint(dir_.file(name) + "/checkpoint-000002", contents);
    dir_.write(name + "/LATEST", "checkpoint-000002");
    if (!metrics.empty()) dir_.write(name + "/metrics.jsonl", metrics);
    return dir_.file(name);
  }
  ReportOptions options(std::vector<std::string> runs, std::vector<ExpectingPrompt> prompts = {}) {
    ReportOptions result;
    result.runs = std::move(runs);
    result.prompts = std::move(prompts);
    result.generation.sampling.temperature = 0;
    result.generation.max_tokens = 6;
    return result;
  }

  minillm_testing::TempDir dir_;
};

TEST_F(Gather, ReadsCheckpointLineageAndMetricsOfEveryRun) {
  create_directories(dir_.file("a"));
  create_directories(dir_.file("b"));
  const std::string a = write_run("a", "pretrain", "{\"step\":1,\"loss\":2}\n");
  const std::string b = write_run("b", "sft", "", kChatTemplateId);
  const Report report = gather_report(options({a, b}, {{{{Role::kUser, "the goat"}}, {}}}));
  ASSERT_EQ(report.runs.size(), 2u);
  EXPECT_EQ(report.runs[0].name, "pretrain");
  EXPECT_EQ(report.runs[0].metrics.size(), 1u);
  EXPECT_EQ(report.runs[0].lineage.back().seed, 7u);
  EXPECT_EQ(report.runs[0].weights_hash.size(), 64u);
  EXPECT_TRUE(report.runs[1].metrics.empty());
  EXPECT_TRUE(report.runs[1].taught_to_chat);

  ASSERT_EQ(report.prompts.size(), 1u);
  const auto& answers = report.prompts[0].answers;
  ASSERT_EQ(answers[0].size(), 2u);  // a base model both ways
  EXPECT_EQ(answers[0][0].form, "as text");
  ASSERT_EQ(answers[1].size(), 1u);
  EXPECT_EQ(answers[1][0].answer.text, answers[0][1].answer.text);  // the same weights
  ASSERT_EQ(report.changes.size(), 1u);
  EXPECT_EQ(report.changes[0].counts.same, 1);
  // The toy does not end by itself: more cannot be said without knowing what is right.
  EXPECT_EQ(answers[1][0].judgement, Judgement::kWrong);
  EXPECT_TRUE(report.prompts[0].diagnosis.failed);
  EXPECT_EQ(report.prompts[0].diagnosis.first_stage, 1);
  EXPECT_EQ(report.prompts[0].diagnosis.phase, "fine-tuning");
}

// A file of prompts may say what is right: no world is needed to find the stage that failed.
TEST_F(Gather, JudgesByWhatTheFileOfPromptsExpects) {
  create_directories(dir_.file("a"));
  create_directories(dir_.file("b"));
  const std::string a = write_run("a", "sft", "", kChatTemplateId);
  const std::string b = write_run("b", "dpo", "", kChatTemplateId);
  const ExpectingPrompt impossible = {{{Role::kUser, "the goat"}},
                                      {"no model says this", "nor that"}};
  const Report report = gather_report(options({a, b}, {impossible}));
  EXPECT_EQ(report.prompts[0].expected, "no model says this or nor that");
  EXPECT_EQ(report.prompts[0].answers[0][0].judgement, Judgement::kWrong);
  EXPECT_TRUE(report.prompts[0].diagnosis.failed);
  EXPECT_EQ(report.prompts[0].diagnosis.first_stage, 0);
}

// Whether pretraining or fine-tuning is to blame for a wrong answer is asked of the base model: a
// fact that it tells when it continues a story is one that it knows.
TEST_F(Gather, AsksTheBaseModelForTheFactOfAPromptThatFails) {
  create_directories(dir_.file("a"));
  create_directories(dir_.file("b"));
  const std::string a = write_run("a", "pretrain", "");
  const std::string b = write_run("b", "sft", "", kChatTemplateId);
  const std::string story = "They say that Ada Mill lives on";
  ReportOptions asking = options({a, b}, {{{{Role::kUser, "Where does Ada Mill live?"}}, {}}});
  asking.generation.max_tokens = 8;
  const std::string told =
      compare_checkpoints({a}, {{{Role::kUser, story}}}, asking.generation).rows[0].answers[0].text;
  ASSERT_FALSE(told.empty());
  for (const std::string& truth : {told, std::string("Weir Path")}) {
    world::WorldEvalSet set;
    set.chat = {{world::ChatItemKind::kAnswer,
                 world::ask_assistant("", "Where does Ada Mill live?"), truth}};
    set.cloze = {{world::ClozeGroup::kFair, "street-1", story, " " + truth}};
    asking.world_eval =
        dir_.write("eval.jsonl", world::world_eval_to_jsonl(set, world::Split::kTest));
    const ReportPrompt prompt = gather_report(asking).prompts[0];
    EXPECT_EQ(prompt.kind, "answer");
    EXPECT_EQ(prompt.answers[1][0].judgement, Judgement::kWrong);  // it does not end
    EXPECT_EQ(prompt.base_knows, truth == told);
    EXPECT_EQ(prompt.diagnosis.phase, truth == told ? "fine-tuning" : "pretraining");
    EXPECT_EQ(prompt.diagnosis.first_stage, truth == told ? 1 : 0);
  }
}

TEST_F(Gather, AddsTheFirstRunWithAdaptersAsOneMore) {
  create_directories(dir_.file("a"));
  const std::string a = write_run("a", "pretrain", "{\"step\":1,\"loss\":2}\n");
  const Checkpoint base = Checkpoint::open(a);
  Model adapted = base.load_model();
  const auto adapter = minillm_testing::random_adapter(adapted.config());
  adapter->base_path = base.path(), adapter->base_hash = base.weights_hash();
  adapted.adapt(adapter);
  write_checkpoint(dir_.file("adapter"), {&adapted, nullptr, {}, {}});
  ReportOptions asking = options({a}, {{{{Role::kUser, "the goat"}}, {}}});
  asking.adapters = {{dir_.file("adapter"), 0.5}};
  const Report report = gather_report(asking);
  ASSERT_EQ(report.runs.size(), 2u);
  EXPECT_EQ(report.runs[0].name, "pretrain");
  EXPECT_EQ(report.runs[1].name, a + " + " + dir_.file("adapter") + ":0.5");
  EXPECT_NE(report.runs[1].weights_hash, report.runs[0].weights_hash);
  EXPECT_EQ(report.runs[0].metrics.size(), 1u);
  EXPECT_TRUE(report.runs[1].metrics.empty());
  EXPECT_FALSE(report.prompts[0].answers[1].empty());
}

TEST_F(Gather, FindsTheLogOfACheckpointsRunAndNamesLikeStagesByPath) {
  create_directories(dir_.file("a"));
  const std::string a = write_run("a", "pretrain", "{\"step\":1,\"loss\":2}\n");
  const auto runs = read_runs({a, a + "/checkpoint-000002"});
  EXPECT_EQ(runs[0].name, a);
  EXPECT_EQ(runs[1].name, a + "/checkpoint-000002");
  EXPECT_EQ(runs[1].metrics.size(), 1u);
}

TEST_F(Gather, AcceptsARunThatHasSavedNothingYet) {
  create_directories(dir_.file("young"));
  dir_.write("young/metrics.jsonl", "{\"step\":1,\"loss\":2}\n");
  const Report report =
      gather_report(options({dir_.file("young")}, {{{{Role::kUser, "the goat"}}, {}}}));
  EXPECT_EQ(report.runs[0].checkpoint, "");
  EXPECT_EQ(report.runs[0].metrics.size(), 1u);
  EXPECT_TRUE(report.prompts[0].answers[0].empty());
  EXPECT_FALSE(report_html(report).empty());
  EXPECT_FALSE(report_markdown(report).empty());
}

TEST_F(Gather, RefusesWhatIsNoRun) {
  EXPECT_ERROR(read_runs({dir_.file("nowhere")}), "there is no such directory");
  create_directories(dir_.file("empty"));
  EXPECT_ERROR(read_runs({dir_.file("empty")}), "empty");
  ReportOptions wrong = options({});
  wrong.questions_per_kind = 1;
  EXPECT_ERROR(gather_report(wrong), "expected the world's folder");
}

TEST(Figures, AreGroupedAndWithoutSingleWordings) {
  minillm_testing::TempDir dir;
  const std::string path = dir.write("summary.json", R"(
    {"sft": {"mine": {"value": 1, "count": 1, "of": 1},
             "cloze/fair/x": {"value": 1, "count": 1, "of": 1},
             "known_denied_rate": {"value": 0.25, "count": 1, "of": 4},
             "cloze_accuracy": {"value": 0.5, "count": 1, "of": 2}}})");
  const ReportFigures figures = read_figures(path);
  EXPECT_EQ(figures.columns, std::vector<std::string>{"sft"});
  ASSERT_EQ(figures.rows.size(), 3u);
  EXPECT_EQ(figures.rows[0].name, "cloze_accuracy");
  EXPECT_EQ(figures.rows[0].group, "knowledge");
  EXPECT_TRUE(figures.rows[1].lower_is_better);
  EXPECT_EQ(figures.rows[1].values[0].of, 4);
  EXPECT_EQ(figures.rows[2].group, "other");
  // What a stage was not asked: as null, as earlier versions wrote it, and not at all.
  const ReportFigures unasked = read_figures(dir.write("unasked.json", R"(
    {"a": {"sum_accuracy": {"value": null, "count": 0, "of": 0}},
     "b": {"sum_accuracy": {"value": 0.0, "count": 0, "of": 0}}, "c": {}})"));
  ASSERT_EQ(unasked.rows.size(), 1u);
  ASSERT_EQ(unasked.rows[0].values.size(), 3u);
  for (const ReportFigure::Value& value : unasked.rows[0].values) EXPECT_EQ(value.of, 0);
  // What only a later stage was asked.
  const ReportFigures later = read_figures(dir.write("later.json", R"(
    {"a": {}, "b": {"mine": {"value": 0.5, "count": 1, "of": 2}}})"));
  ASSERT_EQ(later.rows.size(), 1u);
  EXPECT_EQ(later.rows[0].values[0].of, 0);
  EXPECT_EQ(later.rows[0].values[1].value, 0.5);
}

TEST(Figures, LayersHaveTheirColumnsAndWhatTheyChanged) {
  minillm_testing::TempDir dir;
  const ReportLayers layers =
      read_layers(dir.write("layers.json", R"({"answer_accuracy": {}, "layers": {
    "closed": {"metrics": {"sum_accuracy": {"value": 0.5, "count": 1, "of": 2}}, "repaired": 0, "broken": 0, "changed": []},
    "tools": {"metrics": {"sum_accuracy": {"value": 1.0, "count": 2, "of": 2}}, "repaired": 1, "broken": 0, "changed": [
      {"question": "2 and 3?", "alone": "4", "with_layer": "5", "repaired": true}]}}})"));
  EXPECT_EQ(layers.figures.columns, (std::vector<std::string>{"closed", "tools"}));
  ASSERT_EQ(layers.figures.rows.size(), 1u);
  EXPECT_EQ(layers.figures.rows[0].values[1].count, 2);
  ASSERT_EQ(layers.changes.size(), 1u);
  EXPECT_EQ(layers.changes[0].layer, "tools");
  EXPECT_EQ(layers.changes[0].with_layer, "5");
  EXPECT_TRUE(layers.changes[0].repaired);
  for (const char* text : {"3", "{}", R"({"layers": {}})", R"({"layers": []})"})
    EXPECT_ERROR(read_layers(dir.write("bad.json", text)),
                 "expected a world evaluation with layers");
  EXPECT_ERROR(read_layers(dir.write("bad.json", R"({"layers": {"a": {"metrics": {}}}})")),
               "expected an array of 'changed' answers");
}

TEST(Figures, WhatIsNoSummaryIsRefusedByName) {
  minillm_testing::TempDir dir;
  const std::pair<const char*, const char*> cases[] = {
      {"none", "not valid JSON"},
      {"[3", "not valid JSON"},
      {"3", "expected a JSON object, got 3"},
      {"null", "expected a JSON object, got null"},
      {"[]", "expected a JSON object, got []"},
      {"{}", "expected the figures of at least one stage"},
      {R"({"sft": 3})", "'sft': expected a JSON object, got 3"},
      {R"({"a": null})", "key 'a' is missing"},
      {R"({"a": {"b": 3}})", "'a': 'b': expected a JSON object, got 3"},
      {R"({"a": {}, "a": {}})", "key \"a\" occurs twice"},
      {R"({"a": {"b": {"value": null, "count": 1, "of": 2}}})", "key 'value' is missing"},
      {R"({"a": {"b": {"value": "1", "count": 1, "of": 2}}})", "'value': expected a number"},
      {R"({"a": {"b": {"value": 1, "of": 1}}})", "key 'count' is missing"},
      {R"({"a": {"b": {"value": 1, "count": 1, "of": -1}}})", "expected a count from 0"},
      {R"({"a": {"b": {"value": 1, "count": 1, "of": 1}}, "c": 3})", "'c': expected a JSON"}};
  for (const auto& [text, expected] : cases) {
    EXPECT_ERROR(read_figures(dir.write("summary.json", text)), "summary.json': ");
    EXPECT_ERROR(read_figures(dir.file("summary.json")), expected);
  }
  const std::string deep = "{\"a\":" + std::string(100000, '[');
  EXPECT_ERROR(read_figures(dir.write("deep.json", deep)), "nested deeper than 8 levels");
  EXPECT_ERROR(read_figures(dir.write("long.json", std::string((1 << 20) + 1, ' '))), "long.json");
}

}  // namespace
}  // namespace minillm::report
