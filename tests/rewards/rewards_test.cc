#include "libminillm/rewards/rewards.h"

#include <gtest/gtest.h>

#include "libminillm/core/alternatives.h"
#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

RewardedQuestion asked(std::vector<std::string> expected) {
  return {{{Role::kUser, "What is the capital of France?", true}}, std::move(expected), {}};
}

TEST(Rewards, LookAtTheTextItsLengthAndItsEnd) {
  const RewardedQuestion question = asked({"Paris", "the city of light"});
  const auto worth = [&](const char* name, const RewardedAnswer& answer) {
    return WeightedRewards(name)(question, answer);
  };
  EXPECT_EQ(worth("expected", {"It is paris.", 4, false}), 1);
  EXPECT_EQ(worth("expected", {"It is Parisian.", 4, true}), 0);
  EXPECT_EQ(worth("exact", {" Paris\n", 1, true}), 1);
  EXPECT_EQ(worth("exact", {"paris", 1, true}), 0);
  EXPECT_EQ(worth("exact", {"Paris.", 1, true}), 0);
  EXPECT_EQ(worth("ended", {"", 0, true}), 1);
  EXPECT_EQ(worth("ended", {"Paris", 4, false}), 0);
  EXPECT_EQ(worth("length", {"Paris", 4, false}), 4);
}

TEST(Rewards, AreSummedWithWeightsAndToldApart) {
  const WeightedRewards reward("expected:2,ended,length:-0.5");
  const RewardedAnswer answer = {"Paris", 3, true};
  EXPECT_EQ(reward(asked({"Paris"}), answer), 2 + 1 - 1.5);
  EXPECT_EQ(reward.parts(asked({"Paris"}), answer),
            (Metrics{{"reward/expected", 1}, {"reward/ended", 1}, {"reward/length", 3}}));
}

TEST(Rewards, KnowTheWorldsTruth) {
  const auto worth = [](const char* kind, const char* value, const char* text, bool ended = true) {
    const ExpectingPrompt prompt = {{{Role::kUser, "q", true}}, {}, kind, value};
    return WeightedRewards("world")(rewarded_question(prompt), {text, 9, ended});
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

TEST(Rewards, WhatTheyLackIsNamed) {
  EXPECT_ERROR(WeightedRewards("truth"), "reward 'truth': expected " + alternatives(rewards()));
  EXPECT_ERROR(WeightedRewards(""), "reward ''");
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
  EXPECT_ERROR(rewarded_question({{{Role::kUser, "q", true}}, {}, "riddle", ""}),
               "\"kind\": expected one of the world's questions, got 'riddle'");
}

}  // namespace
}  // namespace minillm
