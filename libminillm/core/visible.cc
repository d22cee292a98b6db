#include "libminillm/core/visible.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "libminillm/core/utf8.h"

namespace minillm {
namespace {

// The code point of a valid character.
uint32_t decode(std::string_view character) {
  const auto byte = [&](size_t i) {
    return static_cast<uint32_t>(static_cast<uint8_t>(character[i]));
  };
  if (character.size() == 1) return byte(0);
  uint32_t code = byte(0) & (0xffu >> (character.size() + 1));
  for (size_t i = 1; i < character.size(); ++i) code = code << 6 | (byte(i) & 0x3f);
  return code;
}

// Unicode's Bidi_Control, and the separators that end a line.
bool steers(uint32_t code) {
  return (0x7f <= code && code <= 0x9f) || code == 0x61c || code == 0x200e || code == 0x200f ||
         (0x2028 <= code && code <= 0x202e) || (0x2066 <= code && code <= 0x2069);
}

}  // namespace

std::string visible(std::string_view text, LineEnds line_ends) {
  std::string shown;
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_character_length(text.substr(i));
    const std::string_view character = text.substr(i, std::max<size_t>(length, 1));
    i += character.size();
    const uint32_t code = length == 0 ? 0xfffd : decode(character);
    if (code == '\n' && line_ends == LineEnds::kShown)
      shown += "\\n";
    else if (code < 0x20 && (line_ends == LineEnds::kShown || (code != '\n' && code != '\t')))
      shown += fmt::format("\\x{:02x}", code);
    else if (steers(code))
      shown += fmt::format("\\u{:04x}", code);
    else if (length == 0)
      shown += "\xef\xbf\xbd";
    else
      shown += character;
  }
  return shown;
}

std::string markup_text(std::string_view text) {
  std::string out;
  for (const char c : visible(text)) {
    if (std::string_view("<>&\"'").find(c) != std::string_view::npos)
      out += fmt::format("&#{};", static_cast<int>(c));
    else
      out += c;
  }
  // The two characters that are valid UTF-8 and not allowed in XML.
  for (const std::string_view character : {"\xef\xbf\xbe", "\xef\xbf\xbf"})
    for (size_t at = 0; (at = out.find(character, at)) != std::string::npos;)
      out.replace(at, character.size(), "\xef\xbf\xbd");
  return out;
}

}  // namespace minillm
