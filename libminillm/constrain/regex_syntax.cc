#include "libminillm/constrain/regex_syntax.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "libminillm/constrain/code_ranges.h"
#include "libminillm/constrain/spellings.h"
#include "libminillm/core/check.h"
#include "libminillm/core/utf8.h"

namespace minillm {
namespace {

constexpr uint32_t kMaxRepeat = 1000;  // as RE2: repeats become states
constexpr int kMaxDepth = 100;
constexpr char32_t kEndOfText = UINT32_MAX;

std::vector<char32_t> code_points(std::string_view text) {
  std::vector<char32_t> result;
  while (!text.empty()) {
    const size_t length = utf8_character_length(text);
    char32_t c = static_cast<uint8_t>(text[0]) & (length == 1 ? 0x7f : 0xff >> (length + 1));
    for (size_t i = 1; i < length; ++i) c = c << 6 | (static_cast<uint8_t>(text[i]) & 0x3f);
    result.push_back(c);
    text.remove_prefix(length);
  }
  return result;
}

RegexTree characters(CodeRanges ranges) {
  RegexTree tree{.kind = RegexTree::kCharacters, .characters = {}, .parts = {}};
  tree.characters = std::move(ranges);
  return tree;
}
RegexTree joined(RegexTree::Kind kind, std::vector<RegexTree> parts) {
  if (parts.size() == 1) return std::move(parts.front());
  RegexTree tree{.kind = kind, .characters = {}, .parts = {}};
  tree.parts = std::move(parts);
  return tree;
}

class Parser {
 public:
  Parser(std::string_view text, const std::string& subject, RegexSpelling spelling)
      : text_(code_points(text)), subject_(subject), spelling_(spelling) {}

  RegexTree parse() {
    RegexTree tree = choice(0);
    if (at_ < text_.size()) fail("a ')' without its '(' (write \\) for the character)");
    return tree;
  }

 private:
  char32_t peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : kEndOfText;
  }
  bool take(char32_t c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(fmt::format("{}: character {}: {}", subject_, at_ + 1, what));
  }
  [[noreturn]] void unsupported(const std::string& what) const { fail(what + ": not supported"); }

  RegexTree choice(int depth) {
    if (depth > kMaxDepth) fail(fmt::format("groups are nested deeper than {} levels", kMaxDepth));
    std::vector<RegexTree> alternatives;
    do alternatives.push_back(sequence(depth));
    while (take('|'));
    return joined(RegexTree::kChoice, std::move(alternatives));
  }

  RegexTree sequence(int depth) {
    std::vector<RegexTree> parts;
    while (peek() != kEndOfText && peek() != '|' && peek() != ')')
      parts.push_back(quantified(atom(depth)));
    return joined(RegexTree::kSequence, std::move(parts));
  }

  RegexTree quantified(RegexTree part) {
    uint32_t least = 0, most = kNoLimit;
    if (peek() == '*' || peek() == '+' || peek() == '?') {
      least = peek() == '+' ? 1 : 0;
      most = peek() == '?' ? 1 : kNoLimit;
    } else if (peek() == '{') {
      return bounded(std::move(part));
    } else {
      return part;
    }
    ++at_;
    return repeated(std::move(part), least, most);
  }

  RegexTree bounded(RegexTree part) {
    ++at_;  // the brace
    const uint32_t least = number();
    uint32_t most = least;
    if (take(',')) most = peek() == '}' ? kNoLimit : number();
    if (!take('}')) fail("expected {n}, {n,} or {n,m} (write \\{ for the character)");
    if (least > most) fail(fmt::format("{{{},{}}}: the bounds are out of order", least, most));
    return repeated(std::move(part), least, most);
  }

  uint32_t number() {
    if (peek() < '0' || peek() > '9')
      fail("expected {n}, {n,} or {n,m} (write \\{ for the character)");
    uint32_t value = 0;
    for (; peek() >= '0' && peek() <= '9'; ++at_) {
      value = value * 10 + static_cast<uint32_t>(peek() - '0');
      if (value > kMaxRepeat) fail(fmt::format("expected at most {} repeats", kMaxRepeat));
    }
    return value;
  }

  RegexTree repeated(RegexTree part, uint32_t least, uint32_t most) {
    if (part.kind == RegexTree::kBegin || part.kind == RegexTree::kEnd)
      fail("an anchor cannot be repeated");
    take('?');  // which match is preferred makes no difference to which texts match
    if (peek() == '*' || peek() == '+' || peek() == '?' || peek() == '{')
      fail("a repeat without what it repeats");
    RegexTree tree{.kind = RegexTree::kRepeat, .characters = {}, .parts = {}};
    tree.parts.push_back(std::move(part));
    tree.least = least;
    tree.most = most;
    return tree;
  }

  RegexTree atom(int depth) {
    const char32_t c = peek();
    switch (c) {
      case '(':
        return group(depth);
      case '[':
        ++at_;
        return characters(bracket_class());
      case '\\':
        return escaped();
      case '*':
      case '+':
      case '?':
        fail("a repeat without what it repeats");
      case '{':
      case '}':
      case ']':
        fail(fmt::format("write \\{} for the character", static_cast<char>(c)));
      default:
        ++at_;
    }
    if (c == '^') return {.kind = RegexTree::kBegin, .characters = {}, .parts = {}};
    if (c == '$') return {.kind = RegexTree::kEnd, .characters = {}, .parts = {}};
    if (c == '.') return characters(any_but_line_ends());
    return characters(spelled({{c, c}}));
  }

  RegexTree group(int depth) {
    if (peek(1) == '?') {
      const char32_t kind = peek(2);
      const bool behind = kind == '<' && (peek(3) == '=' || peek(3) == '!');
      if (kind == '=' || kind == '!') unsupported("look-ahead '(?=' and '(?!'");
      if (behind) unsupported("look-behind '(?<=' and '(?<!'");
      if (kind != ':' && kind != '<') unsupported("a group that begins with '(?'");
      at_ += 3;
      if (kind == '<')  // a name, which nothing refers to
        while (!take('>')) {
          if (peek() == kEndOfText) fail("the group's name is not closed");
          ++at_;
        }
    } else {
      ++at_;
    }
    RegexTree inner = choice(depth + 1);
    if (!take(')')) fail("expected ')'");
    return inner;
  }

  CodeRanges spelled(CodeRanges ranges) const {
    return spelling_ == RegexSpelling::kExact ? ranges : with_all_spellings(ranges);
  }
  // The capitals are the complements of the others.
  std::optional<CodeRanges> class_of(char32_t letter) const {
    const char32_t positive =
        letter == 'D' || letter == 'W' || letter == 'S' ? letter | 32 : letter;
    auto ranges = class_of_escape(positive);
    if (ranges) ranges = spelled(*ranges);
    return ranges && positive != letter ? complement(*ranges) : ranges;
  }

  RegexTree escaped() {
    const char32_t letter = peek(1);
    if (letter == 'b' || letter == 'B') unsupported("word boundaries '\\b' and '\\B'");
    if (letter >= '1' && letter <= '9') unsupported("back references");
    if (letter == 'k') unsupported("back references");
    if (auto ranges = class_of(letter)) {
      at_ += 2;
      return characters(*std::move(ranges));
    }
    const uint32_t c = escaped_character();
    return characters(spelled({{c, c}}));
  }

  // After the '['.
  CodeRanges bracket_class() {
    const bool negated = take('^');
    CodeRanges ranges;
    while (!take(']')) {
      std::optional<CodeRanges> several;
      if (peek() == '\\') several = class_of(peek(1));
      if (several) {
        at_ += 2;
        if (peek() == '-' && peek(1) != ']') fail("a class cannot begin a range");
        ranges.insert(ranges.end(), several->begin(), several->end());
        continue;
      }
      const uint32_t first = class_character();
      uint32_t last = first;
      if (peek() == '-' && peek(1) != ']' && peek(1) != kEndOfText) {
        ++at_;
        if (peek() == '\\' && class_of(peek(1))) fail("a class cannot end a range");
        last = class_character();
      }
      if (first > last) fail("the range is out of order");
      ranges.push_back({first, last});
    }
    ranges = spelled(sorted(std::move(ranges)));
    return negated ? complement(ranges) : ranges;
  }

  uint32_t class_character() {
    if (peek() == kEndOfText) fail("expected ']'");
    if (peek() == '\\' && peek(1) == 'b') {
      at_ += 2;
      return '\b';
    }
    if (peek() == '\\') return escaped_character();
    return text_[at_++];
  }

  // At the backslash of an escape that is one character.
  uint32_t escaped_character() {
    const char32_t letter = peek(1);
    if (letter == kEndOfText) fail("expected a character after the backslash");
    constexpr std::string_view kLetters = "tnvfr0", kMeanings("\t\n\v\f\r\0", 6);
    constexpr std::string_view kThemselves = "^$\\.*+?()[]{}|/-";
    const auto is = [&](std::string_view of) {
      return letter < 0x80 ? of.find(static_cast<char>(letter)) : std::string_view::npos;
    };
    if (const size_t at = is(kLetters); at != std::string_view::npos) {
      at_ += 2;
      if (letter == '0' && peek() >= '0' && peek() <= '9') unsupported("octal escapes");
      return static_cast<uint8_t>(kMeanings[at]);
    }
    const bool alphanumeric = letter < 0x80 && ((letter | 32) >= 'a' && (letter | 32) <= 'z');
    if (letter == 'x') return at_ += 2, hex(2);
    if (letter == 'u') return at_ += 2, unicode_escape();
    if (letter == 'c' && (peek(2) | 32) >= 'a' && (peek(2) | 32) <= 'z') {
      at_ += 3;
      return text_[at_ - 1] & 31;
    }
    if (letter == 'p' || letter == 'P') unsupported("properties of characters '\\p'");
    if (is(kThemselves) == std::string_view::npos && alphanumeric)
      unsupported(fmt::format("the escape '\\{}'", static_cast<char>(letter)));
    at_ += 2;
    return letter;
  }

  uint32_t hex(int digits) {
    uint32_t value = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      const char32_t c = peek(), lower = c | 32;
      if (c >= '0' && c <= '9')
        value = value * 16 + static_cast<uint32_t>(c - '0');
      else if (lower >= 'a' && lower <= 'f')
        value = value * 16 + static_cast<uint32_t>(lower - 'a' + 10);
      else
        fail(fmt::format("expected {} hexadecimal digits", digits));
    }
    return value;
  }

  // After \u: four digits, of which two surrogates may make one character, or {digits}.
  uint32_t unicode_escape() {
    uint32_t value = 0;
    if (take('{')) {
      do {
        value = value * 16 + hex(1);
        if (value > kLastCodePoint) fail("the code point is above 10FFFF");
      } while (peek() != '}' && peek() != kEndOfText);
      if (!take('}')) fail("expected '}'");
    } else {
      value = hex(4);
      if (value >= 0xd800 && value < 0xdc00 && peek() == '\\' && peek(1) == 'u') {
        at_ += 2;
        const uint32_t low = hex(4);
        if (low < 0xdc00 || low > 0xdfff) fail("expected a low surrogate");
        return 0x10000 + (value - 0xd800) * 0x400 + (low - 0xdc00);
      }
    }
    if (value >= 0xd800 && value <= 0xdfff) fail("a surrogate is no character");
    return value;
  }

  std::vector<char32_t> text_;
  size_t at_ = 0;
  const std::string& subject_;
  RegexSpelling spelling_;
};

}  // namespace

RegexTree parse_regex(std::string_view text, const std::string& subject, RegexSpelling spelling) {
  MINILLM_CHECK(is_valid_utf8(text), "{}: not UTF-8", subject);
  return Parser(text, subject, spelling).parse();
}

RegexTree any_character() { return characters({{0, kLastCodePoint}}); }

}  // namespace minillm
