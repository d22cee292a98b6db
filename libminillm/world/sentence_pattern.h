// Patterns of the world's writers read backwards: which words of a text fill which braces.

#ifndef LIBMINILLM_WORLD_SENTENCE_PATTERN_H_
#define LIBMINILLM_WORLD_SENTENCE_PATTERN_H_

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/world/facts.h"

namespace minillm::world {

// A word, a possessive "'s", or a mark of punctuation, and where it is in its text.
struct TextPiece {
  std::string_view text;
  size_t begin = 0;
  bool begins_line = false;
};
// The text must outlive them. White space divides pieces and is none.
std::vector<TextPiece> text_pieces(std::string_view text);

bool is_capitalized_word(std::string_view piece);  // "Jofick", of letters alone

// What filled the braces. Views into the text.
struct PatternMatch {
  size_t pieces = 0;         // how many the pattern took
  std::string_view subject;  // "Jofick Harford", "Jofick", "he"; of {Who}, {who}, {Whose} or {name}
  // By attribute; empty where the pattern has none. {value} has `any_value`.
  std::array<std::string_view, kAttributeCount> values;
  std::string_view any_value;
};

// A pattern of templates.h or questions.h. A name is two capitalised words, a subject also one or a
// pronoun. Values are told by their form, so that a value that there is not is one, too: a trade or
// an animal is a word, a pet a capitalised one, a food two words, a street or a friend two
// capitalised ones; {value} is one word or two.
class SentencePattern {
 public:
  // Throws Error on a name in braces that it does not know, and on an open brace.
  explicit SentencePattern(std::string_view pattern);

  // Whether the pieces from the first one on are the pattern, filled in: a sentence of a text, its
  // first letter being in upper case or not. Two places of one name must name the same. The full
  // stop at the pattern's end may be ", so yes." or ", so no." (questions.h).
  bool matches(std::span<const TextPiece> text, PatternMatch& match) const;

  bool begins_with_subject() const;

 private:
  enum class Kind { kLiteral, kSubject, kPossessive, kName, kValue, kAnyValue };
  struct Part {
    Kind kind;
    std::string literal = {};
    Attribute attribute = {};
    bool article = false;
  };
  static Part slot(std::string_view name);
  bool matches_from(size_t part, std::span<const TextPiece> text, size_t at,
                    PatternMatch& match) const;

  std::vector<Part> parts_;
};

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_SENTENCE_PATTERN_H_
