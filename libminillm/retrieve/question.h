// What is searched for when a question is asked: its words, and the names that a note must hold.

#ifndef LIBMINILLM_RETRIEVE_QUESTION_H_
#define LIBMINILLM_RETRIEVE_QUESTION_H_

#include <string>
#include <string_view>
#include <vector>

namespace minillm {

struct QuestionWords {
  // Without stop words ("what", "the", "tell"), none twice.
  std::vector<std::string> words;
  // Of these, the ones that begin with a capital letter (Latin, Greek, Cyrillic). None where the
  // question has no small letter at all: who shouts marks no names.
  std::vector<std::string> names;
};

// Words are what stands between spaces, punctuation and symbols. Takes any bytes; reads at most
// kMostQuestionBytes of them, and at most kMostQuestionWords words.
QuestionWords question_words(std::string_view question);
inline constexpr size_t kMostQuestionBytes = size_t{64} << 10;
inline constexpr size_t kMostQuestionWords = 64;

// The question in FTS5's language: every name, and any of the words; "" if there is no word.
//
// Every word is quoted, so nothing that is asked is an operator: not `NOT`, `NEAR(`, `*` or `"`.
//
// The names are what tells "found" from "not found". A rank cannot: in a small index bm25 is near
// zero for a word that half of the rows hold, and a question about somebody of whom nothing is
// told finds what others are told of in the same words.
std::string match_expression(const QuestionWords& question);

// The same rule for notes that something else has found: whether one holds every name and any of
// the words.
bool may_answer(const QuestionWords& question, std::string_view note);

}  // namespace minillm

#endif  // LIBMINILLM_RETRIEVE_QUESTION_H_
