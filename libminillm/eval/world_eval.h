// Runs a model over the embedded world's held-out questions: what it knows, says, prefers, and has
// memorised.

#ifndef LIBMINILLM_EVAL_WORLD_EVAL_H_
#define LIBMINILLM_EVAL_WORLD_EVAL_H_

#include <functional>
#include <string>
#include <vector>

#include "libminillm/data/notes.h"
#include "libminillm/data/tokenizer.h"
#include "libminillm/eval/scoring.h"
#include "libminillm/nn/model.h"
#include "libminillm/world/eval_set.h"
#include "libminillm/world/open_book_eval.h"
#include "libminillm/world/scoring.h"

namespace minillm {

// Everything but the texts: what each question came to. Answers are generated greedily, up to
// kWorldAnswerTokens. Throws Error if the tokenizer has no chat markers or an item exceeds the
// model's context.
world::WorldScore score_world(const Model& model, const Tokenizer& tokenizer,
                              const world::WorldEvalSet& set, const Scoring& scoring = {});

// Of the texts, `bits_per_byte` and `bits_per_byte_second_domain` (count: bits, of: bytes); nothing
// of a reward model, which says nothing. Throws Error as score_world does.
std::vector<world::WorldMetric> world_text_metrics(const Model& model, const Tokenizer& tokenizer,
                                                   const world::WorldEvalSet& set,
                                                   const Scoring& scoring = {});

// The metrics of the texts, then all metrics of world/scoring.h. Metrics without items have `of` 0.
// Throws Error as score_world does.
std::vector<world::WorldMetric> evaluate_world(const Model& model, const Tokenizer& tokenizer,
                                               const world::WorldEvalSet& set,
                                               const Scoring& scoring = {});

// Whether a note may answer a question (retrieve/question.h has the rule of names).
using NoteRule = std::function<bool(const std::string& question, const std::string& note)>;

// All metrics of world/open_book_eval.h: the questions that are to be looked up are looked up in
// `source`, and every answer is generated greedily from a prompt with its notes (data/notes.h).
// With a `rule`, items that show notes about others are asked again with those that it admits.
// Throws Error as evaluate_world does, and if the model has no language head.
std::vector<world::WorldMetric> evaluate_open_book(const Model& model, const Tokenizer& tokenizer,
                                                   const std::vector<world::OpenBookItem>& items,
                                                   const NoteSource& source,
                                                   const Scoring& scoring = {},
                                                   const NoteRule& rule = {});

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_WORLD_EVAL_H_
