// UTF-8: validation and repair (RFC 3629: no overlong forms, no surrogates, nothing above
// U+10FFFF).

#ifndef LIBMINILLM_CORE_UTF8_H_
#define LIBMINILLM_CORE_UTF8_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace minillm {

// Bytes of the character that `text` starts with, 1 to 4; 0 if it starts with none. If that is only
// because `text` ends within the character, `*cut_off` (may be null) is set.
size_t utf8_character_length(std::string_view text, bool* cut_off = nullptr);

// Whether `text` is valid UTF-8; if not, `*bad_byte` (may be null) is where the first bad byte is.
bool is_valid_utf8(std::string_view text, size_t* bad_byte = nullptr);

// The text with every byte that is not part of a character replaced by U+FFFD.
std::string replace_invalid_utf8(std::string_view text);

}  // namespace minillm

#endif  // LIBMINILLM_CORE_UTF8_H_
