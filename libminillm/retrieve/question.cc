#include "libminillm/retrieve/question.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "libminillm/core/utf8.h"

namespace minillm {
namespace {

// Words that say nothing about what is asked for: they cost time, and they would be names where a
// question begins with them. Also what apostrophes leave of "what's" and "don't". Sorted.
constexpr std::string_view kStopWords[] = {
    "a",     "about", "after", "all",    "am",    "an",     "and",     "any",   "are",   "as",
    "at",    "be",    "been",  "before", "but",   "by",     "can",     "could", "d",     "describe",
    "did",   "do",    "does",  "doing",  "don",   "done",   "explain", "find",  "for",   "from",
    "give",  "had",   "has",   "have",   "he",    "hello",  "her",     "hers",  "hi",    "him",
    "his",   "how",   "i",     "if",     "in",    "into",   "is",      "it",    "its",   "know",
    "let",   "list",  "ll",    "m",      "may",   "me",     "might",   "must",  "my",    "name",
    "no",    "not",   "now",   "of",     "off",   "on",     "or",      "our",   "out",   "please",
    "re",    "s",     "say",   "shall",  "she",   "should", "show",    "so",    "some",  "t",
    "tell",  "than",  "that",  "the",    "their", "them",   "then",    "there", "these", "they",
    "this",  "those", "to",    "up",     "us",    "ve",     "was",     "we",    "were",  "what",
    "when",  "where", "which", "who",    "whom",  "whose",  "why",     "will",  "with",  "would",
    "write", "you",   "your",  "yours"};
static_assert(std::ranges::is_sorted(kStopWords));

// The character that valid UTF-8 of this length is.
char32_t character(std::string_view bytes) {
  constexpr unsigned kFirstBits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
  char32_t value = static_cast<unsigned char>(bytes[0]) & kFirstBits[bytes.size()];
  for (const char c : bytes.substr(1)) value = value << 6 | (static_cast<unsigned char>(c) & 0x3F);
  return value;
}

bool within(char32_t c, char32_t first, char32_t last) { return first <= c && c <= last; }

bool is_word_character(char32_t c) {
  if (c < 0x80) return within(c, '0', '9') || within(c, 'A', 'Z') || within(c, 'a', 'z');
  return !within(c, 0x80, 0xBF) && !within(c, 0x2000, 0x206F) && !within(c, 0x3000, 0x303F) &&
         c != 0xFFFD;
}

bool is_capital(char32_t c) {
  if (within(c, 'A', 'Z')) return true;
  if (within(c, 0xC0, 0xDE)) return c != 0xD7;
  if (within(c, 0x139, 0x148) || within(c, 0x179, 0x17E)) return c % 2 == 1;
  if (within(c, 0x100, 0x177)) return c % 2 == 0;
  return c == 0x178 || within(c, 0x386, 0x3AB) || within(c, 0x400, 0x42F);
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

void append_phrases(std::string& out, const std::vector<std::string>& words,
                    std::string_view between) {
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += between;
    out += '"' + words[i] + '"';  // words hold no quotes
  }
}

}  // namespace

QuestionWords question_words(std::string_view question) {
  QuestionWords found;
  std::set<std::string> seen;
  bool small = false;  // whether there is a small letter
  std::string word;
  bool capital = false;  // whether the word begins with one
  const auto end_word = [&] {
    if (!word.empty() && found.words.size() < kMostQuestionWords) {
      const std::string lower = lower_case(word);
      if (!std::ranges::binary_search(kStopWords, lower) && seen.insert(lower).second) {
        found.words.push_back(word);
        if (capital) found.names.push_back(word);
      }
    }
    word.clear();
  };
  question = question.substr(0, kMostQuestionBytes);
  while (!question.empty()) {
    const size_t length = utf8_character_length(question);
    const std::string_view bytes = question.substr(0, std::max<size_t>(length, 1));
    const char32_t c = length == 0 ? 0xFFFD : character(bytes);
    question.remove_prefix(bytes.size());
    if (!is_word_character(c)) {
      end_word();
      continue;
    }
    if (word.empty()) capital = is_capital(c);
    small = small || (!is_capital(c) && !within(c, '0', '9'));
    word += bytes;
  }
  end_word();
  if (!small) found.names.clear();
  return found;
}

std::string match_expression(const QuestionWords& question) {
  if (question.words.empty()) return "";
  std::string out;
  append_phrases(out, question.names, " AND ");
  if (!out.empty()) out += " AND ";
  out += '(';
  append_phrases(out, question.words, " OR ");
  return out + ')';
}

bool may_answer(const QuestionWords& question, std::string_view note) {
  std::set<std::string> held;
  for (const std::string& word : question_words(note).words) held.insert(lower_case(word));
  const auto holds = [&](const std::string& word) { return held.contains(lower_case(word)); };
  return std::ranges::all_of(question.names, holds) && std::ranges::any_of(question.words, holds);
}

}  // namespace minillm
