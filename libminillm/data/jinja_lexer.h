// The parts of a Jinja template: text, and tags as tokens. Internal.

#ifndef LIBMINILLM_DATA_JINJA_LEXER_H_
#define LIBMINILLM_DATA_JINJA_LEXER_H_

#include <string>
#include <string_view>
#include <vector>

namespace minillm {

struct JinjaToken {
  enum Kind { kName, kString, kNumber, kSymbol, kEnd };
  Kind kind = kEnd;
  std::string text;  // a string's is unquoted
};

struct JinjaPart {
  enum Kind { kText, kOutput, kStatement };
  Kind kind = kText;
  std::string text;                // kText
  std::vector<JinjaToken> tokens;  // of the others, with kEnd at the end
};

// White space is removed as trim_blocks, lstrip_blocks and the tags' own `-` say. Throws
// JinjaError.
std::vector<JinjaPart> split_jinja(std::string_view text);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_JINJA_LEXER_H_
