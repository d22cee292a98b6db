// Pretraining data: windows of documents, packed into batches.

#ifndef LIBMINILLM_PRETRAIN_DATASET_H_
#define LIBMINILLM_PRETRAIN_DATASET_H_

#include <vector>

#include "libminillm/core/token_batch.h"
#include "libminillm/data/packing.h"
#include "libminillm/data/token_shard.h"

namespace minillm {

class PretrainDataset {
 public:
  // Documents longer than `max_length` rows are cut into windows; every window is a segment of its
  // own, so no document attends to another. Throws Error if the shard holds nothing to predict.
  PretrainDataset(TokenShard shard, Index max_length, Index batch_tokens, uint64_t seed);

  // Micro-batch `i` of the run, over all epochs: a pure function of i. Valid until the next call.
  const TokenBatch& batch(Index i);

  BatchSchedule& schedule() { return schedule_; }
  const TokenShard& shard() const { return shard_; }
  // Memory of the windows; the shard itself is mapped, not held.
  Index bytes() const { return static_cast<Index>(windows_.size() * sizeof(TextWindow)); }

 private:
  TokenShard shard_;
  std::vector<TextWindow> windows_;
  BatchSchedule schedule_;
  TokenBatch batch_;
  std::vector<Token> tokens_;
};

}  // namespace minillm

#endif  // LIBMINILLM_PRETRAIN_DATASET_H_
