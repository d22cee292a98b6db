// Preference pairs as a reward model reads them: both answers whole, after their prompt.

#ifndef LIBMINILLM_REWARD_DATASET_H_
#define LIBMINILLM_REWARD_DATASET_H_

#include <vector>

#include "libminillm/core/token_batch.h"
#include "libminillm/data/chat_template.h"  // RenderedPair
#include "libminillm/data/packing.h"

namespace minillm {

// A micro-batch: of every pair two targets, the last rows of the chosen and the rejected answer.
struct ScoredPairs {
  TokenBatch tokens;
  std::vector<double> margins;
};

class RewardDataset {
 public:
  // Throws Error if there are no pairs.
  RewardDataset(std::vector<RenderedPair> pairs, Index batch_tokens, uint64_t seed,
                Index virtual_tokens = 0);

  // Micro-batch `i` of the run, over all epochs: a pure function of i. Valid until the next call.
  const ScoredPairs& batch(Index i);

  BatchSchedule& schedule() { return schedule_; }
  Index bytes() const;  // memory of the pairs

 private:
  std::vector<RenderedPair> pairs_;
  BatchSchedule schedule_;
  ScoredPairs batch_;
};

}  // namespace minillm

#endif  // LIBMINILLM_REWARD_DATASET_H_
