// The syntax of regular expressions, ECMA-262's with the flag u: text -> tree. Internal.

#ifndef LIBMINILLM_CONSTRAIN_REGEX_SYNTAX_H_
#define LIBMINILLM_CONSTRAIN_REGEX_SYNTAX_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/constrain/utf8_ranges.h"

namespace minillm {

inline constexpr uint32_t kNoLimit = UINT32_MAX;

struct RegexTree {
  enum Kind { kCharacters, kSequence, kChoice, kRepeat, kBegin, kEnd } kind = kSequence;
  std::vector<CodeRange> characters;  // of kCharacters: ascending, disjoint
  std::vector<RegexTree> parts;       // of the others; no parts of a sequence: the empty text
  uint32_t least = 0, most = 0;       // of kRepeat; kNoLimit
};

// Whether other spellings (spellings.h) of a character that matches do, too.
enum class RegexSpelling { kExact, kAny };

// Throws Error `<subject>: character N: ...`.
RegexTree parse_regex(std::string_view text, const std::string& subject,
                      RegexSpelling spelling = RegexSpelling::kExact);

// Every character.
RegexTree any_character();

}  // namespace minillm

#endif  // LIBMINILLM_CONSTRAIN_REGEX_SYNTAX_H_
