// What attention over the batch's own rows (attention.cc) and over the cache (cached_attention.cc)
// share: tiles of queries, and their softmax.

#ifndef LIBMINILLM_OPS_ATTENTION_TILES_H_
#define LIBMINILLM_OPS_ATTENTION_TILES_H_

#include <algorithm>
#include <cmath>
#include <span>

#include "libminillm/core/check.h"
#include "libminillm/core/token_batch.h"
#include "libminillm/ops/attention.h"
#include "libminillm/ops/elementary.h"  // kSumLanes
#include "libminillm/ops/gemm/gemm.h"

namespace minillm {

inline constexpr Index kQueryTile = 56;  // query rows whose scores exist at once: four panels of 14
inline constexpr Index kScoresSlack = 80;  // columns beyond the positions: whole registers, panels

// Buffers grow in steps, so that decoding does not allocate for every token.
inline Index reserved_positions(Index longest) {
  constexpr Index kStep = 256;
  return (longest + kStep - 1) / kStep * kStep;
}
inline Index longest_of(std::span<const Segment> segments) {
  Index longest = 0;
  for (const Segment& s : segments) longest = std::max(longest, s.prefix_length() + s.length());
  return longest;
}

inline Real score_scale(const AttentionShape& shape) {
  return shape.scale != 0 ? static_cast<Real>(shape.scale)
                          : 1 / std::sqrt(static_cast<Real>(shape.head_dim));
}

// Columns of head h.
template <typename T>
BasicView<T> head_of(BasicView<T> rows, Index h, Index D) {
  if (rows.data == nullptr) return rows;
  return rows.col_block(h * D, (h + 1) * D);
}

// A tile of one segment's query rows: batch rows [begin, end), and how many positions the
// first sees.
struct QueryTile {
  Index begin, end;
  Index first_visible;
  Index rows() const { return end - begin; }
  Index visible(Index i) const { return first_visible + i; }
  Index positions() const { return visible(rows() - 1); }  // that any row of the tile attends to
};

template <typename Body>
void for_query_tiles(const Segment& s, Body&& body) {
  for (Index begin = s.begin; begin < s.end; begin += kQueryTile)
    body(QueryTile{begin, std::min(begin + kQueryTile, s.end),
                   s.prefix_length() + begin - s.begin + 1});
}

// Loops over a row's scores run on to whole lanes: what they write beyond the visible ones is zero,
// or overwritten.
inline Index whole_lanes(Index visible) {
  return (visible + kSumLanes - 1) / kSumLanes * kSumLanes;
}

// Rows for a tile's scores in `buffer`, as wide as whole panels of the keys: those of the first
// `skipped` columns, and then of the tile's positions. REQUIRES in `buffer` kUncopiedStride columns
// or more, and kScoresSlack more than the longest segment has positions.
inline View scores_of(Matrix& buffer, const QueryTile& tile, Index skipped = 0) {
  const Index step = columns_of_panel();
  const Index width = (skipped + tile.positions() + step - 1) / step * step;
  const Index stride =
      width + kSumLanes <= kUncopiedStride ? kUncopiedStride : buffer.view().stride;
  return View(buffer.view().data, tile.rows(), width, stride);
}

// Scores of one tile -> unnormalised probabilities exp(scale s - max) in place, zero beyond what a
// row sees; zeros leave every later sum's bits alone. Writes each row's log-sum-exp; returns its
// factor 1/sum in `inverse`.
void softmax_rows(View scores, const QueryTile& tile, Real scale, Real* inverse, View lse);

inline void scale_rows(View rows, const Real* factors) {
  for (Index i = 0; i < rows.rows; ++i)
    for (Index d = 0; d < rows.cols; ++d) rows(i, d) *= factors[i];
}

}  // namespace minillm

#endif  // LIBMINILLM_OPS_ATTENTION_TILES_H_
