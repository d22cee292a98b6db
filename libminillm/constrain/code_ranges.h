// Sets of characters as ranges of code points, and the classes of regular expressions. Internal.

#ifndef LIBMINILLM_CONSTRAIN_CODE_RANGES_H_
#define LIBMINILLM_CONSTRAIN_CODE_RANGES_H_

#include <optional>
#include <vector>

#include "libminillm/constrain/utf8_ranges.h"

namespace minillm {

using CodeRanges = std::vector<CodeRange>;

// Ascending, disjoint and not adjacent.
CodeRanges sorted(CodeRanges ranges);
CodeRanges complement(const CodeRanges& ranges);  // sorted

// What \d, \w and \s mean, by the letter.
std::optional<CodeRanges> class_of_escape(char32_t letter);
CodeRanges any_but_line_ends();

}  // namespace minillm

#endif  // LIBMINILLM_CONSTRAIN_CODE_RANGES_H_
