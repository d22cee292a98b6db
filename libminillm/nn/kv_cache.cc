#include "libminillm/nn/kv_cache.h"

namespace minillm {

KvCache::KvCache(const ModelConfig& config, Index rows) {
  const Index width = config.num_key_value_heads * config.head_dim;
  for (Index l = 0; l < config.num_hidden_layers; ++l) {
    keys_.emplace_back(rows, width);
    values_.emplace_back(rows, width);
  }
}

}  // namespace minillm
