#include "libminillm/eval/preference_eval.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>

#include "libminillm/eval/sequence_scores.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::toy_model;
using minillm_testing::toy_tokenizer;

std::map<std::string, double> by_name(const Metrics& metrics) {
  return {metrics.begin(), metrics.end()};
}

// DPO's of pairs whose answers have one and two tokens.
PreferenceSums rewards(const std::vector<PairLogProbs>& policy,
                       const std::vector<PairLogProbs>& reference, double beta) {
  const std::vector<RenderedPair> pairs(policy.size(), {{1}, {2}, {3, 4}});
  return evaluate_rewards(pairs, policy, reference, {.beta = beta});
}

TEST(PairLogProbs, AreThoseOfEachAnswerBehindItsPrompt) {
  const Model model = toy_model(1, 200);
  std::vector<RenderedPair> pairs;
  for (const char* question : {"the goat", "a name", "the lane of the mason"})
    pairs.push_back(
        render_pair(toy_tokenizer(), {{{Role::kUser, question}}, "the cooper has a goat", "goat"}));
  const std::vector<PairLogProbs> scores = pair_log_probs(model, pairs);
  ASSERT_EQ(scores.size(), 3u);
  for (size_t i = 0; i < pairs.size(); ++i) {
    const std::vector<double> alone =
        answer_log_probs(model, {pairs[i].prompt, {pairs[i].chosen, pairs[i].rejected}});
    EXPECT_EQ(scores[i].chosen, alone[0]);
    EXPECT_EQ(scores[i].rejected, alone[1]);
  }
}

TEST(PreferenceEval, ComparesSummedLogProbabilities) {
  const std::vector<PairLogProbs> policy = {{-3, -5}, {-4, -1}, {-2, -2}};  // a tie is not a hit
  const auto metrics = by_name(named_metrics(evaluate_preferences(policy)));
  EXPECT_DOUBLE_EQ(metrics.at("preference_accuracy"), 1.0 / 3);
  EXPECT_DOUBLE_EQ(metrics.at("logps/chosen"), -3);
  EXPECT_DOUBLE_EQ(metrics.at("logps/rejected"), -8.0 / 3);
  EXPECT_DOUBLE_EQ(metrics.at("logps/margins"), -1.0 / 3);
}

TEST(PreferenceEval, RewardsAreMeasuredFromTheReference) {
  const std::vector<PairLogProbs> policy = {{-3, -5}, {-4, -1}};
  const std::vector<PairLogProbs> reference = {{-4, -5}, {-3, -3}};
  // s = 1 and 0 for the first pair, -1 and 2 for the second; beta = 0.5.
  const auto metrics = by_name(named_metrics(rewards(policy, reference, 0.5)));
  EXPECT_DOUBLE_EQ(metrics.at("rewards/chosen"), 0.5 * (1 - 1) / 2);
  EXPECT_DOUBLE_EQ(metrics.at("rewards/rejected"), 0.5 * (0 + 2) / 2);
  EXPECT_DOUBLE_EQ(metrics.at("rewards/margins"), 0.5 * (1 - 3) / 2);
  EXPECT_DOUBLE_EQ(metrics.at("rewards/accuracies"), 0.5);
  EXPECT_DOUBLE_EQ(metrics.at("preference_loss"),
                   (std::log(1 + std::exp(-0.5)) + std::log(1 + std::exp(1.5))) / 2);
}

TEST(PreferenceEval, AgainstItselfTheLossIsLn2AndNothingElse) {
  const std::vector<PairLogProbs> policy = {{-3, -5}, {-400, -1000}};
  const auto metrics = by_name(named_metrics(rewards(policy, policy, 0.1)));
  EXPECT_DOUBLE_EQ(metrics.at("preference_loss"), std::log(2.0));
  for (const char* name :
       {"rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies"})
    EXPECT_EQ(metrics.at(name), 0) << name;
}

TEST(PreferenceEval, LargeMarginsStayFinite) {
  const std::vector<PairLogProbs> policy = {{-1e6, 0}}, reference = {{0, 0}};
  EXPECT_DOUBLE_EQ(rewards(policy, reference, 1).loss, 1e6);
  EXPECT_DOUBLE_EQ(rewards(reference, policy, 1).loss, 0);
}

// Smoothing and lengths count as in training.
TEST(PreferenceEval, TakesThePairLossThatIsTrained) {
  const std::vector<RenderedPair> pairs = {{{1}, {2}, {3, 4}}};
  const std::vector<PairLogProbs> policy = {{-3, -5}}, reference = {{-4, -3}};
  const auto loss = [&](const PairLossConfig& config) {
    return evaluate_rewards(pairs, policy, reference, config).loss;
  };
  EXPECT_DOUBLE_EQ(loss({.beta = 0.5, .label_smoothing = 0.1}),
                   0.9 * std::log1p(std::exp(-1.5)) + 0.1 * std::log1p(std::exp(1.5)));
  EXPECT_DOUBLE_EQ(loss({.name = "ipo", .beta = 0.5}), 1);  // (1/1 + 2/2 - 1)^2
}

TEST(PreferenceEval, RefusesNoPairsAndUnequalNumbers) {
  const std::vector<PairLogProbs> one = {{-1, -2}};
  EXPECT_ERROR(evaluate_preferences({}), "there are no pairs");
  EXPECT_ERROR(rewards({}, {}, 0.1), "there are no pairs");
  EXPECT_ERROR(rewards(one, {}, 0.1), "expected 1 reference");
}

}  // namespace
}  // namespace minillm
