#include "libminillm/eval/choice_scores.h"

#include <gtest/gtest.h>

#include "libminillm/core/threads.h"
#include "libminillm/eval/batch_scorer.h"
#include "libminillm/eval/sequence_scores.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::toy_model;
using minillm_testing::toy_tokenizer;
using Scores = std::vector<std::optional<ItemScore>>;

std::vector<Token> with_bos(const std::string& text) {
  std::vector<Token> ids = toy_tokenizer().encode(text);
  ids.insert(ids.begin(), toy_tokenizer().bos());
  return ids;
}

TEST(EncodeChoice, ScoresWhatTheWholeHasBeyondTheContext) {
  const EncodedChoice encoded = encode_choice(toy_tokenizer(), {"the goat", " has a name"}, 64);
  EXPECT_EQ(encoded.tokens, with_bos("the goat has a name"));
  EXPECT_EQ(encoded.first, with_bos("the goat").size());
  EXPECT_FALSE(encoded.divided || encoded.truncated);
  EXPECT_EQ(encoded.problem, "");
}

TEST(EncodeChoice, MovesSpacesAtTheEndOfTheContextToTheContinuation) {
  const EncodedChoice encoded = encode_choice(toy_tokenizer(), {"the goat ", "has a name"}, 64);
  EXPECT_EQ(encoded.tokens, with_bos("the goat has a name"));
  EXPECT_EQ(encoded.first, with_bos("the goat").size());
}

TEST(EncodeChoice, AnEmptyContextIsTheBeginningOfText) {
  const EncodedChoice encoded = encode_choice(toy_tokenizer(), {"", "the goat"}, 64);
  EXPECT_EQ(encoded.tokens, with_bos("the goat"));
  EXPECT_EQ(encoded.first, 1u);
}

// "the" is one piece, which the context "... th" does not have.
TEST(EncodeChoice, APieceAcrossTheBoundaryIsScoredWhole) {
  const EncodedChoice encoded = encode_choice(toy_tokenizer(), {"a goat and th", "e goat"}, 64);
  EXPECT_EQ(encoded.tokens, with_bos("a goat and the goat"));
  EXPECT_EQ(encoded.first, with_bos("a goat and").size());
  EXPECT_TRUE(encoded.divided);
}

TEST(EncodeChoice, TooLongLosesTheBeginningOfTheContext) {
  const std::vector<Token> whole = with_bos("the goat has a name");
  const EncodedChoice encoded = encode_choice(toy_tokenizer(), {"the goat has", " a name"}, 4);
  EXPECT_TRUE(encoded.truncated);
  EXPECT_EQ(encoded.tokens, std::vector<Token>(whole.end() - 5, whole.end()));
  EXPECT_EQ(encoded.tokens.size() - encoded.first, with_bos(" a name").size() - 1);
}

TEST(EncodeChoice, ThatCannotBeScoredSaysWhy) {
  EXPECT_EQ(encode_choice(toy_tokenizer(), {"the", " goat has a name and the goat has a name"}, 4)
                .problem,
            "an answer is longer than the model's context");
  EXPECT_EQ(encode_choice(toy_tokenizer(), {"the", ""}, 4).problem,
            "an answer has no tokens of its own");
}

// Contexts that share a beginning, choices that differ in length, and of one token.
std::vector<ChoiceItem> some_items() {
  std::vector<ChoiceItem> items;
  const std::string examples = "the name of the lane is the name of the mason and a goat. ";
  const char* const names[] = {"goat", "mason", "cooper", "lane", "name"};
  for (int i = 0; i < 60; ++i) {
    const std::string context = (i % 3 == 0 ? "" : examples) + "the " + names[i % 5] + " has";
    ChoiceItem item{std::to_string(i), {}, 0};
    for (int c = 0; c < 2 + i % 3; ++c)
      item.choices.push_back(
          {context, std::string(" a ") + names[(i + c) % 5] + (c == 1 ? " and a goat" : "")});
    if (i % 7 == 0) item.choices[1] = item.choices[0];
    items.push_back(item);
  }
  items.push_back({"whole", {{"", "the goat has a name"}, {"", "the goat has a goat"}}, 0});
  items.push_back({"letters", {{examples + "the", "m"}, {examples + "the", "g"}}, 0});
  return items;
}

TEST(ScoreItems, EqualsEveryChoiceByItself) {
  const Model model = toy_model();
  const std::vector<ChoiceItem> items = some_items();
  Scores scores(items.size());
  const ScoringWork work =
      score_items(model, toy_tokenizer(), items, scores, {.find_most_probable = true});
  EXPECT_LT(work.rows, work.tokens);
  EXPECT_GT(work.rows, 0);
  for (size_t i = 0; i < items.size(); ++i) {
    ASSERT_TRUE(scores[i].has_value());
    ASSERT_EQ(scores[i]->choices.size(), items[i].choices.size());
    for (size_t c = 0; c < items[i].choices.size(); ++c) {
      const EncodedChoice encoded =
          encode_choice(toy_tokenizer(), items[i].choices[c], model.positions());
      RenderedSequence sequence{encoded.tokens, {}};
      sequence.supervised.assign(encoded.tokens.size(), true);
      std::fill_n(sequence.supervised.begin(), encoded.first, false);
      const SequenceScore alone = score_sequences(model, {{sequence}}).front();
      const ChoiceScore& score = scores[i]->choices[c];
      EXPECT_EQ(score.logp, alone.logp) << i << " " << c;
      EXPECT_EQ(score.tokens, alone.tokens);
      EXPECT_EQ(score.most_probable, alone.most_probable);
    }
  }
}

TEST(ScoreItems, HaveTheSameBitsForAnyThreadsAndCompany) {
  const Model model = toy_model();
  const std::vector<ChoiceItem> items = some_items();
  Scores all(items.size());
  score_items(model, toy_tokenizer(), items, all);
  const int threads = thread_count();
  set_thread_count(3);
  Scores rest(items.size());
  for (size_t i = 0; i < items.size(); i += 2) rest[i] = all[i];
  std::vector<size_t> visited;
  score_items(model, toy_tokenizer(), items, rest,
              {.visit = [&](size_t item, const ItemScore& score) {
                visited.push_back(item);
                EXPECT_EQ(score.choices.size(), items[item].choices.size());
              }});
  set_thread_count(threads);
  ASSERT_EQ(visited.size(), items.size() / 2);
  for (size_t i = 0; i < visited.size(); ++i) EXPECT_EQ(visited[i], 2 * i + 1);
  for (size_t i = 0; i < items.size(); ++i)
    for (size_t c = 0; c < items[i].choices.size(); ++c)
      EXPECT_EQ(rest[i]->choices[c].logp, all[i]->choices[c].logp) << i << " " << c;
}

TEST(ScoreItems, AreAskedWholeOrNotAtAll) {
  const Model model = toy_model(1, 16);
  std::string long_answer;
  for (int i = 0; i < 20; ++i) long_answer += " goat";
  const std::vector<ChoiceItem> items = {{"long", {{"the", " goat"}, {"the", long_answer}}, 0},
                                         {"cut", {{"the" + long_answer, " goat"}}, 0},
                                         {"short", {{"the", " goat"}, {"the", " name"}}, 0}};
  Scores scores(items.size());
  score_items(model, toy_tokenizer(), items, scores);
  EXPECT_EQ(scores[0]->problem, "an answer is longer than the model's context");
  EXPECT_TRUE(scores[0]->choices.empty());
  EXPECT_TRUE(scores[1]->truncated);
  EXPECT_EQ(scores[1]->choices.size(), 1u);
  EXPECT_EQ(scores[2]->choices.size(), 2u);
  EXPECT_FALSE(scores[2]->truncated);
}

// Five examples before every question, answers of one letter: what is common is computed once.
TEST(ScoreItems, ComputeTheBeginningThatQuestionsShareOnce) {
  const Model model = toy_model(1, 256);
  std::string examples;
  for (int i = 0; i < 12; ++i) examples += "the goat has a name. ";
  std::vector<ChoiceItem> items;
  for (const char* name : {"goat", "mason", "cooper", "lane"})
    items.push_back(
        {name,
         {{examples + "the " + name + " is", " a"}, {examples + "the " + name + " is", " n"}},
         0});
  Scores scores(items.size());
  const ScoringWork work = score_items(model, toy_tokenizer(), items, scores);
  const auto shared = static_cast<int64_t>(with_bos(examples + "the").size());
  EXPECT_LT(work.rows, shared + 40);
  EXPECT_GT(work.tokens, 8 * shared);
}

TEST(ScoreItems, ShareABeginningThatIsLongerThanABatch) {
  const Index context = kEvaluationRows + 400;
  const Model model = toy_model(1, context);
  std::string examples;
  while (std::ssize(with_bos(examples)) < kEvaluationRows + 10) examples += "the goat has a name. ";
  const std::vector<ChoiceItem> items = {
      {"", {{examples + "the", " goat and a mason"}, {examples + "the", " name"}}, 0}};
  Scores scores(1);
  const ScoringWork work = score_items(model, toy_tokenizer(), items, scores);
  EXPECT_LT(work.rows, std::ssize(with_bos(examples)) + 20);
  EXPECT_FALSE(scores[0]->truncated);
}

}  // namespace
}  // namespace minillm
