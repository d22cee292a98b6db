#include "libminillm/eval/probe_eval.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "libminillm/data/notes.h"
#include "libminillm/eval/sequence_scores.h"
#include "libminillm/eval/world_messages.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using namespace world;
using minillm_testing::toy_model;
using minillm_testing::toy_tokenizer;

class ProbeEval : public ::testing::Test {
 protected:
  std::string greedy(const std::vector<Token>& prompt) const {
    GenerationConfig config;
    config.sampling.temperature = 0;
    config.max_tokens = kWorldAnswerTokens;
    return Generator(model_, toy_tokenizer()).generate(prompt, config).text;
  }
  double log_prob(const ClozeItem& item) const {
    const std::vector<RenderedSequence> sequence = {render_cloze(toy_tokenizer(), item)};
    return score_sequences(model_, sequence).front().logp;
  }
  const Model model_ = toy_model(1, 200);
};

TEST_F(ProbeEval, AnswersAreGreedyAndEachFigureIsAnOutcome) {
  const Probe chat = {.metrics = {{"words", ProbeFigure::kWords}, {"asks", ProbeFigure::kAsks}},
                      .messages = {{"user", "Where does Jofick Harford live?"}}};
  const Probe noted = {.metrics = {{"noted", ProbeFigure::kWords}},
                       .messages = chat.messages,
                       .notes = {"the goat"}};
  const Probe text = {.metrics = {{"text", ProbeFigure::kWords}},
                      .text = "Q: the lane\nA: a\nQ: the goat\nA:"};
  const std::vector<WorldOutcome> outcomes =
      ask_probes(model_, toy_tokenizer(), std::vector{chat, noted, text});
  ASSERT_EQ(outcomes.size(), 4U);
  const std::vector<Message> asked = {{Role::kUser, chat.messages[0].content}};
  const auto words = [](const std::string& said) { return double(word_count(said)); };
  EXPECT_EQ(outcomes[0].metric, "words");
  EXPECT_EQ(outcomes[0].value, words(greedy(render_prompt(toy_tokenizer(), asked))));
  EXPECT_EQ(outcomes[0].person, "Jofick Harford");
  EXPECT_EQ(outcomes[0].wording, "Where does {name} live?");
  EXPECT_EQ(outcomes[1].metric, "asks");
  const std::vector<Message> with_note = with_notes(asked, {{"the goat", "", 0}});
  EXPECT_EQ(outcomes[2].value, words(greedy(render_prompt(toy_tokenizer(), with_note))));
  EXPECT_EQ(outcomes[3].value, words(greedy(encode_raw_prompt(toy_tokenizer(), text.text))));
  EXPECT_EQ(outcomes[3].wording, "the goat\nA:") << "the examples are no part of the question";
}

TEST_F(ProbeEval, FactsHaveTheProbabilitiesOfTheirValues) {
  const ToldFact fact = {{ClozeGroup::kFair, "trade-1", "the mason has a", " goat"},
                         {ClozeGroup::kFair, "trade-1", "the mason has a", " lane"}};
  std::map<std::string, double> values;
  for (const WorldOutcome& outcome : ask_told_facts(model_, toy_tokenizer(), std::vector{fact})) {
    EXPECT_EQ(outcome.wording, "trade-1");
    values[outcome.metric] = outcome.value;
  }
  EXPECT_NEAR(values.at("true_value_probability"), std::exp(log_prob(fact.truth)), 1e-9);
  EXPECT_NEAR(values.at("false_value_probability"), std::exp(log_prob(fact.lie)), 1e-9);
  EXPECT_LE(values.at("true_value_rate") + values.at("false_value_rate"), 1);
}

TEST_F(ProbeEval, ExposureIsTheSecretsPlace) {
  std::vector<Canary> secrets = make_secrets(1);
  for (Canary& secret : secrets) secret.candidates.resize(8);
  const std::vector<WorldOutcome> outcomes = ask_secrets(model_, toy_tokenizer(), secrets);
  ASSERT_EQ(outcomes.size(), 40U);
  double sum = 0;
  for (const WorldOutcome& outcome : outcomes) {
    EXPECT_GE(outcome.value, 0);
    EXPECT_LE(outcome.value, 3);
    sum += outcome.value;
  }
  // A model that was trained on nothing tells none from another: the mean of log2 (8 / rank), rank
  // even, is 1.09 bits.
  EXPECT_NEAR(sum / 40, 1.09, 0.6);
  EXPECT_EQ(outcomes[0].metric, "secret_exposure_user_30");
  EXPECT_EQ(outcomes[1].metric, "secret_exposure_answer_30");
  EXPECT_EQ(outcomes[9].metric, "secret_exposure_answer_0");
  // The most probable of the candidates, taken for the secret, has all the exposure there is.
  Canary one = secrets.front();
  double best = 0;
  for (size_t i = 0; i < one.candidates.size(); ++i) {
    Canary other = one;
    std::swap(other.candidates.front(), other.candidates[i]);
    best = std::max(best, ask_secrets(model_, toy_tokenizer(), std::vector{other})[1].value);
  }
  EXPECT_EQ(best, 3);
}

TEST_F(ProbeEval, ConfidenceIsHeldAgainstBeingRight) {
  const std::vector<ChatItem> items = {
      {ChatItemKind::kOneWord,
       {{"system", "Answer with one word or name only."}, {"user", "the goat"}},
       "lane"},
      {ChatItemKind::kAnswer, {{"user", "the goat"}}, "lane"}};
  const std::vector<WorldOutcome> outcomes = ask_confidence(model_, toy_tokenizer(), items);
  ASSERT_EQ(outcomes.size(), 2U) << "only what is asked for one word";
  EXPECT_EQ(outcomes[0].metric, "one_word_brier");
  EXPECT_EQ(outcomes[1].metric, "one_word_overconfidence");
  EXPECT_NEAR(outcomes[0].value, outcomes[1].value * outcomes[1].value, 1e-12);
}

TEST_F(ProbeEval, PairsHaveTheLogProbabilitiesOfTheirAnswers) {
  const WorldPair pair = {PairKind::kStyle, {{"user", "the goat"}}, "the lane", "the mason"};
  const std::vector<WorldOutcome> outcomes = ask_pairs(model_, toy_tokenizer(), std::vector{pair});
  ASSERT_EQ(outcomes.size(), 2U);
  const PromptWithAnswers item = {
      render_prompt(toy_tokenizer(), {{Role::kUser, "the goat"}}),
      {render_answer(toy_tokenizer(), "the lane"), render_answer(toy_tokenizer(), "the mason")}};
  const std::vector<double> logps = answer_log_probs(model_, item);
  EXPECT_NEAR(outcomes[0].value, logps[0], 1e-4);
  EXPECT_NEAR(outcomes[1].value, logps[1], 1e-4);
}

}  // namespace
}  // namespace minillm
