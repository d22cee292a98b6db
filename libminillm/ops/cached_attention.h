// Attention's forward over the cache, for decoding.

#ifndef LIBMINILLM_OPS_CACHED_ATTENTION_H_
#define LIBMINILLM_OPS_CACHED_ATTENTION_H_

#include <span>

#include "libminillm/core/matrix.h"
#include "libminillm/core/token_batch.h"
#include "libminillm/ops/attention.h"
#include "libminillm/ops/gemm/gemm.h"  // ColumnPanels

namespace minillm {

// Keys and values of a layer as they are kept for decoding; `rows` of them, of several texts.
//   keys    of head k, transposed: panels of `panel` rows, each [D, panel], as products read them
//   values  [K * rows, D]: of head k, row r is k * rows + r
struct CachedKeysValues {
  const Real* keys = nullptr;
  ConstView values;
  Index rows = 0, panel = 0;

  ColumnPanels keys_of(Index head, Index head_dim) const {
    const Index panels = (rows + panel - 1) / panel, apart = panel * head_dim;
    return {keys + head * panels * apart, apart, rows, head_dim};
  }
  ConstView values_of(Index head) const { return values.row_block(head * rows, (head + 1) * rows); }
};

// attention_forward with the same bits, where Segment::prefix_* are rows of the cache, and the
// batch's own rows follow their prefixes there.
void cached_attention_forward(View out, View lse, ConstView queries, const CachedKeysValues& cached,
                              std::span<const Segment> segments, AttentionShape shape,
                              Precision precision = Precision::kFloat);

}  // namespace minillm

#endif  // LIBMINILLM_OPS_CACHED_ATTENTION_H_
