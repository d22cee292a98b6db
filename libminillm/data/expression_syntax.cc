// From Oniguruma's syntax to PCRE2's, of what expressions of tokenizers use (data/expression.h).

#include <algorithm>

#include "libminillm/core/check.h"
#include "libminillm/data/expression.h"

namespace minillm {
namespace {

// Unicode's White_Space. PCRE2's \s has U+180E as well.
constexpr std::string_view kSpaces =
    "\\x09-\\x0d\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}"
    "\\x{3000}";
// Oniguruma's \w. PCRE2's has no marks, and of connectors the low line alone.
constexpr std::string_view kWord = "\\p{L}\\p{M}\\p{N}\\p{Pc}";
// What means the same after a backslash, besides punctuation.
constexpr std::string_view kSameEscapes = "dDrnt";

class Translator {
 public:
  explicit Translator(std::string_view expression) : text_(expression) {}

  std::string translate() {
    while (at_ < text_.size()) {
      if (text_[at_] == '\\')
        escape();
      else if (in_class_)
        class_character();
      else
        character();
    }
    return std::move(out_);
  }

 private:
  bool follows(std::string_view what) const { return text_.substr(at_).starts_with(what); }
  void copy(size_t length) {
    out_ += text_.substr(at_, length);
    at_ += length;
  }
  void replace(size_t length, std::string_view with) {
    out_ += with;
    at_ += length;
  }
  [[noreturn]] void refuse(std::string_view what) const {
    throw Error(fmt::format("the expression '{}' uses '{}', which is not supported", text_, what));
  }

  void character() {
    if (follows("[:") || follows("[]") || follows("[^]")) refuse(text_.substr(at_, 3));
    if (text_[at_] == '[') {
      in_class_ = true;
      return copy(follows("[^") ? 2 : 1);
    }
    if (follows("(?")) {
      for (const std::string_view group : {"(?:", "(?i:", "(?!", "(?=", "(?<!", "(?<="})
        if (follows(group)) return copy(group.size());
      refuse(text_.substr(at_, 3));
    }
    if (follows("(*")) refuse("(*");
    // In Ruby's syntax a plus after {n,m} repeats it once more; in PCRE2 it forbids to go back.
    if (follows("}+")) refuse("}+");
    copy(1);
  }

  void class_character() {
    // Classes within classes and their intersections are Oniguruma's alone.
    if (text_[at_] == '[' || follows("&&")) refuse(text_.substr(at_, text_[at_] == '[' ? 1 : 2));
    if (text_[at_] == ']') in_class_ = false;
    copy(1);
  }

  void escape() {
    const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    const auto set = [&](std::string_view members, bool negated) {
      if (in_class_ && negated) refuse(text_.substr(at_, 2));
      replace(
          2, in_class_ ? std::string(members) : fmt::format("[{}{}]", negated ? "^" : "", members));
    };
    if (next == 's' || next == 'S') return set(kSpaces, next == 'S');
    if (next == 'w' || next == 'W') return set(kWord, next == 'W');
    if (next == 'p' || next == 'P') return property();
    if (next == 'x') return code_point();
    const bool letter = ('a' <= next && next <= 'z') || ('A' <= next && next <= 'Z');
    const bool digit = '0' <= next && next <= '9';
    if ((letter && kSameEscapes.find(next) == std::string_view::npos) || digit || next == '\0' ||
        static_cast<uint8_t>(next) >= 0x80)
      refuse(text_.substr(at_, 2));
    copy(2);
  }

  // \p{L}, and \p{Han}, by which PCRE2 means the characters that are used with this script, too.
  void property() {
    const size_t end = text_.find('}', at_);
    if (!follows("\\p{") && !follows("\\P{")) refuse(text_.substr(at_, 3));
    if (end == std::string_view::npos) refuse(text_.substr(at_, 3));
    const std::string_view name = text_.substr(at_ + 3, end - at_ - 3);
    if (name.empty() || !std::all_of(name.begin(), name.end(), [](char c) {
          return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || c == '_' || c == '^';
        }))
      refuse(text_.substr(at_, end + 1 - at_));
    if (name.size() <= 2 || name[0] == '^') return copy(end + 1 - at_);
    replace(end + 1 - at_, fmt::format("\\{}{{sc:{}}}", text_[at_ + 1], name));
  }

  // \x20 and \x{3000}.
  void code_point() {
    const auto hex = [](char c) {
      return ('0' <= c && c <= '9') || ('a' <= c && c <= 'f') || ('A' <= c && c <= 'F');
    };
    const bool braces = follows("\\x{");
    const size_t first = at_ + (braces ? 3 : 2);
    size_t end = first;
    while (end < text_.size() && end - first < (braces ? 6u : 2u) && hex(text_[end])) ++end;
    const bool whole = braces ? end > first && text_.substr(end, 1) == "}"
                              : end - first == 2 && text_[first] < '8';  // else a byte
    if (!whole) refuse(text_.substr(at_, end - at_));
    copy(end + (braces ? 1 : 0) - at_);
  }

  const std::string_view text_;
  size_t at_ = 0;
  bool in_class_ = false;
  std::string out_;
};

}  // namespace

std::string pcre_of_oniguruma(std::string_view expression) {
  return Translator(expression).translate();
}

std::string quoted_expression(std::string_view text) {
  std::string quoted;
  for (const char c : text) {
    if (std::string_view("\\^$.[]|()?*+{}-&#").find(c) != std::string_view::npos) quoted += '\\';
    quoted += c;
  }
  return quoted;
}

}  // namespace minillm
