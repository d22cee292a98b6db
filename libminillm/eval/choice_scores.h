// Log-probabilities of the choices of benchmark items: encoded by the field's rule, packed, and
// whatever beginning neighbouring requests share computed once.

#ifndef LIBMINILLM_EVAL_CHOICE_SCORES_H_
#define LIBMINILLM_EVAL_CHOICE_SCORES_H_

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libminillm/data/tokenizer.h"
#include "libminillm/eval/choice_items.h"
#include "libminillm/eval/scoring.h"
#include "libminillm/nn/model.h"

namespace minillm {

// A choice as ids: those from `first` on are scored, each given all before it.
struct EncodedChoice {
  std::vector<Token> tokens;
  size_t first = 0;  // at least 1
  bool truncated = false;
  bool divided = false;
  std::string problem;  // why it cannot be scored; empty if it can
};
// Encodes as lm-evaluation-harness does (lm_eval/api/model.py, TemplateLM._encode_pair, and
// models/huggingface.py): white space at the end of the context goes to the continuation, context
// and whole text are encoded, and what the whole has beyond the context's ids is scored. BOS comes
// first where the model has it; an empty context is BOS, or EOS where there is no BOS. Of more than
// `positions` + 1 ids the first ones are dropped (`truncated`), BOS too.
//
// Where the ids of the whole do not begin with those of the context, because a piece reaches across
// the boundary, the harness scores ids that are not those of the text. Here the whole's own ids are
// scored, from the first that differs on (`divided`): a little more than the continuation.
//
// It cannot be scored if it has no ids of its own, or more than `positions`.
EncodedChoice encode_choice(const Tokenizer& tokenizer, const Choice& choice, Index positions);

struct ChoiceScore {
  double logp = 0;            // summed over its tokens, natural logarithm
  int64_t tokens = 0;         // scored
  int64_t most_probable = 0;  // of them, those that are the model's first choice
  bool greedy() const { return most_probable == tokens; }
  bool operator==(const ChoiceScore&) const = default;
};
struct ItemScore {
  std::vector<ChoiceScore> choices;  // empty if it could not be asked
  bool truncated = false;            // of any choice
  bool divided = false;
  std::string problem;  // why it was not asked; else empty
  bool operator==(const ItemScore&) const = default;
};

// What scoring took.
struct ScoringWork {
  int64_t tokens = 0;  // fed, if every choice were computed by itself
  int64_t rows = 0;    // that were computed
};

struct ScoreOptions {
  bool find_most_probable = false;  // else ChoiceScore::most_probable stays 0
  // Gets every item that was scored, in order, as soon as it is.
  std::function<void(size_t item, const ItemScore& score)> visit = {};
  Scoring scoring = {};
};
// Scores the items whose `scores` are not there yet; they are as many as the items. An item is
// asked only if all its choices can be. The scores have the same bits for any number of threads and
// ranks, and whichever items are scored together.
ScoringWork score_items(const Model& model, const Tokenizer& tokenizer,
                        std::span<const ChoiceItem> items,
                        std::vector<std::optional<ItemScore>>& scores,
                        const ScoreOptions& options = {});

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_CHOICE_SCORES_H_
