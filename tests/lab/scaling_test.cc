// The trial of scale: its verdict on planted runs, and all of it on a tiny world.

#include "libminillm/lab/scaling.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace minillm::lab {
namespace {

using testing::HasSubstr;

SeedFigure share(double value) { return {value, static_cast<int64_t>(100 * value), 100}; }

// A run whose skills are half of what they become at the given tokens, in hundreds.
ScalingRun planted_run(uint64_t seed, const std::string& size, int64_t parameters, double loss,
                       std::vector<int64_t> emerge) {
  const char* const metrics[] = {"cloze_accuracy_often", "cloze_accuracy_rare",
                                 "cloze_accuracy_hard"};
  ScalingRun run{size, 1e12, seed, 1e-3, {parameters, 1e6, 100, 2048}, {}};
  for (int64_t tokens = 0; tokens <= 10; ++tokens) {
    ScalingPoint point{100 * tokens, {}};
    point.metrics["bits_per_byte"] = {tokens < emerge[0] ? 3 : loss, 10, 10};
    for (size_t skill = 1; skill < 4; ++skill)
      point.metrics[metrics[skill - 1]] = share(tokens < emerge[skill] ? 0 : 0.8);
    point.metrics["harmful_refusal_rate"] = share(0);
    run.points.push_back(std::move(point));
  }
  return run;
}

ScalingResult planted() {
  ScalingResult result;
  result.plan.sizes = {{"small", {}, {}}, {"middle", {}, {}}, {"large", {}, {}}};
  result.plan.budgets = {{1e12, {"small", "middle", "large"}}};
  result.rates = {{"small", {1e-3, 2e-3}, {0.5, 0.6}, 1e-3}};
  result.seeds = {1, 2};
  for (const uint64_t seed : result.seeds) {
    const double error = seed == 1 ? 0 : 0.001;
    result.runs.push_back(planted_run(seed, "small", 100'000, 0.5 + error, {1, 3, 20, 20}));
    result.runs.push_back(planted_run(seed, "middle", 1'000'000, 0.4, {1, 3, 5, 7}));
    result.runs.push_back(planted_run(seed, "large", 10'000'000, 0.5 - error, {1, 2, 3, 4}));
  }
  return result;
}

TEST(Scaling, IsJudgedByItsRule) {
  ScalingResult result = planted();
  judge_scaling(result);
  EXPECT_EQ(result.verdict, Verdict::kSupported);
  ASSERT_EQ(result.fits.size(), 1U);
  ASSERT_TRUE(result.fits[0].minimum && result.fits[0].interval) << result.fits[0].why_none;
  EXPECT_NEAR(result.fits[0].minimum->parameters, 1e6, 2e4);
  ASSERT_EQ(result.emergence.size(), 6U);
  EXPECT_EQ(result.emergence[0].order, SkillOrder::kUnfinished);
  EXPECT_EQ(result.emergence[1].order, SkillOrder::kAsClaimed);
  EXPECT_DOUBLE_EQ(*result.emergence[1].tokens[3], 650);

  result.runs[4] = planted_run(2, "middle", 1'000'000, 0.4, {1, 5, 3, 7});
  judge_scaling(result);
  EXPECT_EQ(result.verdict, Verdict::kRefuted) << "one seed has another order";

  result = planted();
  result.runs[0].points.back().metrics["harmful_refusal_rate"] = share(0.2);
  judge_scaling(result);
  EXPECT_EQ(result.verdict, Verdict::kRefuted) << "something harmful is refused";

  result = planted();
  for (const size_t run : {4U, 5U})
    result.runs[run] = planted_run(2, result.runs[run].size, 1'000'000, 0.4, {1, 3, 20, 20});
  judge_scaling(result);
  EXPECT_EQ(result.verdict, Verdict::kUndecided) << "of seed 2 nothing emerges whole";
}

TEST(Scaling, ItsFormsTellTheSame) {
  ScalingResult result = planted();
  result.runs[0].points.back().metrics["sum_accuracy"] = {0, 0, 0};
  judge_scaling(result);
  const std::string table = scaling_markdown(result);
  EXPECT_THAT(table, HasSubstr("**Verdict:** supported"));
  EXPECT_THAT(table, HasSubstr("say nothing about language"));
  EXPECT_THAT(table, HasSubstr("| 1 | middle | 0.00M | 0.00M | 0.00M | 0.00M | as claimed |"));
  EXPECT_THAT(table, HasSubstr("| small | 0.001: 0.500, 0.002: 0.600 | 0.001 |"));
  const nlohmann::json json = nlohmann::json::parse(scaling_json(result));
  EXPECT_EQ(json.at("runs").size(), 6U);
  EXPECT_NEAR(json.at("fits")[0].at("minimum").at("parameters").get<double>(), 1e6, 2e4);
  EXPECT_TRUE(json.at("emergence")[0].at("tokens").at("rare facts").is_null());
  EXPECT_TRUE(json.at("runs")[0].at("points")[10].at("metrics").at("sum_accuracy").is_null());
  const std::string line =
      "\n1,small,100000,1000000000000,1000000000,0.001,1000,bits_per_byte,0.5,10,10\n";
  EXPECT_TRUE(scaling_csv(result).find(line) != std::string::npos);
  const std::string figure = scaling_svg(result);
  EXPECT_THAT(figure, HasSubstr("prefers-color-scheme: dark"));
  EXPECT_THAT(figure, HasSubstr("1 TFLOP: lowest at 1M (95 % interval"));
  EXPECT_THAT(figure, testing::Not(HasSubstr("nan")));
}

TEST(Scaling, CountsOperationsAndStepsOfItsSizes) {
  const ScalingPlan plan = scaling_plan(false);
  for (const ScalingBudget& budget : plan.budgets) {
    EXPECT_GE(budget.sizes.size(), 3U) << "a parabola needs three";
    for (const std::string& name : budget.sizes) {
      const auto size = std::ranges::find(plan.sizes, name, &ScalingSize::name);
      ASSERT_NE(size, plan.sizes.end());
      const ScalingCost cost = scaling_cost(plan, *size, budget.flop);
      EXPECT_NEAR(static_cast<double>(cost.parameters) * 1e-6, std::stod(name),
                  0.1 * std::stod(name));
      EXPECT_NEAR(static_cast<double>(cost.steps * cost.batch_tokens) * cost.flop_per_token,
                  budget.flop, 0.02 * budget.flop);
    }
  }
  EXPECT_ERROR(scaling_cost(plan, plan.sizes[4], 1e6), "less than one step of size 2.2M");
  EXPECT_ERROR(scaling_cost(plan, {"x", {"model.hiden_size=3"}, {1e-3}}, 1e12), "hiden_size");
}

// Small enough for a test: what comes of it means nothing.
ScalingPlan tiny_plan() {
  ScalingPlan plan;
  for (const int width : {8, 16})
    plan.sizes.push_back({std::to_string(width),
                          {fmt::format("model.hidden_size={}", width),
                           fmt::format("model.intermediate_size={}", width),
                           fmt::format("model.head_dim={}", width)},
                          {1e-3, 1e-2}});
  plan.settings = {"model.vocab_size=400", "model.num_hidden_layers=1",
                   "model.num_attention_heads=1", "model.num_key_value_heads=1",
                   "train.batch_tokens=512"};
  plan.budgets = {{8e7, {"8", "16"}}, {1.6e8, {"16"}}};
  plan.points = 3;
  return plan;
}

LabOptions tiny_options(const std::string& directory) {
  LabOptions options;
  options.directory = directory;
  options.seeds = {1};
  options.build = "a";
  options.world.stories = 20;
  return options;
}

// However often it is stopped, it goes on to the same end.
TEST(Scaling, IsStoppedAnywhereAndGoesOn) {
  const minillm_testing::TempDir whole, stopped;
  const ScalingResult expected = try_scaling(tiny_options(whole.path()), {}, tiny_plan());
  ASSERT_EQ(expected.runs.size(), 3U);
  EXPECT_EQ(expected.runs[2].points.size(), 4U) << "of nobody, and the three of the longest run";
  EXPECT_EQ(expected.runs[1].points.size(), 2U) << "not the longest of its size";
  EXPECT_LT(expected.runs[2].points[1].tokens, expected.runs[2].points[2].tokens);
  EXPECT_NEAR(expected.runs[2].flop(), 1.6e8, 0.2 * 1.6e8);
  EXPECT_GT(expected.runs[2].end().metrics.at("cloze_accuracy").of, 1000);

  std::optional<ScalingResult> result;
  int stops = 0;
  for (int patience = 4; !result; patience *= 2) {
    LabEvents events;
    int asked = 0;
    events.training.stop_requested = [&] { return ++asked > patience; };
    try {
      result = try_scaling(tiny_options(stopped.path()), events, tiny_plan());
    } catch (const Error& error) {
      ASSERT_EQ(error.exit_code(), ExitCode::kInterrupted) << error.what();
      ++stops;
    }
    ASSERT_LT(stops, 50);
  }
  EXPECT_GT(stops, 3);
  EXPECT_EQ(scaling_markdown(*result), scaling_markdown(expected));
  EXPECT_EQ(scaling_csv(*result), scaling_csv(expected));

  // Again: nothing is trained.
  std::vector<std::string> said;
  LabEvents events;
  events.on_message = [&](const std::string& message) { said.push_back(message); };
  EXPECT_EQ(scaling_json(try_scaling(tiny_options(whole.path()), events, tiny_plan())),
            scaling_json(expected));
  EXPECT_EQ(said.size(), 0U) << testing::PrintToString(said);
}

}  // namespace
}  // namespace minillm::lab
