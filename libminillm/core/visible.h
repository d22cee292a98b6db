// Text from files and models, made safe to show: it must steer no terminal.

#ifndef LIBMINILLM_CORE_VISIBLE_H_
#define LIBMINILLM_CORE_VISIBLE_H_

#include <string>
#include <string_view>

namespace minillm {

enum class LineEnds { kKept, kShown };

// The text with all that a terminal obeys spelled out: control characters (C0 as \x1b, DEL and C1
// as \u009b), marks and overrides of the writing direction (which make text look like other text),
// and line and paragraph separators. With kKept, line ends and tabs stay; bytes that are no UTF-8
// become U+FFFD. JSON text stays JSON and means the same: it holds no C0, and \u009b is JSON's own.
std::string visible(std::string_view text, LineEnds line_ends = LineEnds::kKept);

}  // namespace minillm

#endif  // LIBMINILLM_CORE_VISIBLE_H_
