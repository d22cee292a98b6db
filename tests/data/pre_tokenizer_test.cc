// How texts are cut into words: facts about the known ways, and what expressions may hold.

#include "libminillm/data/pre_tokenizer.h"

#include <gtest/gtest.h>

#include "libminillm/core/rng.h"
#include "tests/data/test_tokenizer.h"
#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

using Words = std::vector<std::string>;

Words words_of(const PreTokenizer& cutter, const std::string& text) {
  Words words;
  cutter.for_each_word(text, [&](std::string_view word) { words.emplace_back(word); });
  return words;
}
Words cut(const char* name, const std::string& text) {
  return words_of(PreTokenizer(known_pre_tokenizer(name)->cuts), text);
}
Words cut_by(const WordCut& one, const std::string& text) {
  return words_of(PreTokenizer({one}), text);
}

TEST(PreTokenizer, Gpt2) {
  EXPECT_EQ(cut("gpt-2", "I'll go  to 12345 !!\n\n x "),
            (Words{"I", "'ll", " go", " ", " to", " 12345", " !!", "\n\n", " x", " "}));
  EXPECT_EQ(cut("gpt-2", "I'LL"), (Words{"I", "'", "LL"}));
}

TEST(PreTokenizer, Llama3TakesThreeDigitsAndCapitalContractions) {
  EXPECT_EQ(cut("llama-bpe", "I'LL pay $12345.6!\n\n  x"),
            (Words{"I", "'LL", " pay", " $", "123", "45", ".", "6", "!\n\n", " ", " x"}));
  EXPECT_EQ(cut("llama-bpe", "(a)\t\tb"), (Words{"(a", ")", "\t", "\tb"}));
  EXPECT_EQ(cut("llama-bpe", "a  \n \n  b"), (Words{"a", "  \n \n", " ", " b"}));
}

TEST(PreTokenizer, OthersTakeEachDigit) {
  EXPECT_EQ(cut("qwen2", " 123 b"), (Words{" ", "1", "2", "3", " b"}));
  EXPECT_EQ(cut("smollm", "a 12 b"), (Words{"a", " ", "1", "2", " b"}));
  EXPECT_EQ(cut_by(digit_cut(false), "a12b3"), (Words{"a", "12", "b", "3"}));
}

TEST(PreTokenizer, ClassesAreUnicodes) {
  // The long s is an s in another case, and U+0663 and U+2167 are numbers.
  EXPECT_EQ(cut("llama-bpe", "x'\xc5\xbf"), (Words{"x", "'\xc5\xbf"}));
  EXPECT_EQ(cut("llama-bpe", "\xd9\xa3\xe2\x85\xa7z"), (Words{"\xd9\xa3\xe2\x85\xa7", "z"}));
  // U+3000 is white space; U+180E, the Mongolian vowel separator, is none.
  EXPECT_EQ(cut("gpt-2", "\xe3\x80\x80\xe3\x80\x80x"),
            (Words{"\xe3\x80\x80", "\xe3\x80\x80", "x"}));
  EXPECT_EQ(cut("gpt-2", " \xe1\xa0\x8ex"), (Words{" \xe1\xa0\x8e", "x"}));
  // A combining mark is no letter.
  EXPECT_EQ(cut("gpt-2", "e\xcc\x81"), (Words{"e", "\xcc\x81"}));
}

TEST(PreTokenizer, WordsMakeUpTheTextWhateverItIs) {
  Rng rng(3);
  for (const char* name : {"gpt-2", "llama-bpe", "qwen2", "smollm"}) {
    const PreTokenizer cutter(known_pre_tokenizer(name)->cuts);
    for (int i = 0; i < 200; ++i) {
      const std::string text = minillm_testing::random_text(rng);
      std::string joined;
      for (const std::string& word : words_of(cutter, text)) {
        EXPECT_FALSE(word.empty());
        joined += word;
      }
      EXPECT_EQ(joined, text) << name;
    }
  }
}

TEST(PreTokenizer, MatchesOrTheRestMayBeDropped) {
  EXPECT_EQ(cut_by({"\\s+", true, false}, "a  b c"), (Words{"a", "b", "c"}));
  EXPECT_EQ(cut_by({"\\w+", false, true}, "a, b; c"), (Words{"a", "b", "c"}));
  EXPECT_EQ(cut_by({quoted_expression("a.b")}, "xa.baxb"), (Words{"x", "a.b", "axb"}));
}

TEST(PreTokenizer, ExpressionsMeanWhatTheyMeanInOniguruma) {
  EXPECT_EQ(pcre_of_oniguruma("[^\\r\\n\\p{L}]?\\p{Han}+\\d"), "[^\\r\\n\\p{L}]?\\p{sc:Han}+\\d");
  EXPECT_EQ(cut_by({"\\w+"}, "a\xcc\x81-b"), (Words{"a\xcc\x81", "-", "b"}));  // marks are in \w
  EXPECT_EQ(cut_by({"\\s+$"}, "a  \nb  "), (Words{"a", "  ", "\nb", "  "}));   // of every line
  for (const char* expression : {"\\bx", "\\h", "(?m)x", "[[:alpha:]]", "[a&&b]", "[a[b]]", "a{2}+",
                                 "\\1(a)", "(?<n>a)", "(*UTF)a", "[\\S]", "\\xff", "\\p{", "\\"})
    EXPECT_ERROR(pcre_of_oniguruma(expression), "which is not supported");
  EXPECT_ERROR(Expression("a*"), "expected one that cannot match nothing");
  EXPECT_ERROR(Expression("(a"), "the expression '(a' is not supported: ");
  EXPECT_ERROR(Expression("\\p{Nothing}"), "is not supported: ");
}

TEST(PreTokenizer, AnExpressionThatTakesTooLongIsAnError) {
  EXPECT_ERROR(cut_by({"(?:a|aa)+[bc]"}, std::string(200, 'a')),
               "cannot be matched with this text");
}

TEST(PreTokenizer, KnownWaysAreFoundByWhatTheyDo) {
  for (const char* name : {"gpt-2", "llama-bpe", "qwen2", "smollm", "dbrx"}) {
    const KnownPreTokenizer* const known = known_pre_tokenizer(name);
    ASSERT_NE(known, nullptr) << name;
    EXPECT_EQ(known_pre_tokenizer(known->cuts, known->ignore_merges)->name, name);
  }
  std::vector<WordCut> cuts = known_pre_tokenizer("dbrx")->cuts;
  cuts[0].drops_rest = true;  // of which there is none
  EXPECT_EQ(known_pre_tokenizer(cuts, false)->name, "dbrx");
  cuts[0].drops_matches = true;
  EXPECT_EQ(known_pre_tokenizer(cuts, false), nullptr);
  EXPECT_EQ(known_pre_tokenizer("none"), nullptr);
  EXPECT_EQ(known_pre_tokenizer({{"x"}}, false), nullptr);
}

}  // namespace
}  // namespace minillm
