// Words of a text against words and braces of a pattern: braces take a fixed number of words, but
// for a subject, which may be a full name, a first name or a pronoun.

#include "libminillm/world/sentence_pattern.h"

#include <algorithm>

#include "libminillm/core/check.h"

namespace minillm::world {
namespace {

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_letter(char c) { return is_upper(c) || is_lower(c); }
// A letter, a digit, or a byte of a character that is not ASCII.
bool is_of_word(char c) { return is_letter(c) || (c >= '0' && c <= '9') || (c & 0x80) != 0; }

bool is_lower_word(std::string_view piece) { return std::ranges::all_of(piece, is_lower); }

// How a value looks.
struct Form {
  size_t words;
  bool capitalized;
};
constexpr Form kForms[kAttributeCount] = {{1, false}, {1, false}, {1, true},
                                          {2, true},  {2, false}, {2, true}};

// The `count` pieces from `at` on as one view of the text; empty if they are not there, if one is
// not `fits`, or if more than a space lies between two.
template <typename Fits>
std::string_view words(std::span<const TextPiece> text, size_t at, size_t count, const Fits& fits) {
  if (at + count > text.size()) return {};
  for (size_t i = at; i < at + count; ++i) {
    if (!fits(text[i].text)) return {};
    if (i > at && text[i].begin != text[i - 1].begin + text[i - 1].text.size() + 1) return {};
  }
  const TextPiece& last = text[at + count - 1];
  const char* const begin = text[at].text.data();
  return {begin, last.begin + last.text.size() - text[at].begin};
}

std::string_view name_at(std::span<const TextPiece> text, size_t at, size_t count) {
  return words(text, at, count, is_capitalized_word);
}

bool is_pronoun(std::string_view piece) {
  return piece == "he" || piece == "she" || piece == "He" || piece == "She";
}
bool is_possessive_pronoun(std::string_view piece) {
  return piece == "his" || piece == "her" || piece == "His" || piece == "Her";
}

bool same_but_for_case_of_first(std::string_view one, std::string_view other) {
  constexpr char kCaseBit = 'a' - 'A';
  return one.size() == other.size() && one.substr(1) == other.substr(1) && is_letter(one[0]) &&
         (one[0] | kCaseBit) == (other[0] | kCaseBit);
}

}  // namespace

std::vector<TextPiece> text_pieces(std::string_view text) {
  std::vector<TextPiece> pieces;
  bool begins_line = true;
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      begins_line |= c == '\n';
      ++at;
      continue;
    }
    size_t end = at + 1;
    if (is_of_word(c)) {
      while (end < text.size() && is_of_word(text[end])) ++end;
    } else if (text.substr(at, 2) == "'s" && (at + 2 == text.size() || !is_of_word(text[at + 2]))) {
      end = at + 2;
    }
    pieces.push_back({text.substr(at, end - at), at, begins_line});
    begins_line = false;
    at = end;
  }
  return pieces;
}

bool is_capitalized_word(std::string_view piece) {
  return !piece.empty() && is_upper(piece[0]) && is_lower_word(piece.substr(1));
}

SentencePattern::SentencePattern(std::string_view pattern) {
  std::string_view rest = pattern;
  while (!rest.empty()) {
    const size_t open = rest.find('{');
    for (const TextPiece& piece : text_pieces(rest.substr(0, open)))
      parts_.push_back({Kind::kLiteral, std::string(piece.text)});
    if (open == std::string_view::npos) break;
    const size_t close = rest.find('}', open);
    MINILLM_CHECK(close != std::string_view::npos, "world pattern: open brace in '{}'", pattern);
    parts_.push_back(slot(rest.substr(open + 1, close - open - 1)));
    rest.remove_prefix(close + 1);
  }
}

SentencePattern::Part SentencePattern::slot(std::string_view name) {
  if (name == "Who" || name == "who") return {Kind::kSubject};
  if (name == "Whose") return {Kind::kPossessive};
  if (name == "name") return {Kind::kName};
  const bool article = name.starts_with("a ");
  if (article) name.remove_prefix(2);
  if (name == "value") return {.kind = Kind::kAnyValue, .article = article};
  for (Attribute attribute : kAttributes)
    if (name == attribute_name(attribute))
      return {.kind = Kind::kValue, .attribute = attribute, .article = article};
  throw Error(fmt::format("world pattern: unknown name '{{{}}}'", name));
}

bool SentencePattern::begins_with_subject() const {
  return !parts_.empty() &&
         (parts_[0].kind == Kind::kSubject || parts_[0].kind == Kind::kPossessive);
}

bool SentencePattern::matches(std::span<const TextPiece> text, PatternMatch& match) const {
  match = {};
  return matches_from(0, text, 0, match);
}

bool SentencePattern::matches_from(size_t part, std::span<const TextPiece> text, size_t at,
                                   PatternMatch& match) const {
  if (part == parts_.size()) {
    match.pieces = at;
    return true;
  }
  if (at == text.size()) return false;
  const Part& wanted = parts_[part];
  if (wanted.article) {
    const std::string_view piece = text[at].text;
    const bool capital = part == 0 && (piece == "A" || piece == "An");
    if (piece != "a" && piece != "an" && !capital) return false;
    ++at;
  }
  // Goes on with `count` pieces in the place of this part.
  const auto take = [&](std::string_view& to, std::string_view value, size_t count) {
    if (value.empty() || (!to.empty() && to != value)) return false;
    const std::string_view before = to;
    to = value;
    if (matches_from(part + 1, text, at + count, match)) return true;
    to = before;
    return false;
  };
  switch (wanted.kind) {
    case Kind::kLiteral: {
      const std::string_view piece = text[at].text;
      const bool is_it = piece == wanted.literal ||
                         (part == 0 && same_but_for_case_of_first(piece, wanted.literal));
      if (is_it) return matches_from(part + 1, text, at + 1, match);
      const bool concludes = part + 1 == parts_.size() && wanted.literal == "." && piece == "," &&
                             at + 3 < text.size() && text[at + 1].text == "so" &&
                             (text[at + 2].text == "yes" || text[at + 2].text == "no") &&
                             text[at + 3].text == ".";
      return concludes && matches_from(part + 1, text, at + 4, match);
    }
    case Kind::kName:
      return take(match.subject, name_at(text, at, 2), 2);
    case Kind::kSubject:
      if (is_pronoun(text[at].text)) return take(match.subject, text[at].text, 1);
      return take(match.subject, name_at(text, at, 2), 2) ||
             take(match.subject, name_at(text, at, 1), 1);
    case Kind::kPossessive:
      if (is_possessive_pronoun(text[at].text)) return take(match.subject, text[at].text, 1);
      for (const size_t count : {size_t{2}, size_t{1}})
        if (at + count < text.size() && text[at + count].text == "'s" &&
            take(match.subject, name_at(text, at, count), count + 1))
          return true;
      return false;
    case Kind::kValue: {
      const Form& form = kForms[static_cast<size_t>(wanted.attribute)];
      const std::string_view value =
          words(text, at, form.words, form.capitalized ? is_capitalized_word : is_lower_word);
      return take(match.values[static_cast<size_t>(wanted.attribute)], value, form.words);
    }
    case Kind::kAnyValue:
      break;
  }
  const auto any = [](std::string_view piece) { return std::ranges::all_of(piece, is_letter); };
  return take(match.any_value, words(text, at, 1, any), 1) ||
         take(match.any_value, words(text, at, 2, any), 2);
}

}  // namespace minillm::world
