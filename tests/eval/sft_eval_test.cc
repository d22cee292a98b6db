#include "libminillm/eval/sft_eval.h"

#include <gtest/gtest.h>

#include "libminillm/eval/sequence_scores.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::toy_model;
using minillm_testing::toy_tokenizer;

TEST(SftEval, AveragesOverSupervisedTokensNotOverRows) {
  const Model model = toy_model(1, 200);
  std::vector<RenderedSequence> rows;
  rows.push_back(render_conversation(toy_tokenizer(), {{
                                                           Role::kUser,
                                                           "a goat",
                                                       },
                                                       {Role::kAssistant, "the name"}}));
  rows.push_back(render_conversation(
      toy_tokenizer(),
      {{Role::kUser, "the lane"}, {Role::kAssistant, "the mason has the goat on the lane"}}));

  // By hand: the log-probabilities of the tokens after the last prompt header.
  double nll = 0, tokens = 0;
  for (const RenderedSequence& row : rows) {
    const std::vector<Real> logp = token_log_probs(model, row.tokens);
    for (size_t i = 1; i < row.tokens.size(); ++i) {
      if (!row.supervised[i]) continue;
      nll -= logp[i - 1];
      tokens += 1;
    }
  }
  const SftResult result = evaluate_sft(model, rows);
  EXPECT_EQ(result.tokens, tokens);
  EXPECT_NEAR(result.loss(), nll / tokens, 1e-9);
}

TEST(SftEval, NamesItsMetricsAsTrl) {
  const Metrics metrics = named_metrics(SftResult{.nll = 6, .tokens = 4, .correct = 3});
  ASSERT_EQ(metrics.size(), 2u);
  EXPECT_EQ(metrics[0], (std::pair<std::string, double>("loss", 1.5)));
  EXPECT_EQ(metrics[1], (std::pair<std::string, double>("mean_token_accuracy", 0.75)));
}

TEST(SftEval, RefusesRowsWithoutSupervisedTokens) {
  const Model model = toy_model();
  EXPECT_ERROR(evaluate_sft(model, {}), "no token is supervised");
  EXPECT_ERROR(evaluate_sft(model, {{RenderedSequence{{1, 7, 8}, {0, 0, 0}}}}),
               "no token is supervised");
}

}  // namespace
}  // namespace minillm
