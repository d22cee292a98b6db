#include "libminillm/eval/rank_one.h"

#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/eval/sequence_scores.h"
#include "libminillm/eval/world_messages.h"

namespace minillm {
namespace {

using world::ClozeGroup;

constexpr ClozeGroup kGroups[] = {ClozeGroup::kFair,        ClozeGroup::kHard,
                                  ClozeGroup::kRare,        ClozeGroup::kOften,
                                  ClozeGroup::kAfterCutoff, ClozeGroup::kSecondDomain};

void count(RankOneChange& counts, const RankOneValue& before, const RankOneValue& after) {
  const bool changed = before.tokens != after.tokens;
  ++counts.asked;
  counts.changed += changed;
  counts.known += before.known;
  counts.lost += before.known && changed;
  counts.gained += !before.known && after.known;
}

}  // namespace

std::vector<RankOneValue> rank_one_values(const Model& model, const Tokenizer& tokenizer,
                                          const std::vector<world::ClozeItem>& items,
                                          const Scoring& scoring) {
  MINILLM_CHECK(model.config().has_lm_head(), "cloze items: a reward model continues nothing");
  std::vector<RenderedSequence> sequences;
  for (const world::ClozeItem& item : items) sequences.push_back(render_cloze(tokenizer, item));
  std::vector<RankOneValue> values;
  for (SequenceScore& score : score_sequences(model, sequences, scoring))
    values.push_back({std::move(score.first_choices), score.most_probable == score.tokens});
  return values;
}

std::vector<RankOneChange> rank_one_changes(std::span<const world::ClozeItem> items,
                                            std::span<const RankOneValue> before,
                                            std::span<const RankOneValue> after) {
  MINILLM_CHECK(items.size() == before.size() && items.size() == after.size(),
                "rank-one change of {} cloze items: expected as many values, got {} and {}",
                items.size(), before.size(), after.size());
  std::vector<RankOneChange> changes(1);
  changes.front().group = "all";
  for (const ClozeGroup group : kGroups) {
    RankOneChange& own = changes.emplace_back();
    own.group = cloze_group_name(group);
    for (size_t i = 0; i < items.size(); ++i) {
      if (items[i].group != group) continue;
      count(own, before[i], after[i]);
      count(changes.front(), before[i], after[i]);
    }
  }
  return changes;
}

}  // namespace minillm
