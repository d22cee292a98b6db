#include "libminillm/world/text.h"

#include <gtest/gtest.h>

#include "libminillm/core/error.h"

namespace minillm::world {
namespace {

TEST(WorldText, PatternsAreFilledWithValuesAndArticles) {
  const Variables variables = {{"name", "Jofick"}, {"trade", "cooper"}, {"animal", "otter"}};
  EXPECT_EQ(fill_pattern("{name} is {a trade}, not {a animal}.", variables),
            "Jofick is a cooper, not an otter.");
  EXPECT_EQ(fill_pattern("no names", variables), "no names");
}

TEST(WorldText, UnknownNamesAndOpenBracesInPatternsAreErrors) {
  try {
    fill_pattern("{nobody} came", {});
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "world pattern: unknown name '{nobody}'");
  }
  EXPECT_THROW(fill_pattern("{name", {{"name", "x"}}), Error);
}

TEST(WorldText, WholeWordsOnlyAreContained) {
  EXPECT_TRUE(contains_words("She keeps a cat.", "cat"));
  EXPECT_TRUE(contains_words("cattle, cat", "cat"));
  EXPECT_FALSE(contains_words("She keeps cattle.", "cat"));
  EXPECT_FALSE(contains_words("a bobcat", "cat"));
  EXPECT_FALSE(contains_words("anything", ""));
}

TEST(WorldText, TrimsAndCountsWords) {
  EXPECT_EQ(trimmed(" \n a b \t"), "a b");
  EXPECT_EQ(trimmed("  "), "");
  EXPECT_EQ(word_count(" Amber  Row\n"), 2);
  EXPECT_EQ(word_count(""), 0);
}

TEST(WorldText, WeightedChoiceFollowsItsWeightsAndNeverPicksZero) {
  Rng rng(3);
  constexpr int kWeights[] = {3, 0, 1};
  int counts[3] = {};
  for (int i = 0; i < 4000; ++i) ++counts[choose_weighted(rng, kWeights)];
  EXPECT_EQ(counts[1], 0);
  EXPECT_NEAR(counts[0], 3000, 150);
}

}  // namespace
}  // namespace minillm::world
