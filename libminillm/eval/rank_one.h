// Rank-one change: which of the world's facts have another most probable value in one checkpoint
// than in another, as after a stage of training that was to change the manner only.

#ifndef LIBMINILLM_EVAL_RANK_ONE_H_
#define LIBMINILLM_EVAL_RANK_ONE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "libminillm/data/tokenizer.h"
#include "libminillm/eval/scoring.h"
#include "libminillm/nn/model.h"
#include "libminillm/world/eval_set.h"

namespace minillm {

// What a model would rather say than anything else where a cloze item's value stands.
struct RankOneValue {
  // As many tokens as the value has: the most probable one at each place, after the prefix and the
  // value's own tokens before it. Most values have one token.
  std::vector<Token> tokens;
  bool known = false;  // they are the value
};
// In the order of the items. Throws Error if an item exceeds the model's context, and if the model
// has no language head.
std::vector<RankOneValue> rank_one_values(const Model& model, const Tokenizer& tokenizer,
                                          const std::vector<world::ClozeItem>& items,
                                          const Scoring& scoring = {});

// Counts of cloze items.
struct RankOneChange {
  std::string group;  // "all", or cloze_group_name
  int64_t asked = 0;
  int64_t changed = 0;  // the most probable value is another one
  int64_t known = 0;    // before
  int64_t lost = 0;     // known before, and changed
  int64_t gained = 0;   // not known before, known now
};
// "all", then each group of items, those without items included. `before` and `after` are of these
// items, by models that share a tokenizer. Throws Error if they are not as many.
std::vector<RankOneChange> rank_one_changes(std::span<const world::ClozeItem> items,
                                            std::span<const RankOneValue> before,
                                            std::span<const RankOneValue> after);

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_RANK_ONE_H_
