#include "libminillm/core/utf8.h"

#include <gtest/gtest.h>

#include <vector>

namespace minillm {
namespace {

TEST(Utf8, AcceptsCharactersOfEveryLength) {
  for (const char* text : {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf",
                           "\xee\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_valid_utf8(text)) << text;
  }
  EXPECT_TRUE(is_valid_utf8(std::string_view("a\0b", 3)));
}

TEST(Utf8, RejectsOverlongSurrogateTruncatedAndTooLargeForms) {
  const std::vector<std::string> bad = {"\x80",
                                        "\xc0\x80",
                                        "\xc1\xbf",
                                        "\xe0\x9f\xbf",
                                        "\xed\xa0\x80",
                                        "\xf0\x8f\xbf\xbf",
                                        "\xf4\x90\x80\x80",
                                        "\xf5\x80\x80\x80",
                                        "\xff",
                                        "\xc3",
                                        "\xe2\x82",
                                        "\xf0\x9f\x98",
                                        "\xc3"
                                        "a",
                                        "\xe2\x28\xa1"};
  for (const std::string& text : bad) {
    size_t bad_byte = 99;
    EXPECT_FALSE(is_valid_utf8("ok " + text, &bad_byte));
    EXPECT_EQ(bad_byte, 3u);
  }
}

TEST(Utf8, TellsACutOffCharacterFromABadOne) {
  bool cut_off = false;
  EXPECT_EQ(utf8_character_length("\xf0\x9f\x98", &cut_off), 0u);
  EXPECT_TRUE(cut_off);
  EXPECT_EQ(utf8_character_length("\xf0\x9f(", &cut_off), 0u);
  EXPECT_FALSE(cut_off);
  EXPECT_EQ(utf8_character_length("\xf0\x9f\x98\x80", &cut_off), 4u);
  EXPECT_FALSE(cut_off);
}

TEST(Utf8, ReplacesEveryBadByteAndNothingElse) {
  EXPECT_EQ(replace_invalid_utf8("a\xff\xc3\xa9\xe2\x82z"),
            "a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbdz");
}

}  // namespace
}  // namespace minillm
