// Runs a model over the embedded world's held-out questions: what it knows, says, prefers, and has
// memorised.

#ifndef LIBMINILLM_EVAL_WORLD_EVAL_H_
#define LIBMINILLM_EVAL_WORLD_EVAL_H_

#include <vector>

#include "libminillm/data/tokenizer.h"
#include "libminillm/eval/scoring.h"
#include "libminillm/nn/model.h"
#include "libminillm/world/eval_set.h"
#include "libminillm/world/scoring.h"

namespace minillm {

// `bits_per_byte` and `bits_per_byte_second_domain` (count: bits, of: bytes), then all metrics of
// world/scoring.h. Answers are generated greedily, up to kWorldAnswerTokens. Metrics without items
// have `of` 0. Throws Error if the tokenizer has no chat markers or an item exceeds the model's
// context.
std::vector<world::WorldMetric> evaluate_world(const Model& model, const Tokenizer& tokenizer,
                                               const world::WorldEvalSet& set,
                                               const Scoring& scoring = {});

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_WORLD_EVAL_H_
