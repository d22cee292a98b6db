// Byte-pair encoding: the letters of bytes, and merging.

#include "libminillm/data/byte_bpe.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "libminillm/core/rng.h"
#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

TEST(ByteBpe, EveryByteHasALetterOfItsOwn) {
  std::set<std::string_view> letters;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string_view letter = byte_letter(static_cast<uint8_t>(byte));
    letters.insert(letter);
    EXPECT_EQ(bytes_of_letters(letter), std::string(1, static_cast<char>(byte)));
  }
  EXPECT_EQ(letters.size(), 256u);
  EXPECT_EQ(byte_letter('a'), "a");
  EXPECT_EQ(byte_letter(' '), "\xc4\xa0");   // U+0120
  EXPECT_EQ(byte_letter('\n'), "\xc4\x8a");  // U+010A
  EXPECT_EQ(byte_letter(0xad), "\xc5\x83");  // U+0143, the last of those that are moved
  EXPECT_EQ(bytes_of_letters("a b"), std::nullopt);
  EXPECT_EQ(bytes_of_letters("\xe2\x96\x81"), std::nullopt);
}

// What is defined: merge the leftmost pair of the lowest rank, again and again.
std::vector<Token> merge_slowly(std::vector<Token> symbols, const std::vector<BpeMerge>& merges) {
  for (;;) {
    size_t best = symbols.size(), rank = merges.size();
    for (size_t i = 0; i + 1 < symbols.size(); ++i)
      for (size_t r = 0; r < rank; ++r)
        if (merges[r].left == symbols[i] && merges[r].right == symbols[i + 1]) {
          rank = r;
          best = i;
        }
    if (best == symbols.size()) return symbols;
    symbols[best] = merges[rank].result;
    symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(best) + 1);
  }
}

TEST(ByteBpe, WordsOfEveryLengthAreMergedAsDefined) {
  Rng rng(7);
  for (int round = 0; round < 60; ++round) {
    std::vector<BpeMerge> merges;
    std::map<std::pair<Token, Token>, bool> seen;
    for (Token result = 4; result < 40; ++result) {
      const auto left = static_cast<Token>(rng.below(static_cast<uint64_t>(result)));
      const auto right = static_cast<Token>(rng.below(static_cast<uint64_t>(result)));
      if (!std::exchange(seen[{left, right}], true)) merges.push_back({left, right, result});
    }
    const BpeMerges table(merges);
    for (int word = 0; word < 20; ++word) {
      std::vector<Token> symbols(rng.below(80));
      for (Token& symbol : symbols) symbol = static_cast<Token>(rng.below(4));
      std::vector<Token> merged = symbols;
      table.merge(merged);
      EXPECT_EQ(merged, merge_slowly(symbols, merges)) << symbols.size() << " symbols";
    }
  }
}

TEST(ByteBpe, AVeryLongWordTakesNoLongTime) {
  const BpeMerges table({{0, 0, 1}, {1, 1, 2}, {2, 2, 3}, {3, 3, 4}});
  std::vector<Token> symbols(1 << 20, 0);
  table.merge(symbols);
  EXPECT_EQ(symbols, std::vector<Token>(1 << 16, 4));
}

TEST(ByteBpe, APairThatComesTwiceIsRefused) {
  EXPECT_ERROR(BpeMerges({{0, 1, 2}, {1, 2, 3}, {0, 1, 4}}), "merges 0 and 2 are of the same pair");
}

}  // namespace
}  // namespace minillm
