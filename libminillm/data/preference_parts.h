// Parts of preference rows that several formats share. Internal: not included by public headers.

#ifndef LIBMINILLM_DATA_PREFERENCE_PARTS_H_
#define LIBMINILLM_DATA_PREFERENCE_PARTS_H_

#include <initializer_list>
#include <optional>
#include <string_view>
#include <vector>

#include "libminillm/data/record_formats.h"

namespace minillm {

using Messages = std::vector<Message>;

// What data sets call the two answers.
struct AnswerKeys {
  const char* chosen;
  const char* rejected;
};
// The names of which the row has either; nothing if it is no pair.
std::optional<AnswerKeys> answer_keys(const Row& row);

// The prompt of a pair: what a row says apart from its answers. `plain`: it is one string.
Messages pair_prompt(const Row& row, bool* plain);

// Throws BadRecord (harmless) if an answer is marked not to be learned.
void expect_learned(const Message& answer);
// Throws BadRecord if an answer calls tools: the answers of a pair are texts.
void expect_text(const Message& answer);

// Two whole conversations that differ only in the last message: what precedes it is the prompt.
PreferencePair make_implicit_pair(const Row& row, Messages chosen, const Messages& rejected,
                                  Messages preamble = {});

// Answers, and perhaps a prompt, that are dialogues.
PreferencePair parse_dialogues(const Row& row);

// {"chosen": "The sky is blue.", "rejected": "The sky is green."}: the prompt is what both begin
// with, up to the end of a word. Throws BadRecord if another key may hold it.
PreferencePair parse_common_beginning(const Row& row);

// --- How good answers are (answer_scores.cc): more is better ---
inline constexpr std::initializer_list<const char*> kScoreKeys = {
    "score", "scores", "overall_score", "rating", "ratings", "reward", "rewards"};
inline constexpr std::initializer_list<const char*> kRankKeys = {"rank", "ranks", "ranking"};
std::optional<double> as_number(const Json& value);      // a number, or a text of one
double parse_score(const Json& value, const char* key);  // throws BadRecord
// What the score or the rank of `row`, which may be an entry of a list, says.
std::optional<double> goodness(const Row& row);
// What "margin" says, 0 or more; 0 where it is not there.
double margin_of(const Row& row);
// Notes what contradicts that the chosen answer is the better one.
void note_contradictions(const Row& row);

// --- Two answers, and which is the better one (compared_answers.cc) ---
bool has_compared_answers(const Row& row);
std::vector<PreferencePair> parse_compared_answers(const Row& row);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_PREFERENCE_PARTS_H_
