#include "libminillm/constrain/utf8_ranges.h"

#include <gtest/gtest.h>

#include <set>

#include "libminillm/core/rng.h"
#include "libminillm/core/utf8.h"

namespace minillm {
namespace {

bool spelled_by(const std::vector<ByteRanges>& sequences, const std::vector<uint8_t>& bytes) {
  for (const ByteRanges& sequence : sequences) {
    bool fits = sequence.size() == bytes.size();
    for (size_t i = 0; fits && i < bytes.size(); ++i)
      fits = sequence[i].low <= bytes[i] && bytes[i] <= sequence[i].high;
    if (fits) return true;
  }
  return false;
}

uint64_t count(const std::vector<ByteRanges>& sequences) {
  uint64_t sum = 0;
  for (const ByteRanges& sequence : sequences) {
    uint64_t product = 1;
    for (const auto& [low, high] : sequence) product *= high - low + 1u;
    sum += product;
  }
  return sum;
}

TEST(Utf8Ranges, OfAllCharactersAreAllOfThemAndNoSurrogate) {
  std::vector<ByteRanges> all;
  append_utf8({0, kLastCodePoint}, all);
  EXPECT_EQ(count(all), 0x110000u - 0x800u);
  EXPECT_FALSE(spelled_by(all, {0xed, 0xa0, 0x80}));        // U+D800
  EXPECT_FALSE(spelled_by(all, {0xc0, 0x80}));              // overlong
  EXPECT_FALSE(spelled_by(all, {0xf4, 0x90, 0x80, 0x80}));  // U+110000
  EXPECT_LE(all.size(), 12u);
}

TEST(Utf8Ranges, AreTheCharactersOfTheRange) {
  Rng rng(1);
  for (int i = 0; i < 2000; ++i) {
    const uint32_t widest = 1u << (4 + rng.below(17));
    const auto first = static_cast<uint32_t>(rng.below(std::min(widest, kLastCodePoint)));
    const auto last =
        std::min<uint32_t>(first + static_cast<uint32_t>(rng.below(widest)), kLastCodePoint);
    std::vector<ByteRanges> sequences;
    append_utf8({first, last}, sequences);
    const uint32_t surrogates_first = std::max(first, 0xd800u),
                   surrogates_last = std::min(last, 0xdfffu);
    const uint64_t surrogates =
        surrogates_first <= surrogates_last ? surrogates_last - surrogates_first + 1 : 0;
    ASSERT_EQ(count(sequences), last - first + 1u - surrogates) << first << " to " << last;
    for (const uint32_t c : {first, last, (first + last) / 2}) {
      if (c >= 0xd800 && c <= 0xdfff) continue;
      const std::vector<uint8_t> bytes = utf8_bytes(c);
      ASSERT_TRUE(spelled_by(sequences, bytes)) << c;
      ASSERT_TRUE(is_valid_utf8(std::string(bytes.begin(), bytes.end())));
    }
  }
}

TEST(Utf8Ranges, InJsonStringsWhatMustBeIsEscaped) {
  const auto spelled = [](const std::string& text) {
    std::vector<ByteRanges> all;
    append_json_utf8({0, kLastCodePoint}, all);
    return spelled_by(all, {text.begin(), text.end()});
  };
  for (const char* text :
       {"a", "\\\"", "\\\\", "\\n", "\\u0000", "\\u001f", "/", "\x7f", "\xc3\xa9"})
    EXPECT_TRUE(spelled(text)) << text;
  for (const char* text : {"\"", "\\", "\n", "\\u000a", "\\u001F", "\\/", "\\u0061"})
    EXPECT_FALSE(spelled(text)) << text;
}

}  // namespace
}  // namespace minillm
