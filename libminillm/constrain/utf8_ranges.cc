#include "libminillm/constrain/utf8_ranges.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace minillm {
namespace {

constexpr uint32_t kFirstSurrogate = 0xd800, kLastSurrogate = 0xdfff;

// Spelled as RFC 8259 abbreviates it where it does.
std::string json_escape(uint32_t c) {
  constexpr std::string_view kShort = "\b\t\n\f\r\"\\", kLetters = "btnfr\"\\";
  const size_t at = kShort.find(static_cast<char>(c));
  if (at != std::string_view::npos) return {'\\', kLetters[at]};
  constexpr std::string_view kHex = "0123456789abcdef";
  return {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
}

bool is_escaped(uint32_t c) { return c < 0x20 || c == '"' || c == '\\'; }

}  // namespace

std::vector<uint8_t> utf8_bytes(uint32_t c) {
  const auto tail = [&](int shift) { return static_cast<uint8_t>(0x80 | (c >> shift & 0x3f)); };
  if (c < 0x80) return {static_cast<uint8_t>(c)};
  if (c < 0x800) return {static_cast<uint8_t>(0xc0 | c >> 6), tail(0)};
  if (c < 0x10000) return {static_cast<uint8_t>(0xe0 | c >> 12), tail(6), tail(0)};
  return {static_cast<uint8_t>(0xf0 | c >> 18), tail(12), tail(6), tail(0)};
}

// Cut until first and last have equally many bytes, and the bytes after the first one that differs
// run through all values: then the range is the product of its bytes' ranges.
void append_utf8(CodeRange range, std::vector<ByteRanges>& sequences) {
  const uint32_t first = range.first, last = range.last;
  if (first > last) return;
  const auto cut = [&](uint32_t end_of_lower) {
    append_utf8({first, end_of_lower}, sequences);
    append_utf8({end_of_lower + 1, last}, sequences);
  };
  if (first <= kLastSurrogate && last >= kFirstSurrogate) {
    if (first < kFirstSurrogate) append_utf8({first, kFirstSurrogate - 1}, sequences);
    if (last > kLastSurrogate) append_utf8({kLastSurrogate + 1, last}, sequences);
    return;
  }
  for (const uint32_t longest : {0x7fu, 0x7ffu, 0xffffu})
    if (first <= longest && last > longest) return cut(longest);
  for (const int bits : {6, 12, 18}) {
    const uint32_t low = (1u << bits) - 1;
    if (first < 0x80 || (first | low) == (last | low)) continue;
    if ((first & low) != 0) return cut(first | low);
    if ((last & low) != low) return cut((last & ~low) - 1);
  }
  const std::vector<uint8_t> lows = utf8_bytes(first), highs = utf8_bytes(last);
  ByteRanges& added = sequences.emplace_back();
  for (size_t i = 0; i < lows.size(); ++i) added.push_back({lows[i], highs[i]});
}

void append_json_utf8(CodeRange range, std::vector<ByteRanges>& sequences) {
  uint32_t from = range.first;
  for (uint32_t c = from; c <= std::min<uint32_t>(range.last, '\\'); ++c) {
    if (!is_escaped(c)) continue;
    if (from < c) append_utf8({from, c - 1}, sequences);
    from = c + 1;
    ByteRanges& added = sequences.emplace_back();
    for (const char byte : json_escape(c)) {
      const auto b = static_cast<uint8_t>(byte);
      added.push_back({b, b});
    }
  }
  append_utf8({from, range.last}, sequences);
}

}  // namespace minillm
