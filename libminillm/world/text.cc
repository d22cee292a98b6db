#include "libminillm/world/text.h"

#include <algorithm>

#include "libminillm/core/check.h"

namespace minillm::world {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_word_character(char c) { return is_letter(c) || (c >= '0' && c <= '9'); }
// Upper and lower case of ASCII letters differ in this bit.
constexpr char kCaseBit = 'a' - 'A';

std::string_view look_up(const Variables& variables, std::string_view name) {
  for (const auto& [key, value] : variables) {
    if (key == name) return value;
  }
  throw Error(fmt::format("world pattern: unknown name '{{{}}}'", name));
}

}  // namespace

size_t choose_weighted(Rng& rng, std::span<const int> weights) {
  uint64_t total = 0;
  for (int weight : weights) total += static_cast<uint64_t>(weight);
  uint64_t draw = rng.below(total);
  size_t i = 0;
  for (; draw >= static_cast<uint64_t>(weights[i]); ++i) draw -= static_cast<uint64_t>(weights[i]);
  return i;
}

std::string fill_pattern(std::string_view pattern, const Variables& variables) {
  std::string out;
  out.reserve(pattern.size() * 2);
  while (!pattern.empty()) {
    const size_t open = pattern.find('{');
    out += pattern.substr(0, open);
    if (open == std::string_view::npos) break;
    const size_t close = pattern.find('}', open);
    MINILLM_CHECK(close != std::string_view::npos, "world pattern: open brace in '{}'", pattern);
    const std::string_view name = pattern.substr(open + 1, close - open - 1);
    if (name.starts_with("a ")) {
      out += with_article(look_up(variables, name.substr(2)));
    } else {
      out += look_up(variables, name);
    }
    pattern.remove_prefix(close + 1);
  }
  return out;
}

std::string with_article(std::string_view noun) {
  const bool vowel =
      !noun.empty() && std::string_view("aeiou").find(noun[0]) != std::string_view::npos;
  return (vowel ? "an " : "a ") + std::string(noun);
}

std::string capitalized(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] -= kCaseBit;
  return text;
}

std::string decapitalized(std::string text) {
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] += kCaseBit;
  return text;
}

std::string trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(kSpace) - begin + 1));
}

int word_count(std::string_view text) {
  int count = 0;
  bool inside = false;
  for (char c : text) {
    const bool space = kSpace.find(c) != std::string_view::npos;
    if (!space && !inside) ++count;
    inside = !space;
  }
  return count;
}

std::string joined(const std::vector<std::string>& parts, std::string_view separator) {
  std::string out;
  for (const std::string& part : parts) {
    if (!out.empty()) out += separator;
    out += part;
  }
  return out;
}

bool contains_words(std::string_view text, std::string_view words) {
  if (words.empty()) return false;
  for (size_t at = text.find(words); at != std::string_view::npos; at = text.find(words, at + 1)) {
    const size_t end = at + words.size();
    const bool free_left = at == 0 || !is_word_character(text[at - 1]);
    const bool free_right = end == text.size() || !is_word_character(text[end]);
    if (free_left && free_right) return true;
  }
  return false;
}

}  // namespace minillm::world
