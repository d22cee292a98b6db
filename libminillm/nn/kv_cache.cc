#include "libminillm/nn/kv_cache.h"

#include <algorithm>

namespace minillm {

KvCache::KvCache(const ModelConfig& config, Index rows) {
  const Index width = config.num_key_value_heads * config.head_dim;
  for (Index l = 0; l < config.num_hidden_layers; ++l) {
    keys_.emplace_back(rows, width);
    values_.emplace_back(rows, width);
  }
}

void KvCache::append(Index layer, const KeyValueView& batch, std::span<const Segment> segments) {
  const auto copy = [](Matrix& to, Index first, ConstView from, const Segment& s) {
    for (Index n = s.begin; n < s.end; ++n)
      std::copy_n(from.row(n), from.cols, to.view().row(first + n - s.begin));
  };
  for (const Segment& s : segments) {
    copy(keys_[static_cast<size_t>(layer)], s.prefix_end, batch.keys, s);
    copy(values_[static_cast<size_t>(layer)], s.prefix_end, batch.values, s);
  }
}

void KvCache::copy(Index from, Index to, Index rows) {
  for (std::vector<Matrix>* matrices : {&keys_, &values_})
    for (Matrix& matrix : *matrices)
      for (Index n = 0; n < rows; ++n)
        std::copy_n(matrix.view().row(from + n), matrix.cols(), matrix.view().row(to + n));
}

}  // namespace minillm
