// Text from files and models, made safe to show: it must steer no terminal, and be no markup.

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

// The text for a node or an attribute, of HTML or XML: nothing of it is markup, or not allowed.
std::string markup_text(std::string_view text);

}  // namespace minillm

#endif  // LIBMINILLM_CORE_VISIBLE_H_
