// Preference data: pairs, each with its reference log-probabilities, packed into batches with
// replayed SFT rows after them.

#ifndef LIBMINILLM_DPO_DATASET_H_
#define LIBMINILLM_DPO_DATASET_H_

#include <optional>
#include <span>
#include <vector>

#include "libminillm/core/token_batch.h"
#include "libminillm/data/packing.h"
#include "libminillm/eval/preference_eval.h"  // PairLogProbs
#include "libminillm/objectives/preference.h"
#include "libminillm/stage/conversation_dataset.h"

namespace minillm {

// A micro-batch: the pairs' targets first, then those of the replayed rows.
struct PreferenceBatch {
  TokenBatch tokens;
  std::vector<PreferenceItem> items;
  std::vector<Index> pair_ends;  // of every pair, the end of its targets
  Index replay_begin = 0;        // first replayed target

  // The pairs whose targets are within [begin, end).
  std::span<const PreferenceItem> items_of(Index begin, Index end) const;
};

// What the terms of a step's loss are averaged over.
struct StepTotals {
  double pairs = 0;
  double chosen_tokens = 0;
  double replay_tokens = 0;
};

class PreferenceDataset {
 public:
  // `reference[i]` belongs to pairs[i]. Throws Error if there are no pairs.
  PreferenceDataset(std::vector<RenderedPair> pairs, std::vector<PairLogProbs> reference,
                    std::optional<ConversationDataset> replay, Index batch_tokens, uint64_t seed,
                    Index virtual_tokens = 0);

  // Micro-batch `i` of the run, over all epochs: a pure function of i. Valid until the next call.
  const PreferenceBatch& batch(Index i);
  // Of micro-batches [begin, end): known before any of them is computed, so the terms of the loss
  // are exact means over the whole step however it is split.
  StepTotals totals(Index begin, Index end);
  // The pairs of micro-batches [begin, end), as their numbers.
  std::vector<Index> pairs(Index begin, Index end);

  BatchSchedule& schedule() { return schedule_; }
  Index max_rows() const;  // of any batch, replayed rows included
  Index max_targets() const;
  Index bytes() const;  // memory of the pairs and the replayed rows

 private:
  std::vector<RenderedPair> pairs_;
  std::vector<PairLogProbs> reference_;
  std::optional<ConversationDataset> replay_;
  BatchSchedule schedule_;
  PreferenceBatch batch_;
};

}  // namespace minillm

#endif  // LIBMINILLM_DPO_DATASET_H_
