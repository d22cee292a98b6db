// Texts are encoded word by word and words remembered: the ids are those of sentencepiece for the
// whole text.

#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include "libminillm/core/threads.h"
#include "tests/data/test_tokenizer.h"

namespace minillm {
namespace {

using minillm_testing::random_text;
using minillm_testing::test_tokenizer;

class WholeText {
 public:
  explicit WholeText(const Tokenizer& tokenizer) {
    EXPECT_TRUE(
        processor_.LoadFromSerializedProto({tokenizer.bytes().data(), tokenizer.bytes().size()})
            .ok());
  }
  std::vector<Token> encode(const std::string& text) const {
    std::vector<int> ids;
    EXPECT_TRUE(processor_.Encode({text.data(), text.size()}, &ids).ok());
    return {ids.begin(), ids.end()};
  }

 private:
  sentencepiece::SentencePieceProcessor processor_;
};

// Without U+2581, which the tokenizer spells in bytes and sentencepiece takes for a space.
std::string text_without_space_symbols(Rng& rng) {
  std::string text = random_text(rng) + random_text(rng);
  const std::string symbol = "\xe2\x96\x81";
  for (size_t at = 0; (at = text.find(symbol)) != std::string::npos;) text.erase(at, symbol.size());
  return text;
}

TEST(TokenizerWords, AreEncodedAsInTheWholeText) {
  const WholeText whole(test_tokenizer());
  Rng rng(1);
  for (int i = 0; i < 5000; ++i) {
    const std::string text = text_without_space_symbols(rng);
    ASSERT_EQ(test_tokenizer().encode(text), whole.encode(text)) << text;
  }
}

// Far more words than are remembered, and longer ones; every text twice, for the second time finds
// some.
TEST(TokenizerWords, AreEncodedAsInTheWholeTextWhenTheyPushEachOtherOut) {
  const WholeText whole(test_tokenizer());
  Rng rng(2);
  for (int i = 0; i < 40; ++i) {
    std::string text;
    for (int word = 0; word < 2000; ++word) {
      for (uint64_t letters = 1 + rng.below(rng.chance(0.02) ? 60 : 7); letters > 0; --letters)
        text += rng.pick<char>({'a', 'e', 'o', 'r', 's', 't', 'h', ',', '1', '\t'});
      text += rng.chance(0.1) ? "\n" : rng.chance(0.1) ? "   " : " ";
    }
    const std::vector<Token> expected = whole.encode(text);
    ASSERT_EQ(test_tokenizer().encode(text), expected) << text;
    ASSERT_EQ(test_tokenizer().encode(text), expected) << text;
  }
}

TEST(TokenizerWords, AreEncodedTheSameByManyThreads) {
  const WholeText whole(test_tokenizer());
  std::vector<std::string> texts;
  std::vector<std::vector<Token>> expected;
  Rng rng(3);
  for (int i = 0; i < 300; ++i) {
    texts.push_back(text_without_space_symbols(rng));
    expected.push_back(whole.encode(texts.back()));
  }
  std::vector<std::vector<Token>> actual(texts.size());
  parallel_for(texts.size(), [&](size_t i) { actual[i] = test_tokenizer().encode(texts[i]); });
  EXPECT_EQ(actual, expected);
}

}  // namespace
}  // namespace minillm
