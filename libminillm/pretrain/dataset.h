// Pretraining data: windows of documents, of the training files and of those that are replayed,
// packed into batches.

#ifndef LIBMINILLM_PRETRAIN_DATASET_H_
#define LIBMINILLM_PRETRAIN_DATASET_H_

#include <vector>

#include "libminillm/core/token_batch.h"
#include "libminillm/data/packing.h"
#include "libminillm/data/token_shard.h"

namespace minillm {

// Windows of a shard's documents, all of them or those that were drawn.
struct TextPart {
  TokenShard shard;
  std::vector<TextWindow> windows;
};

class PretrainDataset {
 public:
  // Every window is a segment of its own, so no document attends to another. Throws Error if there
  // is nothing to predict.
  PretrainDataset(std::vector<TextPart> parts, Index batch_tokens, uint64_t seed,
                  Index virtual_tokens = 0);

  // Micro-batch `i` of the run, over all epochs: a pure function of i. Valid until the next call.
  const TokenBatch& batch(Index i);

  BatchSchedule& schedule() { return schedule_; }
  // Memory of the windows; the shards themselves are mapped, not held.
  Index bytes() const;

 private:
  std::vector<TextPart> parts_;
  BatchSchedule schedule_;
  TokenBatch batch_;
  std::vector<Token> tokens_;
};

}  // namespace minillm

#endif  // LIBMINILLM_PRETRAIN_DATASET_H_
