// Everything a caller can get wrong about a batch, checked before a kernel reads it.

#ifndef LIBMINILLM_NN_BATCH_CHECK_H_
#define LIBMINILLM_NN_BATCH_CHECK_H_

#include "libminillm/core/token_batch.h"
#include "libminillm/nn/kv_cache.h"
#include "libminillm/nn/model_config.h"
#include "libminillm/nn/parameters.h"
#include "libminillm/nn/workspace.h"

namespace minillm {

// Throws Error unless segments cover the batch in order, prefixes lie in the cache or, without one,
// are the first rows of an earlier segment that has no prefix itself, no sequence is longer than
// the model's positions, and the workspace has room.
void check_batch(const TokenBatch& batch, const ModelConfig& config, const Workspace& workspace,
                 const KvCache* cache);

// Throws Error unless every segment's adapter is one of those that the weights carry, every
// sequence begins with its adapter's virtual tokens, all other tokens are in [0, V), and the
// workspace has room for the adapters' inner states.
void check_adapters(const TokenBatch& batch, const ModelConfig& config, const Workspace& workspace,
                    const Weights& weights);

// Throws Error unless every target's row is in the batch and its token in [0, V), and the workspace
// has room.
void check_targets(const TokenBatch& batch, const ModelConfig& config, const Workspace& workspace);

// Throws Error unless the model has the head.
void check_lm_head(const ModelConfig& config);
void check_score_head(const ModelConfig& config);

// Throws Error if the workspace is for inference only.
void check_backward(const Workspace& workspace);

}  // namespace minillm

#endif  // LIBMINILLM_NN_BATCH_CHECK_H_
