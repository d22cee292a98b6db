// KvCache: keys and values of tokens already seen, for decoding.

#ifndef LIBMINILLM_NN_KV_CACHE_H_
#define LIBMINILLM_NN_KV_CACHE_H_

#include <span>
#include <utility>
#include <vector>

#include "libminillm/core/matrix.h"
#include "libminillm/core/token_batch.h"
#include "libminillm/nn/model_config.h"
#include "libminillm/ops/cached_attention.h"

namespace minillm {

// `rows` is the room for tokens, shared by all streams: a stream owns rows [first, first +
// capacity), and its Segment's prefix is the part of that range it has filled. Memory is laid out
// as attention's products read it (ops/attention.h), so that a token's keys are moved there once
// and not packed again for each token after it.
class KvCache {
 public:
  KvCache(const ModelConfig& config, Index rows);

  // Bytes that `rows` rows take.
  static double bytes(const ModelConfig& config, Index rows) {
    return 2.0 *
           static_cast<double>(rows * config.num_hidden_layers * config.num_key_value_heads *
                               config.head_dim) *
           sizeof(Real);
  }

  Index rows() const { return rows_; }
  // Attention of a batch whose prefixes are rows of the cache: stores its keys and values there,
  // and is attention_forward (ops/attention.h) over both.
  void attend(View out, View lse, ConstView queries, const KeyValueView& batch, Index layer,
              std::span<const Segment> segments, const AttentionShape& shape, Precision precision);
  // Stores the keys and values of a batch's rows, each segment's right after its prefix.
  void append(Index layer, const KeyValueView& batch, std::span<const Segment> segments);
  // Copies a row out: keys and values [K*D] each, keys after RoPE.
  void read(Index layer, Index row, Real* keys, Real* values) const;
  // Copies rows [first, first + rows) of another cache, or of this one, to rows [to, to + rows),
  // which do not overlap: a prompt that several streams begin with.
  void copy(const KvCache& from, Index first, Index to, Index rows);

 private:
  CachedKeysValues view(Index layer) const;
  // The first number of a row's key of a head; each of the others is panel_ further.
  const Real* key(Index layer, Index head, Index row) const;
  Real* key(Index layer, Index head, Index row) {
    return const_cast<Real*>(std::as_const(*this).key(layer, head, row));
  }

  Index rows_, heads_, head_dim_, panel_;
  std::vector<Arena> keys_;     // [L]
  std::vector<Matrix> values_;  // [L] [K * rows, D]
};

}  // namespace minillm

#endif  // LIBMINILLM_NN_KV_CACHE_H_
