#include "libminillm/retrieve/question.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace minillm {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Question, HasWordsAndNames) {
  const auto asked = question_words("Which instrument does Jofick Harford play, and Jofick's dog?");
  EXPECT_THAT(asked.words, ElementsAre("instrument", "Jofick", "Harford", "play", "dog"));
  EXPECT_THAT(asked.names, ElementsAre("Jofick", "Harford"));
}

TEST(Question, CapitalStopWordsAreNoNames) {
  EXPECT_THAT(question_words("Does Mary sing? Tell me. What Is It?").names, ElementsAre("Mary"));
  EXPECT_THAT(question_words("Tell me the trade of O'Brien-Smith.").names,
              ElementsAre("O", "Brien", "Smith"));
}

TEST(Question, NamesMayBeInOtherScripts) {
  const auto asked = question_words(
      "\u201cWo wohnt \u00c9va \u0160tern, \u0395\u03bb\u03b5\u03bd\u03b7, "
      "\u0418\u0432\u0430\u043d?\u201d \u00e9t\u00e9 \u2026");
  EXPECT_THAT(asked.names,
              ElementsAre("Wo", "\u00c9va", "\u0160tern", "\u0395\u03bb\u03b5\u03bd\u03b7",
                          "\u0418\u0432\u0430\u043d"));
  EXPECT_THAT(asked.words.back(), "\u00e9t\u00e9");
}

TEST(Question, WithoutSmallLettersHasNoNames) {
  const auto asked = question_words("WHERE DOES MARY ASHFORD LIVE?");
  EXPECT_THAT(asked.words, ElementsAre("MARY", "ASHFORD", "LIVE"));
  EXPECT_THAT(asked.names, IsEmpty());
}

TEST(Question, MayHaveNoWord) {
  for (const char* text : {"", "?!", "what is it", " \t\n", "\xff\xfe", "\u2014 \u201d"}) {
    EXPECT_THAT(question_words(text).words, IsEmpty()) << text;
    EXPECT_EQ(match_expression(question_words(text)), "");
  }
}

TEST(Question, EveryWordIsQuoted) {
  EXPECT_EQ(match_expression(question_words("a\"b NOT NEAR(x y) text: -z *")),
            "\"NEAR\" AND (\"b\" OR \"NEAR\" OR \"x\" OR \"y\" OR \"text\" OR \"z\")");
  EXPECT_EQ(match_expression(question_words("Mary Ashford lives")),
            "\"Mary\" AND \"Ashford\" AND (\"Mary\" OR \"Ashford\" OR \"lives\")");
}

TEST(Question, ANoteMayAnswerIfItHoldsEveryName) {
  const QuestionWords asked = question_words("Which instrument does Mary Ashford play?");
  EXPECT_TRUE(may_answer(asked, "mary ASHFORD plays the fiddle."));
  EXPECT_TRUE(may_answer(asked, "The fiddle of Ashford, Mary."));
  EXPECT_FALSE(may_answer(asked, "Tom Ashford plays the fiddle."));
  EXPECT_FALSE(may_answer(asked, "Mary Ashfordson plays the fiddle."));
  EXPECT_FALSE(may_answer(asked, ""));
  EXPECT_TRUE(may_answer(question_words("who plays the fiddle"), "Tom plays."));
  EXPECT_FALSE(may_answer(question_words("who plays the fiddle"), "Tom sings."));
}

TEST(Question, OfAnyLengthIsBounded) {
  std::string many;
  for (int i = 0; many.size() < size_t{10} << 20; ++i) many += "w" + std::to_string(i) + " ";
  EXPECT_EQ(question_words(many).words.size(), kMostQuestionWords);
  EXPECT_EQ(question_words(std::string(size_t{10} << 20, 'x')).words.at(0).size(),
            kMostQuestionBytes);
}

}  // namespace
}  // namespace minillm
