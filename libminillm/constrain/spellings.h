// Spellings of characters that rules take as one: upper and lower case, and full-width forms.
//
// Case: of ASCII, Latin-1, Greek (U+0391 to U+03C9) and Cyrillic (U+0400 to U+045F). Full width:
// U+FF01 to U+FF5E and U+3000, of ASCII. Nothing else: no accents, no look-alikes.

#ifndef LIBMINILLM_CONSTRAIN_SPELLINGS_H_
#define LIBMINILLM_CONSTRAIN_SPELLINGS_H_

#include <cstdint>
#include <string_view>

#include "libminillm/constrain/code_ranges.h"

namespace minillm {

// The one spelling that stands for all of a character.
uint32_t plain_spelling(uint32_t code_point);
// The characters with all their spellings.
CodeRanges with_all_spellings(const CodeRanges& ranges);

// Whether a text begins or ends with a character that words are made of: letters and digits of
// ASCII (also full width) and the underscore, and letters of Latin, Greek and Cyrillic. Those of
// scripts that do not divide words are none, so that a word is found anywhere in them.
bool begins_with_word_character(std::string_view text);
bool ends_with_word_character(std::string_view text);

}  // namespace minillm

#endif  // LIBMINILLM_CONSTRAIN_SPELLINGS_H_
