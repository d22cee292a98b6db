#include "libminillm/retrieve/sentences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libminillm/core/rng.h"
#include "libminillm/core/utf8.h"
#include "tests/data/test_tokenizer.h"

namespace minillm {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Sentences, EndAtAMarkBeforeACapitalLetter) {
  EXPECT_THAT(cut_sentences("Mary sings. Does she? She\ndoes!  \"So loud.\" 12 heard it."),
              ElementsAre("Mary sings.", "Does she?", "She does!", "\"So loud.\"", "12 heard it."));
  EXPECT_THAT(cut_sentences("She sings (loudly.) \u00c9va heard it, did n't she? said Tom."),
              ElementsAre("She sings (loudly.)", "\u00c9va heard it, did n't she? said Tom."));
}

TEST(Sentences, DoNotEndAtInitialsAndAbbreviations) {
  EXPECT_THAT(cut_sentences("Dr. J. S. Bach met Mr. Tom, e.g. on Monday. He left."),
              ElementsAre("Dr. J. S. Bach met Mr. Tom, e.g. on Monday.", "He left."));
}

TEST(Sentences, EndAtEmptyLinesAndItems) {
  EXPECT_THAT(cut_sentences("one\ntwo.\n\nthree\n \t\nfour\n- five\n* six\nseven"),
              ElementsAre("one two.", "three", "four", "five", "six seven"));
  EXPECT_THAT(cut_sentences(""), IsEmpty());
  EXPECT_THAT(cut_sentences(" \n\r\n"), IsEmpty());
}

TEST(Sentences, FollowTheirHeadings) {
  EXPECT_THAT(cut_sentences("Mary Ashford\n\nShe sings. She swims.\n\n## Life\nBorn in 1815.\n"
                            "### School\nNone.\n# Tom\nHe swims. # is no heading."),
              ElementsAre("Mary Ashford: She sings.", "Mary Ashford: She swims.",
                          "Mary Ashford, Life: Born in 1815.", "Mary Ashford, School: None.",
                          "Tom: He swims.", "Tom: # is no heading."));
}

TEST(Sentences, AFirstLineIsAHeadingOnlyIfItStandsAloneAndEndsAsNoSentence) {
  EXPECT_THAT(cut_sentences("Mary sings.\n\nTom swims."), ElementsAre("Mary sings.", "Tom swims."));
  EXPECT_THAT(cut_sentences("Mary\nsings."), ElementsAre("Mary sings."));
  EXPECT_THAT(cut_sentences("Mary"), ElementsAre("Mary"));
  EXPECT_THAT(cut_sentences("Tom swims.\n\nMary\n\nsings."),
              ElementsAre("Tom swims.", "Mary", "sings."));
  EXPECT_THAT(cut_sentences("#Mary\n####### Tom"), ElementsAre("#Mary ####### Tom"));
}

TEST(Sentences, LongOnesAreCutBetweenWordsAndLongWordsBetweenCharacters) {
  std::string words = "w1";
  for (int i = 2; i <= 100; ++i) words += " w" + std::to_string(i);
  const auto cut = cut_sentences("# A heading\n" + words);
  ASSERT_EQ(cut.size(), 2u);
  EXPECT_TRUE(cut[0].starts_with("A heading: w1 w2 "));
  EXPECT_TRUE(cut[0].ends_with(" w62"));
  EXPECT_TRUE(cut[1].starts_with("A heading: w63 "));

  std::string word = "x";
  for (int i = 0; i < 2000; ++i) word += "\u4e2d";
  std::string together;
  for (const std::string& piece : cut_sentences(word)) {
    EXPECT_TRUE(is_valid_utf8(piece));
    EXPECT_LE(piece.size(), kMostNoteBytes);
    together += piece;
  }
  EXPECT_EQ(together, word);
}

// Without white space, and without what marks an item.
std::string bare(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (std::string_view(" \t\r\n\f\v-*").find(c) == std::string_view::npos) out += c;
  return out;
}

TEST(Sentences, LoseNoWordAndStayShort) {
  Rng rng(1);
  for (int i = 0; i < 2000; ++i) {
    std::string text = "Start.\n";  // a first line that is no heading
    for (uint64_t parts = rng.below(8); parts > 0; --parts)
      text += minillm_testing::random_text(rng) + (rng.chance(0.3) ? ".\n\n" : " ");
    std::erase(text, '#');
    std::string together;
    for (const std::string& sentence : cut_sentences(text)) {
      ASSERT_LE(sentence.size(), kMostNoteBytes);
      ASSERT_TRUE(is_valid_utf8(sentence));
      together += sentence;
    }
    ASSERT_EQ(bare(together), bare(text));
  }
}

}  // namespace
}  // namespace minillm
