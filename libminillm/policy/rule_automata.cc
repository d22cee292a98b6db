#include "libminillm/policy/rule_automata.h"

#include <algorithm>
#include <string_view>

#include "libminillm/constrain/regex.h"
#include "libminillm/constrain/spellings.h"
#include "libminillm/core/check.h"
#include "libminillm/core/utf8.h"

namespace minillm {
namespace {

constexpr size_t kWordsAtOnce = 40;  // an automaton of many words would be large
constexpr size_t kMaxWords = 10'000;
constexpr size_t kMaxWordBytes = 200;

// The longest text that it accepts, in bytes; SIZE_MAX: there is none. Every state leads to an end
// and is reached, so a cycle means that.
size_t longest_text(const ByteAutomaton& automaton) {
  std::vector<size_t> sources(automaton.states.size()), longest(automaton.states.size());
  for (const ByteAutomaton::State& state : automaton.states)
    for (const ByteEdge& edge : state.edges) ++sources[edge.target];
  std::vector<uint32_t> order;
  if (sources[0] == 0) order.push_back(0);
  for (size_t i = 0; i < order.size(); ++i)
    for (const ByteEdge& edge : automaton.states[order[i]].edges) {
      longest[edge.target] = std::max(longest[edge.target], longest[order[i]] + 1);
      if (--sources[edge.target] == 0) order.push_back(edge.target);
    }
  return order.size() < automaton.states.size() ? SIZE_MAX : *std::ranges::max_element(longest);
}

std::string expression_of_word(const std::string& word) {
  MINILLM_CHECK(!word.empty() && word.size() <= kMaxWordBytes && is_valid_utf8(word),
                "words: expected UTF-8 of 1 to {} bytes, got '{}'", kMaxWordBytes,
                word.substr(0, 20));
  MINILLM_CHECK(begins_with_word_character(word) && ends_with_word_character(word),
                "words: '{}': expected to begin and end with a letter or digit (a pattern may be "
                "anything)",
                word);
  std::string expression;
  for (const char c : word) {
    const bool is_space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (is_space && expression.ends_with("\\s{1,8}")) continue;
    if (std::string_view("^$\\.*+?()[]{}|/-").find(c) != std::string_view::npos) expression += '\\';
    expression += is_space ? "\\s{1,8}" : std::string(1, c);
  }
  return expression;
}

}  // namespace

std::vector<ByteAutomaton> automata_of_rule_words(const std::vector<std::string>& words) {
  MINILLM_CHECK(!words.empty() && words.size() <= kMaxWords, "words: expected 1 to {}, got {}",
                kMaxWords, words.size());
  std::vector<ByteAutomaton> automata;
  for (size_t begin = 0; begin < words.size(); begin += kWordsAtOnce) {
    std::string any;
    for (size_t i = begin; i < std::min(begin + kWordsAtOnce, words.size()); ++i)
      any += (any.empty() ? "" : "|") + expression_of_word(words[i]);
    automata.push_back(compile_folded_regex(any, "words"));
  }
  return automata;
}

ByteAutomaton automaton_of_rule_pattern(const std::string& pattern) {
  ByteAutomaton automaton = compile_folded_regex(pattern, "pattern");
  MINILLM_CHECK(!automaton.states[0].accepts, "pattern: it matches the empty text");
  const size_t longest = longest_text(automaton);
  MINILLM_CHECK(longest != SIZE_MAX,
                "pattern: its matches have no greatest length: expected {{0,40}} in the place of * "
                "and the like, since a text is held back as long as it may match");
  MINILLM_CHECK(longest <= kLongestMatch,
                "pattern: its matches may be {} bytes long: expected at most {}", longest,
                kLongestMatch);
  return automaton;
}

}  // namespace minillm
