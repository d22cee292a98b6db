#include "libminillm/constrain/spellings.h"

#include <algorithm>
#include <set>

#include "libminillm/core/utf8.h"

namespace minillm {
namespace {

// Blocks with characters of several spellings.
constexpr CodeRange kBlocks[] = {{' ', 0x7e},    {0xc0, 0xff},     {0x391, 0x3c9},
                                 {0x400, 0x45f}, {0x3000, 0x3000}, {0xff01, 0xff5e}};
// The letters of words beyond ASCII.
constexpr CodeRange kLetters[] = {
    {0xc0, 0xd6}, {0xd8, 0xf6}, {0xf8, 0x24f}, {0x370, 0x3ff}, {0x400, 0x52f}};

bool is_between(uint32_t c, uint32_t first, uint32_t last) { return first <= c && c <= last; }

bool is_word_character(std::string_view character) {
  uint32_t c = static_cast<uint8_t>(character[0]);
  if (character.size() > 1) c &= 0xffu >> (character.size() + 1);
  for (const char tail : character.substr(1)) c = c << 6 | (static_cast<uint8_t>(tail) & 0x3f);
  c = plain_spelling(c);
  return is_between(c, 'a', 'z') || is_between(c, '0', '9') || c == '_' ||
         std::ranges::any_of(kLetters, [c](CodeRange r) { return is_between(c, r.first, r.last); });
}

}  // namespace

uint32_t plain_spelling(uint32_t c) {
  if (c == 0x3000) return ' ';
  if (is_between(c, 0xff01, 0xff5e)) c -= 0xff01 - 0x21;
  if (is_between(c, 'A', 'Z') || (is_between(c, 0xc0, 0xde) && c != 0xd7)) return c + 32;
  if (is_between(c, 0x391, 0x3a9) && c != 0x3a2) return c + 32;
  if (c == 0x3c2) return 0x3c3;  // the sigma that ends words
  if (is_between(c, 0x410, 0x42f)) return c + 32;
  if (is_between(c, 0x400, 0x40f)) return c + 80;
  return c;
}

CodeRanges with_all_spellings(const CodeRanges& ranges) {
  const auto each = [](auto&& visit) {
    for (const CodeRange& block : kBlocks)
      for (uint32_t c = block.first; c <= block.last; ++c) visit(c);
  };
  std::set<uint32_t> plain;
  each([&](uint32_t c) {
    if (std::ranges::any_of(ranges, [c](CodeRange r) { return is_between(c, r.first, r.last); }))
      plain.insert(plain_spelling(c));
  });
  CodeRanges all = ranges;
  each([&](uint32_t c) {
    if (plain.contains(plain_spelling(c))) all.push_back({c, c});
  });
  return sorted(std::move(all));
}

bool begins_with_word_character(std::string_view text) {
  const size_t length = utf8_character_length(text);
  return length > 0 && is_word_character(text.substr(0, length));
}

bool ends_with_word_character(std::string_view text) {
  for (size_t tail = 1; tail <= std::min<size_t>(4, text.size()); ++tail) {
    const std::string_view last = text.substr(text.size() - tail);
    if (utf8_character_length(last) == tail) return is_word_character(last);
  }
  return false;
}

}  // namespace minillm
