#include "libminillm/eval/text_loss.h"

#include <gtest/gtest.h>

#include <cmath>

#include "libminillm/eval/sequence_scores.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::toy_model;
using minillm_testing::toy_tokenizer;

// BOS, ids, EOS.
std::vector<Token> document_ids(const std::string& text) {
  std::vector<Token> ids = toy_tokenizer().encode(text);
  ids.insert(ids.begin(), toy_tokenizer().bos());
  ids.push_back(toy_tokenizer().eos());
  return ids;
}

TEST(TextLoss, IsTheSumOfTheTokensLogProbabilities) {
  const Model model = toy_model();
  const std::vector<std::string> documents = {"the goat",
                                              "a m\xc3\xa4"
                                              "son has the name"};
  double nll = 0, text_nll = 0, tokens = 0;
  for (const std::string& document : documents) {
    const std::vector<Real> logp = token_log_probs(model, document_ids(document));
    for (size_t i = 0; i < logp.size(); ++i) {
      nll -= logp[i];
      if (i + 1 < logp.size()) text_nll -= logp[i];  // the last is EOS
      tokens += 1;
    }
  }
  const TextLoss loss = evaluate_text(model, make_evaluation_text(documents, toy_tokenizer(), 64),
                                      toy_tokenizer().eos());
  EXPECT_EQ(loss.tokens, tokens);
  EXPECT_EQ(loss.bytes, 8 + 21);
  EXPECT_NEAR(loss.nll, nll, 1e-9);
  EXPECT_NEAR(loss.loss(), nll / tokens, 1e-9);
  EXPECT_NEAR(loss.perplexity(), std::exp(nll / tokens), 1e-6);
  EXPECT_NEAR(loss.bits_per_byte(), text_nll / std::log(2) / 29, 1e-9);
}

TEST(TextLoss, NamesItsMetrics) {
  TextLoss loss;
  loss.nll = 8;
  loss.tokens = 4;
  loss.text_nll = 6 * std::log(2);
  loss.bytes = 3;
  const Metrics metrics = named_metrics(loss);
  ASSERT_EQ(metrics.size(), 3u);
  EXPECT_EQ(metrics[0], (std::pair<std::string, double>("loss", 2)));
  EXPECT_EQ(metrics[1].first, "perplexity");
  EXPECT_DOUBLE_EQ(metrics[1].second, std::exp(2));
  EXPECT_EQ(metrics[2].first, "bits_per_byte");
  EXPECT_DOUBLE_EQ(metrics[2].second, 2);
}

TEST(EvaluationText, WindowsPredictEveryIdButBosOnce) {
  std::string text;
  while (text.size() < 900) text += "the mason has a goat on the lane ";
  const std::vector<Token> ids = document_ids(text);
  ASSERT_GT(ids.size(), 2 * 64u);
  for (const Index max_rows : {1, 7, 64, 100000}) {
    const EvaluationText cut = make_evaluation_text({{text}}, toy_tokenizer(), max_rows);
    std::vector<Token> predicted;
    for (const std::vector<Token>& window : cut.windows) {
      EXPECT_LE(std::ssize(window) - 1, max_rows);
      EXPECT_EQ(window.front(), ids[predicted.size()]);
      predicted.insert(predicted.end(), window.begin() + 1, window.end());
    }
    EXPECT_EQ(predicted, std::vector<Token>(ids.begin() + 1, ids.end()));
    EXPECT_EQ(cut.bytes, std::ssize(text));
  }
}

TEST(EvaluationText, RefusesNothing) {
  EXPECT_ERROR(make_evaluation_text(std::vector<std::string>{}, toy_tokenizer(), 64), "empty");
  EXPECT_ERROR(make_evaluation_text(std::vector<std::string>{""}, toy_tokenizer(), 64), "empty");
}

}  // namespace
}  // namespace minillm
