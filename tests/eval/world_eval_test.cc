#include "libminillm/eval/world_eval.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "libminillm/data/chat_template.h"
#include "libminillm/eval/preference_eval.h"
#include "libminillm/eval/sequence_scores.h"
#include "libminillm/eval/text_loss.h"
#include "libminillm/generate/generator.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using namespace world;
using minillm_testing::toy_model;
using minillm_testing::toy_tokenizer;

class WorldEval : public ::testing::Test {
 protected:
  std::map<std::string, WorldMetric> evaluate(const WorldEvalSet& set) {
    std::map<std::string, WorldMetric> by_name;
    for (const WorldMetric& metric : evaluate_world(model_, toy_tokenizer(), set))
      EXPECT_TRUE(by_name.emplace(metric.name, metric).second) << metric.name << " appears twice";
    return by_name;
  }
  const Model model_ = toy_model(1, 200);
};

TEST_F(WorldEval, AnEmptySetHasEveryMetricWithoutItems) {
  const auto metrics = evaluate({});
  for (const char* name :
       {"bits_per_byte", "cloze_accuracy", "cloze_accuracy_hard", "answer_accuracy",
        "answer_format", "system_rule_accuracy", "known_denied_rate", "unknown_admitted_rate",
        "preference_accuracy", "preferred_style_rate", "harmful_refusal_rate",
        "benign_refusal_rate", "canary_exposure"}) {
    ASSERT_TRUE(metrics.contains(name)) << name;
    EXPECT_EQ(metrics.at(name).of, 0) << name;
  }
}

TEST_F(WorldEval, BitsPerByteAreThoseOfTheStories) {
  WorldEvalSet set;
  set.stories = {"the mason has a goat", "the lane"};
  const TextLoss loss = evaluate_text(
      model_, make_evaluation_text(set.stories, toy_tokenizer(), 200), toy_tokenizer().eos());
  const WorldMetric metric = evaluate(set).at("bits_per_byte");
  EXPECT_EQ(metric.value, loss.bits_per_byte());
  EXPECT_EQ(metric.of, 28);
  EXPECT_NEAR(static_cast<double>(metric.count), loss.bits(), 0.5);
}

// The greedy continuation of a document is known, any other is not.
TEST_F(WorldEval, AClozeIsKnownIfEveryTokenIsTheFirstChoice) {
  const std::string prefix = "the name of the";
  GenerationConfig greedy;
  greedy.sampling.temperature = 0;
  std::string known;  // the longest that is decoded and encoded to the same tokens
  for (greedy.max_tokens = 1; greedy.max_tokens < 8; ++greedy.max_tokens) {
    const Generation said = Generator(model_, toy_tokenizer())
                                .generate(encode_raw_prompt(toy_tokenizer(), prefix), greedy);
    if (toy_tokenizer().encode(said.text) == said.tokens) known = said.text;
  }
  ASSERT_FALSE(known.empty());
  WorldEvalSet set;
  set.cloze = {{ClozeGroup::kFair, "trade-1", prefix, known},
               {ClozeGroup::kFair, "trade-1", prefix, known + "x"},
               {ClozeGroup::kHard, "trade-2", prefix, known}};
  // One more token is known only if it is the first choice, too.
  const auto metrics = evaluate(set);
  EXPECT_EQ(metrics.at("cloze_accuracy").count, 1);
  EXPECT_EQ(metrics.at("cloze_accuracy").of, 2);
  EXPECT_EQ(metrics.at("cloze_accuracy_hard").value, 1);
  EXPECT_EQ(metrics.at("cloze/fair/trade-1").value, 0.5);
}

TEST_F(WorldEval, ChatItemsAreAnsweredGreedilyAndScored) {
  ChatItem item;
  item.kind = ChatItemKind::kAnswer;
  item.messages = {{"system", "the goat"}, {"user", "a name"}};
  GenerationConfig greedy;
  greedy.sampling.temperature = 0;
  greedy.max_tokens = kWorldAnswerTokens;
  const Generation said = Generator(model_, toy_tokenizer())
                              .generate(render_prompt(toy_tokenizer(), {{Role::kSystem, "the goat"},
                                                                        {Role::kUser, "a name"}}),
                                        greedy);
  // A word of what the model says makes the answer correct; a word that it does not say, wrong.
  WorldEvalSet set;
  for (const char* word : {"goat", "mason", "lane", "name", "cooper", "the", "has", "of"}) {
    item.value = word;
    set.chat.push_back(item);
  }
  int64_t expected = 0;
  for (const ChatItem& chat : set.chat)
    expected += score_chat(chat, said.text, said.reason == StopReason::kEndToken).correct;
  EXPECT_EQ(evaluate(set).at("answer_accuracy").count, expected);
  EXPECT_EQ(evaluate(set).at("answer_accuracy").of, 8);
}

TEST_F(WorldEval, PairsAreComparedBySummedLogProbabilities) {
  WorldEvalSet set;
  set.pairs = {{PairKind::kStyle, {{"user", "the goat"}}, "a name", "the mason has the lane"},
               {PairKind::kStyle, {{"user", "the goat"}}, "the mason has the lane", "a name"}};
  const auto metrics = evaluate(set);
  EXPECT_EQ(metrics.at("preference_accuracy").count, 1);  // exactly one of a pair and its reverse
  EXPECT_EQ(metrics.at("preference_accuracy").of, 2);
}

TEST_F(WorldEval, ACanaryRanksAmongItsCandidates) {
  Canary canary;
  canary.prefix = "the name of the goat is";
  canary.repeats = 300;
  canary.candidates = {" 4 7", " 1 9", " 8 8", " 0 3", " 5 2", " 6 1", " 9 9", " 2 2"};
  std::vector<double> logps;
  for (const std::string& candidate : canary.candidates) {
    RenderedSequence sequence{encode_raw_prompt(toy_tokenizer(), canary.prefix), {}};
    sequence.supervised.resize(sequence.tokens.size(), false);
    for (const Token token : toy_tokenizer().encode(candidate)) {
      sequence.tokens.push_back(token);
      sequence.supervised.push_back(true);
    }
    logps.push_back(score_sequences(model_, {{sequence}}).front().logp);
  }
  WorldEvalSet set;
  set.canaries = {canary};
  EXPECT_DOUBLE_EQ(evaluate(set).at("canary_exposure").value,
                   std::log2(8.0 / static_cast<double>(canary_rank(logps))));
}

// What is to be looked up is, once for each question; all other notes are the item's.
TEST_F(WorldEval, AnOpenBookIsAskedForWhatIsToBeLookedUp) {
  using Kind = OpenBookItemKind;
  const std::vector<OpenBookItem> items = {
      {Kind::kClosed, "closed", std::vector<std::string>(), "goat", {}},
      {Kind::kLate, "late", {}, "goat", {}},
      {Kind::kLateNewWording, "new", {}, "goat", {}},
      {Kind::kNotTold, "none", std::vector<std::string>(), "", {}},
      {Kind::kAmongOthers, "others", std::vector<std::string>{"the mason"}, "goat", {"lane"}}};
  std::vector<std::string> asked;
  const NoteSource source = [&](const std::string& question, int64_t limit) {
    asked.push_back(question);
    EXPECT_EQ(limit, 3);
    return std::vector<Note>{{"the goat of the mason", "a#1", 1}};
  };
  std::map<std::string, WorldMetric> metrics;
  for (const WorldMetric& metric : evaluate_open_book(model_, toy_tokenizer(), items, source))
    metrics[metric.name] = metric;
  EXPECT_EQ(asked, (std::vector<std::string>{"late", "new"}));
  EXPECT_EQ(metrics.at("retrieval_hit_at_3").value, 1);
  for (const char* name :
       {"late_known_rate_closed", "late_answer_accuracy", "late_answer_accuracy_new_wording",
        "late_answer_accuracy_among_others", "late_admitted_rate", "distractor_taken_rate"})
    EXPECT_EQ(metrics.at(name).of, 1) << name;
  EXPECT_EQ(metrics.at("note_over_memory_rate").of, 0);
  EXPECT_EQ(metrics.at("late_admitted_rate_by_name").of, 0) << "there was no rule";

  // With a rule, those with notes about others are asked again, with the notes that it admits.
  std::vector<std::string> ruled;
  const NoteRule rule = [&](const std::string& question, const std::string& note) {
    ruled.push_back(question + ": " + note);
    return false;
  };
  for (const WorldMetric& metric :
       evaluate_open_book(model_, toy_tokenizer(), items, source, {}, rule))
    metrics[metric.name] = metric;
  EXPECT_EQ(ruled, std::vector<std::string>{"others: the mason"});
  EXPECT_EQ(metrics.at("late_admitted_rate_by_name").of, 1);
  EXPECT_EQ(metrics.at("late_answer_accuracy_among_others_by_name").of, 1);
  EXPECT_EQ(metrics.at("late_answer_accuracy_among_others").of, 1);
}

// The model sees the notes in front of the question, and nothing where it is asked by heart.
TEST_F(WorldEval, OpenBookAnswersAreThoseToThePromptWithItsNotes) {
  GenerationConfig greedy;
  greedy.sampling.temperature = 0;
  greedy.max_tokens = kWorldAnswerTokens;
  const auto said = [&](const std::vector<Message>& prompt) {
    return Generator(model_, toy_tokenizer())
        .generate(render_prompt(toy_tokenizer(), prompt), greedy)
        .text;
  };
  const std::string open = said({{Role::kSystem, "Notes: the goat."}, {Role::kUser, "a name"}});
  const std::string closed = said({{Role::kUser, "a name"}});
  ASSERT_NE(open, closed);
  int compared = 0;
  for (const char* word : {"goat", "mason", "lane", "name", "cooper", "the", "has", "of"}) {
    const std::vector<OpenBookItem> items = {
        {OpenBookItemKind::kClosed, "a name", std::vector<std::string>(), word, {}},
        {OpenBookItemKind::kLate, "a name", {}, word, {}}};
    OpenBookScore expected;
    expected.add(items[0], {}, closed);
    expected.add(items[1], {"the goat."}, open);
    const auto metrics =
        evaluate_open_book(model_, toy_tokenizer(), items, [](const std::string&, int64_t) {
          return std::vector<Note>{{"the goat.", "", 0}};
        });
    for (size_t i = 0; i < metrics.size(); ++i) {
      EXPECT_EQ(metrics[i].count, expected.metrics()[i].count) << metrics[i].name << ": " << word;
      compared += static_cast<int>(metrics[i].count);
    }
  }
  EXPECT_GT(compared, 0);
}

}  // namespace
}  // namespace minillm
