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

  // Bytes that one of `rows` rows takes.
  static double bytes(const ModelConfig& config, Index rows) {
    return 2.0 *
           static_cast<double>(rows * config.num_hidden_layers * config.num_key_value_heads *
                               config.head_dim) *
           sizeof(Real);
  }

  Index rows() const { return keys_.empty() ? 0 : keys_.front().rows(); }
  KeyValueView view(Index layer) const {  // [rows, K*D] each, keys after RoPE
    return {keys_[static_cast<size_t>(layer)].view(), values_[static_cast<size_t>(layer)].view()};
  }
  // Stores the keys and values of a batch's rows, each segment's right after its prefix.
  void append(Index layer, const KeyValueView& batch, std::span<const Segment> segments);
  // Copies rows [from, from + rows) to [to, to + rows), which do not overlap: a prompt that several
  // streams begin with.
  void copy(Index from, Index to, Index rows);

 private:
  std::vector<Matrix> keys_;    // [L]
  std::vector<Matrix> values_;  // [L]
};

}  // namespace minillm

#endif  // LIBMINILLM_NN_KV_CACHE_H_
