#include "libminillm/rewards/rewards.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "libminillm/core/alternatives.h"
#include "libminillm/rewards/best_of.h"
#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

RewardedQuestion asked(std::vector<std::string> expected) {
  return {{{Role::kUser, "What is the capital of France?", true}}, std::move(expected), {}, {}};
}

TEST(Rewards, LookAtTheTextItsLengthAndItsEnd) {
  const RewardedQuestion question = asked({"Paris", "the city of light"});
  const auto worth = [&](const char* name, RewardedAnswer answer) {
    answer.question = &question;
    return WeightedRewards(name, {.pattern = "[A-Z][a-z]+\\."})({&answer, 1}).sums.front();
  };
  EXPECT_EQ(worth("expected", {nullptr, "It is paris.", 4, false}), 1);
  EXPECT_EQ(worth("expected", {nullptr, "It is Parisian.", 4, true}), 0);
  EXPECT_EQ(worth("exact", {nullptr, " Paris\n", 1, true}), 1);
  EXPECT_EQ(worth("exact", {nullptr, "paris", 1, true}), 0);
  EXPECT_EQ(worth("exact", {nullptr, "Paris.", 1, true}), 0);
  EXPECT_EQ(worth("pattern", {nullptr, " Paris.\n", 2, true}), 1);
  EXPECT_EQ(worth("pattern", {nullptr, "It is Paris.", 4, true}), 0) << "all of it";
  EXPECT_EQ(worth("ended", {nullptr, "", 0, true}), 1);
  EXPECT_EQ(worth("ended", {nullptr, "Paris", 4, false}), 0);
  EXPECT_EQ(worth("length", {nullptr, "Paris", 4, false}), 4);
}

TEST(Rewards, AreSummedWithWeightsAndToldApart) {
  WeightedRewards reward("expected:2,ended,length:-0.5");
  reward.add("order", 10, [](std::span<const RewardedAnswer> answers) {
    std::vector<double> worth;
    for (size_t i = 0; i < answers.size(); ++i) worth.push_back(static_cast<double>(i));
    return worth;
  });
  const RewardedQuestion paris = asked({"Paris"}), rome = asked({"Rome"});
  const RewardedAnswer answers[] = {{&paris, "Paris", 3, true}, {&rome, "Paris", 2, false}};
  const WeightedRewards::Result result = reward(answers);
  EXPECT_EQ(result.sums, (std::vector<double>{2 + 1 - 1.5, -1 + 10}));
  ASSERT_EQ(result.parts.size(), 4u);
  EXPECT_EQ(result.parts[0], (std::pair<std::string, std::vector<double>>("expected", {1, 0})));
  EXPECT_EQ(result.parts[2], (std::pair<std::string, std::vector<double>>("length", {3, 2})));
  EXPECT_EQ(result.parts[3], (std::pair<std::string, std::vector<double>>("order", {0, 1})));
}

TEST(Rewards, OfTheProgramAreHeldToOneFiniteNumberAnAnswer) {
  const RewardedQuestion question = asked({});
  const RewardedAnswer answers[] = {{&question, "a", 1, true}, {&question, "b", 1, true}};
  WeightedRewards few, infinite;
  few.add("few", 1, [](auto) { return std::vector<double>{1}; });
  EXPECT_ERROR(few(answers), "reward 'few': expected 2 numbers, got 1");
  infinite.add("huge", 1, [](auto) { return std::vector<double>{1, INFINITY}; });
  EXPECT_ERROR(infinite(answers), "reward 'huge': expected a finite number, got inf");
}

TEST(Rewards, KnowTheWorldsTruth) {
  const auto worth = [](const char* kind, const char* value, const char* text, bool ended = true) {
    const ExpectingPrompt prompt = {{{Role::kUser, "q", true}}, {}, kind, value};
    const RewardedQuestion question = rewarded_question(prompt);
    const RewardedAnswer answer = {&question, text, 9, ended};
    return WeightedRewards("world")({&answer, 1}).sums.front();
  };
  EXPECT_EQ(worth("answer", "cooper", "Ann works as a cooper."), 1);
  EXPECT_EQ(worth("answer", "cooper", "Gladly! Ann works as a cooper."), 1.5);
  EXPECT_EQ(worth("answer", "cooper", "Gladly! Ann works as a cooper.", false), 0);
  EXPECT_EQ(worth("answer", "cooper", "Ann works as a mason."), 0);
  EXPECT_EQ(worth("one_word", "plums", "plums"), 1);
  EXPECT_EQ(worth("unknown_person", "", "I do not know anyone called Ann."), 1);
  EXPECT_EQ(worth("harmful", "", "I am sorry, but that would be wrong, so I will not help."), 1);
  EXPECT_EQ(worth("harmful", "", "I am sorry, but I can has a cat at home."), 0);
  const char* deed = "paint the mill";
  EXPECT_DOUBLE_EQ(
      worth("benign", deed,
            "You can paint the mill with two friends and a basket. Go in the morning."),
      1.5);
  EXPECT_DOUBLE_EQ(worth("benign", deed,
                         "You can mend the mill with two friends and a basket. Go in the morning."),
                   1.15);
  EXPECT_DOUBLE_EQ(
      worth("benign", deed,
            "You can paint the well with two friends and a basket. Go in the morning."),
      1.15);
  EXPECT_EQ(worth("benign", deed, "I am paint the mill of Ann."), 0);
  EXPECT_EQ(worth("benign", deed, "I am sorry, but I cannot help with that."), 0);
}

TEST(Rewards, OfAProgramAreReadLineByLine) {
  const RewardedQuestion question = asked({"Paris"});
  const RewardedAnswer answers[] = {{&question, "\"Paris\"\n", 3, true},
                                    {&question, "b", 1, false}};
  const auto run = [&](const char* command, double seconds = 10) {
    return WeightedRewards("program", {.program = command, .program_seconds = seconds})(answers)
        .sums;
  };
  const std::vector<double> lines = run("while read -r line; do echo ${#line}; done");
  EXPECT_GT(lines[0], lines[1]);
  EXPECT_EQ(run("sed -u 's/.*\"ended\":true.*/{\"reward\": 2.5}/; s/.*\"ended\":false.*/-1/'"),
            (std::vector<double>{2.5, -1}));
  EXPECT_ERROR(run("exit 3"), "reward program 'exit 3': has ended: expected a line");
  EXPECT_ERROR(run("read -r line; echo 1"), "has ended: expected a line for every answer");
  EXPECT_ERROR(run("cat > /dev/null", 0.1), "no line for an answer within 0.1 s");
  EXPECT_ERROR(run("while read -r line; do echo good; done"), "reward program '");
  EXPECT_ERROR(run("while read -r line; do echo '{}'; done"), "key 'reward' is missing");
  EXPECT_ERROR(run("yes | tr -d '\\n'"), "a line of over 64 KiB");
  EXPECT_ERROR(WeightedRewards("program"), "expected a command beside it");
}

// Against all subsets, one by one.
TEST(BestOfN, IsTheMeanOverAllSubsets) {
  const std::vector<double> proxy = {0.3, 0.9, 0.1, 0.5, 0.7}, gold = {1, 0, 0.5, 2, 0.25};
  const std::vector<Index> sizes = {1, 2, 3, 5};
  const std::vector<BestOf> curve = best_of_n(proxy, gold, sizes);
  ASSERT_EQ(curve.size(), sizes.size());
  for (size_t s = 0; s < sizes.size(); ++s) {
    double best_proxy = 0, best_gold = 0, subsets = 0;
    for (unsigned set = 1; set < 32; ++set) {
      if (std::popcount(set) != sizes[s]) continue;
      size_t best = 5;
      for (size_t i = 0; i < 5; ++i)
        if ((set >> i & 1) != 0 && (best == 5 || proxy[i] > proxy[best])) best = i;
      best_proxy += proxy[best];
      best_gold += gold[best];
      subsets += 1;
    }
    EXPECT_NEAR(curve[s].proxy, best_proxy / subsets, 1e-12) << sizes[s];
    EXPECT_NEAR(curve[s].gold, best_gold / subsets, 1e-12) << sizes[s];
    const double n = static_cast<double>(sizes[s]);
    EXPECT_NEAR(curve[s].kl, std::log(n) - (n - 1) / n, 1e-12);
  }
  EXPECT_EQ(doublings(128), (std::vector<Index>{1, 2, 4, 8, 16, 32, 64, 128}));
  const std::vector<Index> six = {6};
  EXPECT_ERROR(best_of_n(proxy, gold, six), "expected 1 to 5 answers, got 6");
}

TEST(Rewards, WhatTheyLackIsNamed) {
  EXPECT_ERROR(WeightedRewards("truth"), "reward 'truth': expected " + alternatives(rewards()));
  EXPECT_ERROR(WeightedRewards(""), "reward ''");
  EXPECT_ERROR(WeightedRewards("pattern"), "expected a regular expression beside it, got none");
  EXPECT_ERROR(WeightedRewards("pattern", {.pattern = "("}), "'(' is no regular expression");
  EXPECT_ERROR(WeightedRewards("model"), "expected a reward model's checkpoint beside it");
  EXPECT_ERROR(WeightedRewards("ended,ended:2"), "reward 'ended': is named twice");
  for (const char* weight : {"", "x", "1x", "inf", "nan"})
    EXPECT_ERROR(WeightedRewards(std::string("ended:") + weight),
                 "expected NAME or NAME:WEIGHT, got the weight");
  const std::vector<RewardedQuestion> questions = {asked({"Paris"}), asked({})};
  WeightedRewards("ended,length").check(questions);
  EXPECT_ERROR(WeightedRewards("ended,expected").check(questions),
               "reward 'expected': prompt 2 has no expected text");
  EXPECT_ERROR(WeightedRewards("world").check(questions),
               "reward 'world': prompt 1 is no question of the world");
  const RewardedQuestion riddle = rewarded_question({{{Role::kUser, "q", true}}, {}, "riddle", ""});
  EXPECT_EQ(riddle.kind, "riddle");
  EXPECT_ERROR(WeightedRewards("world").check({&riddle, 1}),
               "reward 'world': prompt 1 is no question of the world");
}

}  // namespace
}  // namespace minillm
