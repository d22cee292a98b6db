#include "libminillm/retrieve/sentences.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace minillm {
namespace {

constexpr size_t kMostHeadingWords = 16;
constexpr size_t kMostHeadingBytes = 256;
constexpr std::string_view kSpace = " \t\r\f\v";
constexpr std::string_view kAbbreviations[] = {"mr.",  "mrs.", "ms.",  "dr.",  "prof.", "st.",
                                               "no.",  "vs.",  "etc.", "e.g.", "i.e.",  "cf.",
                                               "fig.", "jr.",  "sr.",  "vol.", "ca."};
// They may stand between the mark that ends a sentence and the space.
constexpr std::string_view kClosing[] = {"\"", "'", ")", "]", "\u201d", "\u2019", "\u00bb"};

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (size_t begin; (begin = text.find_first_not_of(kSpace)) != std::string_view::npos;) {
    text.remove_prefix(begin);
    const size_t end = std::min(text.find_first_of(kSpace), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return words;
}

// The beginning of `text` that has at most `most` bytes, ending after a whole character.
std::string_view beginning(std::string_view text, size_t most) {
  if (text.size() <= most) return text;
  size_t end = most;  // a character has at most three bytes after its first
  while (end + 3 > most && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

std::string_view without_closing(std::string_view word) {
  const auto ends = [&](std::string_view mark) { return word.ends_with(mark); };
  for (const std::string_view* mark;
       (mark = std::ranges::find_if(kClosing, ends)) != std::end(kClosing);)
    word.remove_suffix(mark->size());
  return word;
}

bool ends_sentence(std::string_view word) {
  const std::string_view bare = without_closing(word);
  return bare.ends_with('.') || bare.ends_with('!') || bare.ends_with('?');
}

bool ends_sentence_before(std::string_view word, std::string_view next) {
  if (!ends_sentence(word) || (next[0] >= 'a' && next[0] <= 'z')) return false;
  const bool initial = word.size() == 2 && word[0] >= 'A' && word[0] <= 'Z' && word[1] == '.';
  const std::string lower = lower_case(word);
  return !initial && std::ranges::find(kAbbreviations, lower) == std::end(kAbbreviations);
}

// Collects lines and gives out sentences.
class SentenceCutter {
 public:
  void add_paragraph_line(std::string_view line) {
    for (const std::string_view word : words_of(line)) words_.push_back(word);
  }

  void end_paragraph() {
    for (size_t i = 0; i < words_.size(); ++i) {
      add_word(words_[i]);
      if (i + 1 == words_.size() || ends_sentence_before(words_[i], words_[i + 1])) end_sentence();
    }
    words_.clear();
  }

  // `level`: the number of `#` in front of it, 1 for a title.
  void set_heading(std::string_view text, size_t level) {
    end_paragraph();
    std::string heading;
    size_t count = 0;
    for (const std::string_view word : words_of(text)) {
      if (++count > kMostHeadingWords) break;
      heading += (heading.empty() ? "" : " ") + std::string(word);
    }
    heading = beginning(heading, kMostHeadingBytes);
    if (level == 1) {
      title_ = heading;
      section_.clear();
    } else {
      section_ = heading;
    }
    heading_ = title_ + (title_.empty() || section_.empty() ? "" : ", ") + section_;
    if (!heading_.empty()) heading_ += ": ";
    heading_words_ = words_of(heading_).size();
  }

  std::vector<std::string> take() { return std::move(sentences_); }

 private:
  void add_word(std::string_view word) {
    while (!word.empty()) {
      const size_t room = kMostNoteBytes - heading_.size();
      const std::string_view piece = beginning(word, room);
      if (heading_words_ + count_ >= kMostNoteWords || sentence_.size() + 1 + piece.size() > room)
        end_sentence();
      sentence_ += (sentence_.empty() ? "" : " ") + std::string(piece);
      ++count_;
      word.remove_prefix(piece.size());
    }
  }

  void end_sentence() {
    if (!sentence_.empty()) sentences_.push_back(heading_ + sentence_);
    sentence_.clear();
    count_ = 0;
  }

  std::string title_, section_, heading_;
  size_t heading_words_ = 0;
  std::vector<std::string_view> words_;  // of the paragraph; they point into the document
  std::string sentence_;
  size_t count_ = 0;  // its words
  std::vector<std::string> sentences_;
};

}  // namespace

std::vector<std::string> cut_sentences(std::string_view document) {
  SentenceCutter cutter;
  bool first = true;
  for (std::string_view rest = document; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    line.remove_prefix(std::min(line.find_first_not_of(kSpace), line.size()));
    const size_t next = std::min(rest.find('\n'), rest.size());
    const bool alone =
        !rest.empty() && rest.substr(0, next).find_first_not_of(kSpace) == std::string_view::npos;
    const size_t level = std::min(line.find_first_not_of('#'), line.size());
    if (line.empty()) {
      cutter.end_paragraph();
    } else if (level > 0 && level <= 6 && line.substr(level).starts_with(' ')) {
      cutter.set_heading(line.substr(level), level);
    } else if (first && alone && !ends_sentence(words_of(line).back())) {
      cutter.set_heading(line, 1);
    } else {
      if (line.starts_with("- ") || line.starts_with("* ")) {
        cutter.end_paragraph();
        line.remove_prefix(2);
      }
      cutter.add_paragraph_line(line);
    }
    first = first && line.empty();
  }
  cutter.end_paragraph();
  return cutter.take();
}

}  // namespace minillm
