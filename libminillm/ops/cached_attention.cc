#include "libminillm/ops/cached_attention.h"

#include <vector>

#include "libminillm/core/threads.h"
#include "libminillm/ops/attention_tiles.h"

namespace minillm {
namespace {

constexpr Index kHeadsTogether = 4;  // key-value heads whose products are computed at once
constexpr Index kFewRows = 4;        // of a segment, that are computed one by one

// One thread's buffers; they only grow.
struct Scratch {
  Matrix scores;              // [max(kQueryTile, heads together), positions]
  PackedMatrix keys, values;  // where they cannot be read as they are
  std::vector<RowByPanel> products;
  std::vector<Real> inverse;  // of the heads together

  void reserve(Index rows, Index longest) {
    const Index cols = reserved_positions(longest) + kScoresSlack;
    if (scores.rows() < rows || scores.cols() < cols)
      scores = Matrix(std::max(rows, scores.rows()), std::max(cols, scores.cols()));
  }
};
thread_local Scratch t_scratch;

// The keys of a segment's positions. The first need not be the first of its panel: those before it
// there are `skipped`, others' whose scores nobody reads.
struct SegmentKeys {
  ColumnPanels panels;
  Index skipped;
};
SegmentKeys keys_of(const CachedKeysValues& cached, Index k, Index D, const Segment& s) {
  const Index skipped = s.prefix_begin % cached.panel;
  ColumnPanels panels = cached.keys_of(k, D);
  panels.first += s.prefix_begin / cached.panel * panels.apart;
  panels.n = skipped + s.prefix_length() + s.length();
  return {panels, skipped};
}

// Whether rows can be multiplied by the cache as it is: in float, with values of whole panels.
bool reads_in_place(const CachedKeysValues& cached, Index D, Precision precision) {
  return precision != Precision::kBfloat16 && D % cached.panel == 0;
}

// One query row, some heads at once: each of their products alone would wait for its own sums.
void decode_row(View out, View lse, ConstView queries, const CachedKeysValues& cached,
                const Segment& s, Index row, Index k_begin, Index k_end,
                const AttentionShape& shape, Scratch& scratch) {
  const Index D = shape.head_dim, each = shape.heads / shape.kv_heads, panel = cached.panel;
  const Index h_begin = k_begin * each, h_end = k_end * each;
  const QueryTile tile{row, row + 1, s.prefix_length() + row - s.begin + 1};
  std::vector<RowByPanel>& products = scratch.products;
  const auto head_scores = [&](Index h) { return scratch.scores.view().row(h - h_begin); };

  products.clear();
  for (Index h = h_begin; h < h_end; ++h) {
    const SegmentKeys keys = keys_of(cached, h / each, D, s);
    for (Index j = 0; j < keys.skipped + tile.positions(); j += panel)
      products.push_back({head_scores(h) + j, queries.row(row) + h * D,
                          keys.panels.first + j / panel * keys.panels.apart});
  }
  multiply_rows_by_panels(products, D, panel);

  const Index skipped = s.prefix_begin % panel;
  std::vector<Real>& inverse = scratch.inverse;
  inverse.resize(static_cast<size_t>(h_end - h_begin));
  products.clear();
  for (Index h = h_begin; h < h_end; ++h) {
    const View scores(head_scores(h) + skipped, 1, tile.positions());
    softmax_rows(scores, tile, score_scale(shape), &inverse[static_cast<size_t>(h - h_begin)],
                 lse.col_block(h, h + 1));
    const Real* values = cached.values_of(h / each).row(s.prefix_begin);
    for (Index d = 0; d < D; d += panel)
      products.push_back({out.row(row) + h * D + d, scores.data, values + d});
  }
  multiply_rows_by_panels(products, tile.positions(), D);
  for (Index h = h_begin; h < h_end; ++h)
    scale_rows(head_of(out, h, D).row_block(row, row + 1),
               &inverse[static_cast<size_t>(h - h_begin)]);
}

// All rows of a segment, the heads of key-value head k.
void read_segment(View out, View lse, ConstView queries, const CachedKeysValues& cached,
                  const Segment& s, Index k, const AttentionShape& shape, Precision precision,
                  Scratch& scratch) {
  const Index D = shape.head_dim, each = shape.heads / shape.kv_heads;
  const SegmentKeys keys = keys_of(cached, k, D, s);
  const bool rounds = precision == Precision::kBfloat16;
  if (rounds) scratch.keys.pack(keys.panels, precision);
  scratch.values.pack_nn(cached.values_of(k).row_block(s.prefix_begin, s.prefix_end + s.length()),
                         precision);
  for (Index h = k * each; h < (k + 1) * each; ++h)
    for_query_tiles(s, [&](const QueryTile& tile) {
      const View padded = scores_of(scratch.scores, tile, keys.skipped);
      const View scores = padded.col_block(keys.skipped, padded.cols);
      const View out_tile = head_of(out, h, D).row_block(tile.begin, tile.end);
      const ConstView q = head_of(queries, h, D).row_block(tile.begin, tile.end);
      const Causal product{Causal::Of::kProduct, keys.skipped + tile.first_visible};
      if (rounds)
        gemm_packed(padded, q, scratch.keys, {}, product);
      else
        gemm_panels(padded, q, keys.panels, product);
      Real inverse[kQueryTile];
      softmax_rows(scores, tile, score_scale(shape), inverse, lse.col_block(h, h + 1));
      gemm_packed(out_tile, scores.col_block(0, tile.positions()), scratch.values, {},
                  {Causal::Of::kFactor, tile.first_visible});
      scale_rows(out_tile, inverse);
    });
}

}  // namespace

void cached_attention_forward(View out, View lse, ConstView queries, const CachedKeysValues& cached,
                              std::span<const Segment> segments, AttentionShape shape,
                              Precision precision) {
  const Index K = shape.kv_heads, longest = longest_of(segments);
  const Index scores_rows = std::max(kQueryTile, kHeadsTogether * (shape.heads / K));
  const bool in_place = reads_in_place(cached, shape.head_dim, precision);
  for_parts(std::ssize(segments) * K, [&](Index task) {
    const Segment& s = segments[static_cast<size_t>(task / K)];
    const Index k = task % K;
    Scratch& scratch = t_scratch;
    scratch.reserve(scores_rows, longest);
    if (!in_place || s.length() > kFewRows) {
      read_segment(out, lse, queries, cached, s, k, shape, precision, scratch);
    } else if (k % kHeadsTogether == 0) {
      for (Index row = s.begin; row < s.end; ++row)
        decode_row(out, lse, queries, cached, s, row, k, std::min(k + kHeadsTogether, K), shape,
                   scratch);
    }
  });
}

}  // namespace minillm
