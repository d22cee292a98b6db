#include "libminillm/eval/tool_eval.h"

#include <gtest/gtest.h>

#include "libminillm/core/error.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/data/dataset_reader.h"
#include "libminillm/sft/sft.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using namespace world;
using minillm_testing::toy_model;
using minillm_testing::toy_tokenizer;

const ToolChat kSum = {ToolChatKind::kSumWithTool,
                       {{"user", "What is 7 plus 5?"}},
                       {"add"},
                       7,
                       5,
                       "7 plus 5 makes 12.",
                       ""};

std::map<std::string, WorldMetric> evaluate(const Model& model,
                                            const std::vector<ToolChat>& items) {
  std::map<std::string, WorldMetric> by_name;
  for (const WorldMetric& metric : evaluate_tools(model, toy_tokenizer(), items))
    EXPECT_TRUE(by_name.emplace(metric.name, metric).second) << metric.name << " appears twice";
  return by_name;
}

TEST(ToolEval, WithoutItemsEveryMetricIsThere) {
  for (const auto& [name, metric] : evaluate(toy_model(1, 200), {}))
    EXPECT_EQ(metric.of, 0) << name;
}

// A model that learnt the row by heart calls, reads the result, and tells it.
TEST(ToolEval, ATaughtModelCallsAndTells) {
  const minillm_testing::TempDir directory;
  SftData rows;
  rows.train = read_conversations({directory.write("row.jsonl", tool_chat_row(kSum) + "\n")},
                                  BadRecordPolicy::kError);
  SftConfig config;
  config.train.steps = 80;
  config.train.batch_tokens = 256;
  config.train.schedule.learning_rate = 0.01;
  StageModel taught{toy_model(1, 256), toy_tokenizer(), {}, ""};
  const auto before = evaluate(taught.model, {kSum});
  EXPECT_EQ(before.at("sum_call_accuracy").count, 0);
  sft(config, rows, taught);
  const auto after = evaluate(taught.model, {kSum});
  EXPECT_EQ(after.at("sum_call_accuracy").count, 1);
  EXPECT_EQ(after.at("sum_with_tool_accuracy").count, 1);
  EXPECT_EQ(after.at("sum_with_tool_accuracy").of, 1);
}

TEST(ToolEval, ATemplateWithoutToolsIsRefused) {
  const Tokenizer plain = toy_tokenizer().with_chat_template(chat_template_named("chatml"));
  EXPECT_ERROR(evaluate_tools(toy_model(1, 200), plain, {kSum}),
               "chat template 'chatml': cannot write tools");
}

}  // namespace
}  // namespace minillm
