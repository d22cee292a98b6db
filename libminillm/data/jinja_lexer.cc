#include "libminillm/data/jinja_lexer.h"

#include <cctype>

#include "libminillm/data/jinja.h"

namespace minillm {
namespace {

constexpr const char* kSpace = " \t\r\n\v\f";

bool is_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// Reads one token of the code at `i`, which is no space.
JinjaToken next_token(std::string_view code, size_t& i) {
  const char c = code[i];
  JinjaToken token;
  if (c == '"' || c == '\'') {
    token.kind = JinjaToken::kString;
    for (++i; i < code.size() && code[i] != c; ++i) {
      if (code[i] != '\\' || i + 1 == code.size()) {
        token.text += code[i];
        continue;
      }
      switch (const char escaped = code[++i]) {
        case 'n':
          token.text += '\n';
          break;
        case 't':
          token.text += '\t';
          break;
        case 'r':
          token.text += '\r';
          break;
        case '\\':
        case '\'':
        case '"':
          token.text += escaped;
          break;
        default:
          throw JinjaError("an escape that is not understood");
      }
    }
    if (i == code.size()) throw JinjaError("a string is not closed");
    ++i;
  } else if (is_name(c)) {
    token.kind =
        std::isdigit(static_cast<unsigned char>(c)) ? JinjaToken::kNumber : JinjaToken::kName;
    while (i < code.size() && is_name(code[i])) token.text += code[i++];
  } else {
    token.kind = JinjaToken::kSymbol;
    token.text = c;
    ++i;
    const bool pair =
        i < code.size() && code[i] == '=' && (c == '=' || c == '!' || c == '<' || c == '>');
    if (pair) token.text += code[i++];
  }
  return token;
}

// Where the tag that `close` ends does so: not within a string.
size_t find_close(std::string_view text, size_t from, std::string_view close) {
  char quote = 0;
  for (size_t i = from; i < text.size(); ++i) {
    if (quote != 0) {
      if (text[i] == '\\')
        ++i;
      else if (text[i] == quote)
        quote = 0;
    } else if (text.substr(i).starts_with(close)) {
      return i;
    } else if (text[i] == '"' || text[i] == '\'') {
      quote = text[i];
    }
  }
  throw JinjaError("a tag is not closed");
}

void strip_end(std::string& text) { text.resize(text.find_last_not_of(kSpace) + 1); }

// Blanks between the beginning of a line and a block.
void strip_indent(std::string& text, bool at_line_begin) {
  const size_t end = text.find_last_not_of(" \t");
  if (end == std::string::npos ? at_line_begin : text[end] == '\n') text.resize(end + 1);
}

}  // namespace

std::vector<JinjaPart> split_jinja(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  std::vector<JinjaPart> parts;
  bool line_begins = true;  // where the text before the next tag begins
  while (!text.empty()) {
    size_t open = text.find('{');
    while (open != text.npos &&
           (open + 1 == text.size() || std::string_view("{%#").find(text[open + 1]) == text.npos))
      open = text.find('{', open + 1);
    JinjaPart words{JinjaPart::kText, std::string(text.substr(0, open)), {}};
    if (open == text.npos) {
      parts.push_back(std::move(words));
      break;
    }
    const char kind = text[open + 1];
    const std::string_view close = kind == '{' ? "}}" : kind == '%' ? "%}" : "#}";
    size_t begin = open + 2;
    const bool strips_before = text.substr(begin).starts_with('-');
    if (strips_before) {
      strip_end(words.text);
    } else if (kind != '{') {
      strip_indent(words.text, line_begins);
    }
    if (strips_before || text.substr(begin).starts_with('+')) ++begin;
    size_t end = kind == '#' ? text.find(close, begin) : find_close(text, begin, close);
    if (end == text.npos) throw JinjaError("a comment is not closed");
    std::string_view code = text.substr(begin, end - begin);
    text.remove_prefix(end + 2);
    const bool strips_after = code.ends_with('-');
    if (strips_after || code.ends_with('+')) code.remove_suffix(1);
    line_begins = false;
    if (strips_after) {
      text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
    } else if (kind != '{' && text.starts_with('\n')) {
      text.remove_prefix(1);
      line_begins = true;
    }
    if (!words.text.empty()) parts.push_back(std::move(words));
    if (kind == '#') continue;
    JinjaPart tag{kind == '{' ? JinjaPart::kOutput : JinjaPart::kStatement, "", {}};
    for (size_t i = 0; (i = code.find_first_not_of(kSpace, i)) != code.npos;)
      tag.tokens.push_back(next_token(code, i));
    tag.tokens.push_back({});
    parts.push_back(std::move(tag));
  }
  return parts;
}

}  // namespace minillm
