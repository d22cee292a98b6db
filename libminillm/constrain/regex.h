// Regular expressions as automata over bytes: linear time, no backtracking, every state can finish.
//
// The syntax is ECMA-262's with the flag u, as JSON Schema asks for: classes, \d \w \s \D \W \S
// (\d and \w are ASCII), \t \n \v \f \r \0 \cX \xHH \uHHHH \u{H...}, groups (also (?: and
// (?<name>), alternatives, * + ? {n} {n,} {n,m} with at most 1,000 repeats, and the anchors ^ and $
// of the whole text. Refused by name: look-around, back references, \b, \p. Characters are code
// points; `.` is none that ends a line.

#ifndef LIBMINILLM_CONSTRAIN_REGEX_H_
#define LIBMINILLM_CONSTRAIN_REGEX_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "libminillm/constrain/byte_automaton.h"

namespace minillm {

enum class RegexMatch {
  kWhole,  // the whole text
  kSearch  // a part of it, as JSON Schema's `pattern`
};
enum class RegexText {
  kPlain,      // the characters in UTF-8
  kJsonString  // as they are spelled within the quotes of a JSON string (append_json_utf8)
};

// How much work is left for expressions that are compiled together; less than 0.1 s in all.
struct RegexWork {
  size_t left = 3'000'000;
  // Throws Error `<subject>: too large: ...` where there is not so much left.
  void take(size_t work, const std::string& subject);
};

// Throws Error `<subject>: ...`: a mistake (with the character where it is), what is not supported,
// an expression that matches no text at all, or one that takes more states or time than is allowed.
ByteAutomaton compile_regex(std::string_view expression, RegexMatch match = RegexMatch::kWhole,
                            RegexText text = RegexText::kPlain,
                            const std::string& subject = "regex");
// The same with shared work.
ByteAutomaton compile_regex(std::string_view expression, RegexMatch match, RegexText text,
                            const std::string& subject, RegexWork& work);

// For rules: what `expression` matches from its beginning on, in any spelling (spellings.h). Throws
// Error, also at an anchor.
ByteAutomaton compile_folded_regex(std::string_view expression, const std::string& subject);

}  // namespace minillm

#endif  // LIBMINILLM_CONSTRAIN_REGEX_H_
