// KvCache: keys and values of tokens already seen, for decoding.

#ifndef LIBMINILLM_NN_KV_CACHE_H_
#define LIBMINILLM_NN_KV_CACHE_H_

#include <vector>

#include "libminillm/core/matrix.h"
#include "libminillm/nn/model_config.h"

namespace minillm {

// `rows` is the room for tokens, shared by all streams: a stream owns a range of rows [first, first
// + capacity) and its Segment's prefix is the part of that range it has filled.
class KvCache {
 public:
  KvCache(const ModelConfig& config, Index rows);

  Index rows() const { return keys_.empty() ? 0 : keys_.front().rows(); }
  Matrix& keys(Index layer) {
    return keys_[static_cast<size_t>(layer)];
  }  // [rows, K*D], after RoPE
  Matrix& values(Index layer) { return values_[static_cast<size_t>(layer)]; }  // [rows, K*D]

 private:
  std::vector<Matrix> keys_;
  std::vector<Matrix> values_;
};

}  // namespace minillm

#endif  // LIBMINILLM_NN_KV_CACHE_H_
