// Ranges of characters as ranges of bytes: what an automaton over bytes needs to know of UTF-8.

#ifndef LIBMINILLM_CONSTRAIN_UTF8_RANGES_H_
#define LIBMINILLM_CONSTRAIN_UTF8_RANGES_H_

#include <cstdint>
#include <vector>

namespace minillm {

struct CodeRange {
  uint32_t first = 0, last = 0;  // code points, both included
};
struct ByteRange {
  uint8_t low = 0, high = 0;  // both included
};
using ByteRanges = std::vector<ByteRange>;  // of the first byte, of the second ...

inline constexpr uint32_t kLastCodePoint = 0x10ffff;

// Appends sequences of byte ranges that spell the characters of `range` and nothing else.
// Surrogates are no characters and are left out.
void append_utf8(CodeRange range, std::vector<ByteRanges>& sequences);

// The same as they are spelled in a JSON string: quote, backslash and control characters are
// escaped, each in the one way in which our own JSON escapes them; all else stays as it is.
void append_json_utf8(CodeRange range, std::vector<ByteRanges>& sequences);

// The bytes of one character. REQUIRES: no surrogate, at most kLastCodePoint.
std::vector<uint8_t> utf8_bytes(uint32_t code_point);

}  // namespace minillm

#endif  // LIBMINILLM_CONSTRAIN_UTF8_RANGES_H_
