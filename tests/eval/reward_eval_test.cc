#include "libminillm/eval/reward_eval.h"

#include <gtest/gtest.h>

#include "tests/testing/expect_error.h"
#include "tests/testing/grad_check.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::toy_model;
using minillm_testing::toy_tokenizer;

Model toy_reward_model() {
  Model model = with_heads(toy_model(1, 200), Heads::kScore);
  const auto weight = tensor_span(model.parameters(), *model.tensors().find("score.weight"));
  std::ranges::copy(minillm_testing::random_values(weight.size(), 3), weight.begin());
  return model;
}

std::vector<PromptWithAnswers> questions() {
  std::vector<PromptWithAnswers> items;
  for (const char* question : {"the goat", "a name", "the lane of the mason"}) {
    PromptWithAnswers& item = items.emplace_back();
    item.prompt = render_prompt(toy_tokenizer(), {{Role::kUser, question}});
    for (const char* answer : {"the cooper has a goat", "goat", "a mason"})
      item.answers.push_back(render_answer(toy_tokenizer(), answer));
  }
  return items;
}

// One sequence, no prefix, the last token's row: what transformers' classifier computes.
TEST(AnswerScores, AreReadOffTheLastTokenOfTheWholeText) {
  const Model model = toy_reward_model();
  const auto items = questions();
  const auto scores = answer_scores(model, items);
  ASSERT_EQ(scores.size(), items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    for (size_t a = 0; a < items[i].answers.size(); ++a) {
      TokenBatch batch;
      batch.tokens = items[i].prompt;
      batch.tokens.insert(batch.tokens.end(), items[i].answers[a].begin(),
                          items[i].answers[a].end());
      batch.segments = {{0, batch.rows(), 0, 0}};
      batch.targets = {{batch.rows() - 1, 0, 1}};
      Workspace workspace(model.config(), batch.rows(), 1, Workspace::Mode::kInference);
      model.forward(batch, workspace);
      std::vector<Real> alone(1);
      model.scores(alone, batch, workspace);
      EXPECT_EQ(scores[i][a], alone[0]);
    }
  }
  EXPECT_NE(scores[0][0], scores[0][1]);
}

TEST(AnswerScores, AskARewardModel) {
  EXPECT_ERROR(answer_scores(toy_model(1, 200), questions()), "expected a reward model");
}

TEST(RewardModel, DoesNotContinueTexts) {
  const Model model = toy_reward_model();
  EXPECT_ERROR(answer_log_probs(model, {{1, 2, 3}, {{4, 5}}}), "is a reward model");
  EXPECT_ERROR(with_heads(model, Heads::kLanguageModel), "is a reward model");
}

TEST(RewardModel, KeepsTheTrunkToTheBitAndBeginsWithScoresOfZero) {
  const Model start = toy_model(1, 200), model = with_heads(start, Heads::kScore);
  for (const TensorInfo& tensor : model.tensors().tensors()) {
    const auto is = tensor_span(model.parameters(), tensor);
    if (tensor.name == "score.weight") continue;
    const auto was = tensor_span(start.parameters(), *start.tensors().find(tensor.name));
    EXPECT_TRUE(std::ranges::equal(is, was)) << tensor.name;
  }
  for (const auto& scores : answer_scores(model, questions()))
    for (const double score : scores) EXPECT_EQ(score, 0);
}

}  // namespace
}  // namespace minillm
