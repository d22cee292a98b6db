#include "libminillm/nn/kv_cache.h"

#include <algorithm>

#include "libminillm/ops/loops.h"

namespace minillm {

KvCache::KvCache(const ModelConfig& config, Index rows)
    : rows_(rows),
      heads_(config.num_key_value_heads),
      head_dim_(config.head_dim),
      panel_(columns_of_panel()) {
  const Index panels = (rows + panel_ - 1) / panel_;
  for (Index l = 0; l < config.num_hidden_layers; ++l) {
    keys_.emplace_back(heads_ * panels * panel_ * head_dim_);
    values_.emplace_back(heads_ * rows, head_dim_);
  }
}

CachedKeysValues KvCache::view(Index layer) const {
  return {keys_[static_cast<size_t>(layer)].data(), values_[static_cast<size_t>(layer)].view(),
          rows_, panel_};
}

void KvCache::attend(View out, View lse, ConstView queries, const KeyValueView& batch, Index layer,
                     std::span<const Segment> segments, const AttentionShape& shape,
                     Precision precision) {
  append(layer, batch, segments);
  cached_attention_forward(out, lse, queries, view(layer), segments, shape, precision);
}

void KvCache::append(Index layer, const KeyValueView& batch, std::span<const Segment> segments) {
  const View values = values_[static_cast<size_t>(layer)].view();
  const bool worth = worth_threads(batch.keys.rows * heads_ * head_dim_);
  for_ranges(std::ssize(segments), worth, [&](Index begin, Index end) {
    for (const Segment& s :
         segments.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)))
      for (Index n = s.begin; n < s.end; ++n)
        for (Index head = 0; head < heads_; ++head) {
          const Index row = s.prefix_end + n - s.begin;
          const Real* from = batch.keys.row(n) + head * head_dim_;
          Real* to = key(layer, head, row);
          for (Index d = 0; d < head_dim_; ++d) to[d * panel_] = from[d];
          std::copy_n(batch.values.row(n) + head * head_dim_, head_dim_,
                      values.row(head * rows_ + row));
        }
  });
}

void KvCache::read(Index layer, Index row, Real* keys, Real* values) const {
  for (Index head = 0; head < heads_; ++head) {
    const Real* from = key(layer, head, row);
    for (Index d = 0; d < head_dim_; ++d) *keys++ = from[d * panel_];
    values = std::copy_n(values_[static_cast<size_t>(layer)].view().row(head * rows_ + row),
                         head_dim_, values);
  }
}

void KvCache::copy(const KvCache& from, Index first, Index to, Index rows) {
  for (size_t l = 0; l < keys_.size(); ++l) {
    const auto layer = static_cast<Index>(l);
    for (Index head = 0; head < heads_; ++head) {
      std::copy_n(from.values_[l].view().row(head * from.rows_ + first), rows * head_dim_,
                  values_[l].view().row(head * rows_ + to));
      // Pieces that are inside a panel here and there.
      for (Index done = 0, count; done < rows; done += count) {
        count = std::min(
            {rows - done, panel_ - (first + done) % panel_, panel_ - (to + done) % panel_});
        const Real* source = from.key(layer, head, first + done);
        Real* target = key(layer, head, to + done);
        for (Index d = 0; d < head_dim_; ++d)
          std::copy_n(source + d * panel_, count, target + d * panel_);
      }
    }
  }
}

const Real* KvCache::key(Index layer, Index head, Index row) const {
  const CachedKeysValues cached = view(layer);
  return cached.keys_of(head, head_dim_).first + row / panel_ * panel_ * head_dim_ + row % panel_;
}

}  // namespace minillm
