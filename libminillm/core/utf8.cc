#include "libminillm/core/utf8.h"

#include <cstdint>

namespace minillm {

size_t utf8_character_length(std::string_view text, bool* cut_off) {
  if (cut_off != nullptr) *cut_off = false;
  if (text.empty()) return 0;
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;  // a continuation, an overlong pair, or above U+10FFFF
  const size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  // The second byte's range also rules out overlong forms, surrogates and what is above U+10FFFF.
  const uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  for (size_t i = 1; i < length; ++i) {
    if (i == text.size()) {
      if (cut_off != nullptr) *cut_off = true;
      return 0;
    }
    const bool valid = i == 1 ? byte(i) >= low && byte(i) <= high : (byte(i) & 0xc0) == 0x80;
    if (!valid) return 0;
  }
  return length;
}

bool is_valid_utf8(std::string_view text, size_t* bad_byte) {
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_character_length(text.substr(i));
    if (length == 0) {
      if (bad_byte != nullptr) *bad_byte = i;
      return false;
    }
    i += length;
  }
  return true;
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string repaired;
  repaired.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_character_length(text.substr(i));
    if (length == 0) {
      repaired += "\xef\xbf\xbd";
      ++i;
    } else {
      repaired += text.substr(i, length);
      i += length;
    }
  }
  return repaired;
}

}  // namespace minillm
