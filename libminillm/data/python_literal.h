// Python's literals as JSON, and JSON as Python's literals: what str() of a dict writes into the
// texts of data sets, and into those of chat templates. Internal.

#ifndef LIBMINILLM_DATA_PYTHON_LITERAL_H_
#define LIBMINILLM_DATA_PYTHON_LITERAL_H_

#include <string>
#include <string_view>

namespace minillm {

// Where a string in single quotes ends: its apostrophes are often not escaped.
enum class SingleQuote {
  kBeforePunctuation,  // in front of one of , } ] : or the end of the text
  kAfterBrace,         // the same, but a string that begins with { ends after a }
};

// The text with its strings in double quotes and true, false and null for Python's names. Numbers,
// the order of members, and all else stay as they are: the result is JSON only if the text was a
// literal of dicts, lists, strings and numbers. A string in single quotes whose content is JSON, as
// Glaive writes arguments, keeps that to the letter.
std::string json_of_python(std::string_view text, SingleQuote ends);

// What str() makes of the value of a JSON text that is spaced as json.dumps does. Numbers stay as
// they are spelled. Escaped are what Python's str.isprintable() says no to: control characters,
// spaces but U+0020, marks of direction and private use; of the characters that Unicode has not
// assigned, which depends on its version, none.
std::string python_of_json(std::string_view json);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_PYTHON_LITERAL_H_
