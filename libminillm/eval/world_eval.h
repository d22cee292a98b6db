// Runs a model over the embedded world's held-out questions: what it knows, says, prefers and
// remembers.

#ifndef LIBMINILLM_EVAL_WORLD_EVAL_H_
#define LIBMINILLM_EVAL_WORLD_EVAL_H_

#include <vector>

#include "libminillm/data/tokenizer.h"
#include "libminillm/nn/model.h"
#include "libminillm/world/eval_set.h"
#include "libminillm/world/scoring.h"

namespace minillm {

// All metrics of world/scoring.h, behind `bits_per_byte` and `bits_per_byte_second_domain` (count:
// bits, of: bytes). Answers are generated greedily, up to kWorldAnswerTokens. Metrics without items
// have `of` 0. Throws Error if the tokenizer has no chat markers or an item does not fit the
// model's context.
std::vector<WorldMetric> evaluate_world(const Model& model, const Tokenizer& tokenizer,
                                        const WorldEvalSet& set);

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_WORLD_EVAL_H_
