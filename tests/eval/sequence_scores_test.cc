#include "libminillm/eval/sequence_scores.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "libminillm/eval/batch_scorer.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::random_tokens;
using minillm_testing::toy_model;

// Logits of every row of one sequence, straight from the model.
Matrix logits_of(const Model& model, const std::vector<Token>& tokens) {
  const auto length = static_cast<Index>(tokens.size());
  Workspace workspace(model.config(), length, length, Workspace::Mode::kInference);
  TokenBatch batch;
  batch.tokens = tokens;
  batch.segments = {{0, length, 0, 0}};
  model.forward(batch, workspace);
  Matrix logits(length, model.config().vocab_size);
  std::vector<Index> rows;
  for (Index i = 0; i < length; ++i) rows.push_back(i);
  model.logits(logits.view(), rows, workspace);
  return logits;
}

double log_softmax(const Matrix& logits, Index row, Token token) {
  double sum = 0;
  for (Index v = 0; v < logits.cols(); ++v) sum += std::exp(double{logits(row, v)});
  return logits(row, token) - std::log(sum);
}

RenderedSequence supervised_from(std::vector<Token> tokens, size_t first) {
  RenderedSequence sequence{std::move(tokens), {}};
  sequence.supervised.assign(sequence.tokens.size(), true);
  std::fill_n(sequence.supervised.begin(), first, false);
  return sequence;
}

TEST(TokenLogProbs, AreTheLogSoftmaxOfTheLogits) {
  const Model model = toy_model();
  const std::vector<Token> tokens = random_tokens(30, 1);
  const std::vector<Real> logp = token_log_probs(model, tokens);
  const Matrix logits = logits_of(model, tokens);
  ASSERT_EQ(logp.size(), 29u);
  for (Index i = 0; i < 29; ++i)
    EXPECT_NEAR(logp[static_cast<size_t>(i)],
                log_softmax(logits, i, tokens[static_cast<size_t>(i + 1)]), 2e-5);
}

TEST(TokenLogProbs, RefuseWhatHasNothingToPredictOrDoesNotFit) {
  const Model model = toy_model();  // a context of 64
  EXPECT_EQ(token_log_probs(model, random_tokens(65, 1)).size(), 64u);
  EXPECT_ERROR(token_log_probs(model, random_tokens(66, 1)), "expected at most 65 tokens");
  EXPECT_ERROR(token_log_probs(model, random_tokens(1, 1)), "expected at least 2 tokens, got 1");
  EXPECT_ERROR(token_log_probs(model, std::vector<Token>{1, 300}), "300");
}

TEST(SequenceScores, AddUpTheSupervisedTokens) {
  const Model model = toy_model();
  const std::vector<Token> tokens = random_tokens(12, 2);
  const std::vector<Real> logp = token_log_probs(model, tokens);
  const SequenceScore score = score_sequences(model, {{supervised_from(tokens, 9)}}).front();
  EXPECT_EQ(score.tokens, 3);
  EXPECT_EQ(score.logp, double{logp[8]} + logp[9] + logp[10]);
}

TEST(SequenceScores, CountTheTokensThatAreTheFirstChoice) {
  const Model model = toy_model();
  std::vector<Token> tokens = random_tokens(5, 3);
  for (int i = 0; i < 3; ++i) {  // three greedy tokens
    const Matrix logits = logits_of(model, tokens);
    const Real* row = logits.view().row(logits.rows() - 1);
    tokens.push_back(static_cast<Token>(std::max_element(row, row + logits.cols()) - row));
  }
  const SequenceScore greedy = score_sequences(model, {{supervised_from(tokens, 5)}}).front();
  EXPECT_EQ(greedy.most_probable, 3);
  EXPECT_EQ(greedy.first_choices, std::vector<Token>(tokens.begin() + 5, tokens.end()));
  const Token chosen = tokens[6];
  tokens[6] = tokens[6] == 7 ? 8 : 7;
  const SequenceScore spoilt = score_sequences(model, {{supervised_from(tokens, 5)}}).front();
  EXPECT_EQ(spoilt.tokens, 3);
  EXPECT_LT(spoilt.most_probable, 3);
  EXPECT_EQ(spoilt.first_choices[0], tokens[5]);
  EXPECT_EQ(spoilt.first_choices[1], chosen) << "what was said instead is no choice of the model";
}

TEST(SequenceScores, DoNotDependOnWhatSharesTheBatch) {
  const Model model = toy_model();
  std::vector<RenderedSequence> sequences;
  Index rows = 0;
  for (uint64_t i = 0; i < 120; ++i) {
    sequences.push_back(supervised_from(random_tokens(3 + i % 60, i), 1 + i % 2));
    rows += std::ssize(sequences.back().tokens) - 1;
  }
  ASSERT_GT(rows, kEvaluationRows) << "more than one batch, or the test shows less";
  const std::vector<SequenceScore> together = score_sequences(model, sequences);
  ASSERT_EQ(together.size(), sequences.size());
  for (size_t i = 0; i < sequences.size(); ++i) {
    const SequenceScore alone = score_sequences(model, {{sequences[i]}}).front();
    EXPECT_EQ(together[i].logp, alone.logp) << "sequence " << i;
    EXPECT_EQ(together[i].most_probable, alone.most_probable) << "sequence " << i;
    EXPECT_EQ(together[i].first_choices, alone.first_choices) << "sequence " << i;
  }
}

TEST(AnswerLogProbs, EqualThoseOfEachAnswerBehindItsOwnPrompt) {
  const Model model = toy_model();
  PromptWithAnswers item{random_tokens(10, 1), {}};
  for (uint64_t i = 0; i < 150; ++i) item.answers.push_back(random_tokens(1 + i % 5, 100 + i));
  const std::vector<double> together = answer_log_probs(model, item);
  ASSERT_EQ(together.size(), 150u);
  for (size_t i = 0; i < item.answers.size(); ++i) {
    std::vector<Token> tokens = item.prompt;
    tokens.insert(tokens.end(), item.answers[i].begin(), item.answers[i].end());
    const auto alone = score_sequences(model, {{supervised_from(tokens, 10)}});
    EXPECT_EQ(together[i], alone.front().logp) << "answer " << i;
  }
}

TEST(AnswerLogProbs, RefuseWhatIsEmpty) {
  const Model model = toy_model();
  EXPECT_ERROR(answer_log_probs(model, {{}, {{1}}}), "the prompt has no tokens");
  EXPECT_ERROR(answer_log_probs(model, {{1}, {{}}}), "one has no tokens");
  EXPECT_TRUE(answer_log_probs(model, {{1}, {}}).empty());
}

// Squares that overflow, and products: neither ends in a number that means nothing.
TEST(SequenceScores, OfHugeWeightsAreNamedErrors) {
  for (const Real scale : {Real(1e19), Real(1e25), Real(1e37)}) {
    Model model = toy_model();
    for (Real& weight : model.parameters()) weight *= scale;
    for (Real& weight : model.parameters()) weight = std::clamp<Real>(weight, -3e38, 3e38);
    EXPECT_ERROR(token_log_probs(model, random_tokens(8, 1)),
                 "model: the log-probability of a token");
  }
}

}  // namespace
}  // namespace minillm
