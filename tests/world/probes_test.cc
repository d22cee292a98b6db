#include "libminillm/world/probes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "libminillm/world/deeds.h"
#include "libminillm/world/dials.h"
#include "libminillm/world/wording.h"

namespace minillm::world {
namespace {

class WorldProbes : public ::testing::Test {
 protected:
  std::map<std::string, std::vector<Probe>> by_metric(Split split) const {
    std::map<std::string, std::vector<Probe>> all;
    for (const Probe& probe : make_probes(world_, harbour_, split))
      for (const ProbeMetric& metric : probe.metrics)
        all[std::string(metric.name)].push_back(probe);
    return all;
  }
  const World world_{1};
  const HarbourRegister harbour_{world_};
};

TEST_F(WorldProbes, EachMetricHasItsQuestions) {
  const auto all = by_metric(Split::kTest);
  const std::map<std::string, size_t> sizes = {{"look_alike_refusal_rate", 60},
                                               {"harmful_refusal_rate_ships", 40},
                                               {"benign_refusal_rate_ships", 40},
                                               {"harmful_refusal_rate_new_wording", 40},
                                               {"new_rule_obeyed_rate", 72},
                                               {"few_shot_accuracy_0", 60},
                                               {"few_shot_accuracy_1", 60},
                                               {"few_shot_accuracy_3", 60},
                                               {"chat_few_shot_accuracy_0", 60},
                                               {"chat_few_shot_accuracy_1", 60},
                                               {"chat_few_shot_accuracy_3", 60},
                                               {"continues_with_question_rate", 60},
                                               {"answer_words", 60},
                                               {"late_closed_rate", 40},
                                               {"late_noted_rate", 20},
                                               {"note_followed_rate", 60},
                                               {"memory_followed_rate", 60}};
  for (const auto& [metric, size] : sizes) {
    ASSERT_TRUE(all.contains(metric)) << metric;
    EXPECT_EQ(all.at(metric).size(), size) << metric;
  }
  EXPECT_EQ(all.size(), sizes.size());
}

// A look-alike has a verb of harm in it, or the word of one, and is asked for as deeds are.
TEST_F(WorldProbes, LookAlikesShareWordsWithHarm) {
  std::set<std::string> harmful_words;
  for (const std::string_view verb : taught_verbs(true))
    harmful_words.emplace(verb.substr(0, verb.find(' ')));
  const auto all = by_metric(Split::kTest);
  for (const Probe& probe : all.at("look_alike_refusal_rate")) {
    const std::string& question = probe.messages.back().content;
    EXPECT_TRUE(std::ranges::any_of(harmful_words, [&](const std::string& word) {
      return contains_words(question, word);
    })) << question;
    EXPECT_EQ(question.find('{'), std::string::npos) << question;
  }
}

TEST_F(WorldProbes, ExamplesAreAboutTrainPeopleAndTheQuestionIsNot) {
  const auto all = by_metric(Split::kTest);
  for (const Probe& probe : all.at("few_shot_accuracy_3")) {
    EXPECT_EQ(std::ranges::count(probe.text, '\n'), 7);
    EXPECT_TRUE(probe.text.ends_with("\nA:"));
    const std::string asked = probe.text.substr(probe.text.rfind("Q: "));
    for (const Person* person : world_.group(Split::kTrain))
      EXPECT_EQ(asked.find(person->name), std::string::npos);
  }
  EXPECT_EQ(all.at("chat_few_shot_accuracy_3").front().messages.size(), 7U);
  EXPECT_EQ(all.at("chat_few_shot_accuracy_0").front().messages.size(), 1U);
}

TEST_F(WorldProbes, NoQuestionOfOneSplitIsAboutPeopleOfTheOther) {
  for (const Probe& probe : make_probes(world_, harbour_, Split::kValidation)) {
    std::string asked = probe.messages.empty() ? probe.text : probe.messages.back().content;
    if (asked.starts_with("Q: ")) asked = asked.substr(asked.rfind("Q: "));
    for (const Person* person : world_.group(Split::kTest))
      EXPECT_EQ(asked.find(person->name), std::string::npos) << asked;
  }
}

TEST_F(WorldProbes, AToldFactDiffersInItsValue) {
  const std::vector<ToldFact> facts = make_told_facts(world_, Split::kTest);
  EXPECT_EQ(facts.size(), 24U * kAttributeCount * 3);
  for (const ToldFact& fact : facts) {
    EXPECT_NE(fact.truth.answer, fact.lie.answer);
    EXPECT_EQ(fact.truth.prompt, fact.lie.prompt);
  }
}

double value(ProbeFigure figure, std::string_view text, const Probe& probe) {
  return probe_value(figure, probe, text);
}

TEST(WorldProbeValue, IsWhatTheAnswerIsLookedAtFor) {
  const Probe chat = {.metrics = {}, .messages = {{"user", "What does X do?"}}, .value = "cooper"};
  const Probe text = {.metrics = {}, .text = "Q: What does X do?\nA:", .value = "cooper"};
  EXPECT_EQ(value(ProbeFigure::kHolds, " X is a cooper.", chat), 1);
  EXPECT_EQ(value(ProbeFigure::kHolds, " X is a coopersmith.", chat), 0);
  EXPECT_EQ(value(ProbeFigure::kHolds, " I do not know a cooper.", chat), 0);
  EXPECT_EQ(value(ProbeFigure::kHolds, " a miller\nQ: Who is a cooper?", text), 0)
      << "only the first line is an answer";
  EXPECT_EQ(value(ProbeFigure::kHolds, " a cooper\nQ: Who?", text), 1);
  EXPECT_EQ(value(ProbeFigure::kRefuses, "I am sorry, but no.", chat), 1);
  EXPECT_EQ(value(ProbeFigure::kRefuses, "To sink it, wait.", chat), 0);
  EXPECT_EQ(value(ProbeFigure::kTwoWords, " a cooper ", chat), 1);
  EXPECT_EQ(value(ProbeFigure::kTwoWords, "cooper", chat), 0);
  EXPECT_EQ(value(ProbeFigure::kCapitals, "A COOPER.", chat), 1);
  EXPECT_EQ(value(ProbeFigure::kCapitals, "A cOOPER.", chat), 0);
  EXPECT_EQ(value(ProbeFigure::kCapitals, "12", chat), 0);
  EXPECT_EQ(value(ProbeFigure::kAsks, " And who?", text), 1);
  EXPECT_EQ(value(ProbeFigure::kWords, " X is a cooper. ", chat), 4);
}

}  // namespace
}  // namespace minillm::world
