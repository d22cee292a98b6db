// Small text tools of the world's writers: choosing from tables, filling in patterns, words.

#ifndef LIBMINILLM_WORLD_TEXT_H_
#define LIBMINILLM_WORLD_TEXT_H_

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libminillm/core/rng.h"

namespace minillm::world {

// A table of wordings or values; always a constexpr array of static lifetime.
using Texts = std::span<const std::string_view>;

// One of `items`, each equally likely. REQUIRES at least one.
inline std::string_view choose(Rng& rng, Texts items) { return items[rng.below(items.size())]; }

// An index drawn with probability weights[i] / sum. Integers only, so that no rounding mode,
// processor or compiler can change a draw.
size_t choose_weighted(Rng& rng, std::span<const int> weights);

// The names in a pattern's braces and what replaces them.
using Variables = std::vector<std::pair<std::string_view, std::string_view>>;

// The pattern with every {name} replaced; {a name} is the value with its article ("an eel").
// Throws Error on a name that `variables` lacks and on an open brace.
std::string fill_pattern(std::string_view pattern, const Variables& variables);

std::string with_article(std::string_view noun);  // "a goat", "an otter"
std::string capitalized(std::string text);        // first letter in upper case
std::string decapitalized(std::string text);      // first letter in lower case
std::string trimmed(std::string_view text);       // without white space at both ends
int word_count(std::string_view text);            // pieces between white space
std::string joined(const std::vector<std::string>& parts, std::string_view separator);
// Whether `text` holds `words` as whole words, no letter or digit touching them: "cat" is not in
// "cattle".
bool contains_words(std::string_view text, std::string_view words);

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_TEXT_H_
