// KvCache: keys and values of tokens already seen, for decoding.

#ifndef LIBMINILLM_NN_KV_CACHE_H_
#define LIBMINILLM_NN_KV_CACHE_H_

#include <span>
#include <vector>

#include "libminillm/core/matrix.h"
#include "libminillm/core/token_batch.h"
#include "libminillm/nn/model_config.h"
#include "libminillm/ops/attention.h"  // KeyValueView

namespace minillm {

// `rows` is the room for tokens, shared by all streams: a stream owns rows [first, first +
// capacity), and its Segment's prefix is the part of that range it has filled.
class KvCache {
 public:
  KvCache(const ModelConfig& config, Index rows);

  Index rows() const { return keys_.empty() ? 0 : keys_.front().rows(); }
  KeyValueView view(Index layer) const {  // [rows, K*D] each, keys after RoPE
    return {keys_[static_cast<size_t>(layer)].view(), values_[static_cast<size_t>(layer)].view()};
  }
  // Stores the keys and values of a batch's rows, each segment's right after its prefix.
  void append(Index layer, const KeyValueView& batch, std::span<const Segment> segments);

 private:
  std::vector<Matrix> keys_;    // [L]
  std::vector<Matrix> values_;  // [L]
};

}  // namespace minillm

#endif  // LIBMINILLM_NN_KV_CACHE_H_
