#include "libminillm/ops/attention.h"

#include <cmath>
#include <limits>
#include <vector>

#include "libminillm/core/check.h"
#include "libminillm/core/multiversion.h"
#include "libminillm/core/threads.h"
#include "libminillm/ops/attention_tiles.h"
#include "libminillm/ops/elementary.h"
#include "libminillm/ops/gemm/gemm.h"

namespace minillm {
namespace {

// One thread's buffers; they only grow, so a step allocates nothing once warmed up.
struct Scratch {
  Matrix keys, values, dkeys, dvalues;  // [positions, D]
  Matrix scores, dscores;               // [kQueryTile, positions]
  PackedMatrix keys_nt, keys_nn;        // K, packed for q K^T and for dS K
  PackedMatrix values_nt, values_nn;    // V, packed for dO V^T and for P V

  // Room for the longest segment of the batch, whichever thread gets it.
  void reserve(Index longest, Index D) {
    const Index positions = reserved_positions(longest);
    if (keys.rows() < positions || keys.cols() != D)
      for (Matrix* m : {&keys, &values, &dkeys, &dvalues}) *m = Matrix(positions, D);
    if (scores.cols() < positions)
      for (Matrix* m : {&scores, &dscores}) *m = Matrix(kQueryTile, positions + kScoresSlack);
  }
};
thread_local Scratch t_scratch;

// A segment's keys (or values) of one head in order of position: prefix, then own rows. From here
// on nothing knows which was which. Copied to `room` unless they are adjacent in memory already.
ConstView in_order(View room, ConstView own, const Segment& s) {
  const Index P = s.prefix_length();
  if (P == 0) return own.row_block(s.begin, s.end);
  for (Index j = 0; j < P; ++j) std::copy_n(own.row(s.prefix_begin + j), room.cols, room.row(j));
  for (Index j = 0; j < s.length(); ++j)
    std::copy_n(own.row(s.begin + j), room.cols, room.row(P + j));
  return room.row_block(0, P + s.length());
}

// Both, of key-value head k.
KeyValueView in_order(Scratch& scratch, const KeyValueView& own, Index k, Index D,
                      const Segment& s) {
  return {in_order(scratch.keys.view(), head_of(own.keys, k, D), s),
          in_order(scratch.values.view(), head_of(own.values, k, D), s)};
}

void forward_head(View out, View lse, ConstView queries, const Segment& s, Scratch& scratch,
                  Real scale) {
  for_query_tiles(s, [&](const QueryTile& tile) {
    const View scores = scores_of(scratch.scores, tile);
    const ConstView p = scores.col_block(0, tile.positions());
    const View out_tile = out.row_block(tile.begin, tile.end);
    gemm_packed(scores, queries.row_block(tile.begin, tile.end), scratch.keys_nt, {},
                {Causal::Of::kProduct, tile.first_visible});
    Real inverse[kQueryTile];
    softmax_rows(scores, tile, scale, inverse, lse);
    gemm_packed(out_tile, p, scratch.values_nn, {}, {Causal::Of::kFactor, tile.first_visible});
    scale_rows(out_tile, inverse);
  });
}

// Calls body(j) for every j in [0, whole), a multiple of kSumLanes: loops of a constant length are
// vectorised without a tail.
template <typename Body>
void for_lanes(Index whole, Body&& body) {
  for (Index j = 0; j < whole; j += kSumLanes)
    for (int lane = 0; lane < kSumLanes; ++lane) body(j + lane);
}
void zero_lanes(Real* row, Index begin, Index end) {
  for (Index j = begin; j < end; j += kSumLanes) std::fill_n(row + j, kSumLanes, Real{0});
}

// Scores and dP of one tile -> P and dS in place, as derived at backward_head.
MINILLM_MULTIVERSION
void softmax_backward_rows(View scores, View dscores, const QueryTile& tile, Real scale,
                           ConstView lse, ConstView dout, ConstView out) {
  for (Index i = 0; i < tile.rows(); ++i) {
    const Index visible = tile.visible(i), whole = whole_lanes(visible), last = whole - kSumLanes;
    const Real* o = out.row(i);
    const Real* g = dout.row(i);
    const Real delta = lane_sum(out.cols, [&](Index d) { return g[d] * o[d]; });
    const Real row_lse = lse(tile.begin + i, 0);
    Real* __restrict p = scores.row(i);
    Real* __restrict ds = dscores.row(i);
    for_lanes(whole, [&](Index j) {
      p[j] = exp_fast(scale * p[j] - row_lse);
      ds[j] = scale * p[j] * (ds[j] - delta);
    });
    for (Real* row : {p, ds}) {
      keep_first(row + last, visible - last, 0);
      zero_lanes(row, whole, scores.cols);
    }
  }
}

// From P = exp(scale Q K^T - lse) on visible positions, else 0:
//
//   delta = rowsum(dO * O)
//   dV += P^T dO        dP = dO V^T        dS = scale P * (dP - delta)
//   dQ = dS K           dK += dS^T Q
//
// delta is the softmax Jacobian's second term: sum_k P_ik dP_ik equals dO_i . O_i, so P need not be
// kept to compute it. It is what the row's probabilities, summing to one, give back to each other.
void backward_head(View dqueries, ConstView dout, ConstView queries, ConstView out, ConstView lse,
                   const Segment& s, Scratch& scratch, Real scale, Precision precision) {
  for_query_tiles(s, [&](const QueryTile& tile) {
    const Index positions = tile.positions();
    const View scores = scores_of(scratch.scores, tile), dscores = scores_of(scratch.dscores, tile);
    const ConstView q_tile = queries.row_block(tile.begin, tile.end);
    const ConstView do_tile = dout.row_block(tile.begin, tile.end);
    const Causal product{Causal::Of::kProduct, tile.first_visible};
    const Causal factor{Causal::Of::kFactor, tile.first_visible};
    gemm_packed(scores, q_tile, scratch.keys_nt, {}, product);
    gemm_packed(dscores, do_tile, scratch.values_nt, {}, product);
    softmax_backward_rows(scores, dscores, tile, scale, lse, do_tile,
                          out.row_block(tile.begin, tile.end));
    const ConstView p = scores.col_block(0, positions), ds = dscores.col_block(0, positions);
    const View dk = scratch.dkeys.top(positions), dv = scratch.dvalues.top(positions);
    gemm_tn(dv, p, do_tile, dv, precision, factor);
    gemm_tn(dk, ds, q_tile, dk, precision, factor);
    gemm_packed(dqueries.row_block(tile.begin, tile.end), ds, scratch.keys_nn, {}, factor);
  });
}

// Takes the gathered gradient back to where in_order() took the rows from: adds it to the prefix's
// rows, which their own segment has written before, and writes it to the segment's own.
void scatter(View to, ConstView from, const Segment& s) {
  const Index P = s.prefix_length();
  for (Index j = 0; j < P; ++j) {
    Real* sum = to.row(s.prefix_begin + j);
    for (Index d = 0; d < from.cols; ++d) sum[d] += from(j, d);
  }
  for (Index j = P; j < from.rows; ++j)
    std::copy_n(from.row(j), from.cols, to.row(s.begin + j - P));
}

// Segments whose gradients meet (a prefix and all segments that read it) are a group, done in order
// by one thread. Writes each segment's group: the number of the group's first segment.
void find_groups(std::vector<Index>& group, std::span<const Segment> segments) {
  group.resize(segments.size());
  for (size_t s = 0; s < segments.size(); ++s) {
    group[s] = static_cast<Index>(s);
    if (segments[s].prefix_length() == 0) continue;
    const auto holds_prefix = [&](const Segment& other) {
      return other.begin <= segments[s].prefix_begin && segments[s].prefix_end <= other.end;
    };
    const auto owner = std::find_if(segments.begin(), segments.end(), holds_prefix);
    MINILLM_DCHECK(owner < segments.begin() + static_cast<Index>(s));
    group[s] = group[static_cast<size_t>(owner - segments.begin())];
  }
}
thread_local std::vector<Index> t_groups;  // grows only

}  // namespace

MINILLM_MULTIVERSION
void softmax_rows(View scores, const QueryTile& tile, Real scale, Real* inverse, View lse) {
  Real maxima[kQueryTile], sums[kQueryTile];
  for (Index i = 0; i < tile.rows(); ++i) {
    Real* s = scores.row(i);
    const Index visible = tile.visible(i), whole = whole_lanes(visible), last = whole - kSumLanes;
    keep_first(s + last, visible - last, std::numeric_limits<Real>::lowest());
    const Real max = scale * max_of(s, whole);
    for_lanes(whole, [&](Index j) { s[j] = exp_fast(scale * s[j] - max); });
    keep_first(s + last, visible - last, 0);
    zero_lanes(s, whole, scores.cols);
    maxima[i] = max;
    sums[i] = lane_sum(whole, [&](Index j) { return s[j]; });
  }
  for (Index i = 0; i < tile.rows(); ++i) {
    lse(tile.begin + i, 0) = maxima[i] + std::log(sums[i]);
    inverse[i] = 1 / sums[i];
  }
}

// Per thread: keys, values, their gradients, and four packed forms; two tiles of scores.
double attention_scratch_bytes(Index longest, Index head_dim) {
  const Index reals = reserved_positions(longest) * (8 * head_dim + 2 * kQueryTile);
  return static_cast<double>(thread_count() * reals) * sizeof(Real);
}

void attention_forward(View out, View lse, ConstView queries, KeyValueView own,
                       std::span<const Segment> segments, AttentionShape shape,
                       Precision precision) {
  const Index H = shape.heads, K = shape.kv_heads, D = shape.head_dim;
  const Real scale = score_scale(shape);
  const Index tasks = static_cast<Index>(segments.size()) * K, longest = longest_of(segments);
  for_parts(tasks, [&](Index task) {
    const Segment& s = segments[static_cast<size_t>(task / K)];
    const Index k = task % K;
    Scratch& scratch = t_scratch;
    scratch.reserve(longest, D);
    const auto [keys, values] = in_order(scratch, own, k, D, s);
    scratch.keys_nt.pack_nt(keys, precision);
    scratch.values_nn.pack_nn(values, precision);
    for (Index h = k * (H / K); h < (k + 1) * (H / K); ++h)
      forward_head(head_of(out, h, D), lse.col_block(h, h + 1), head_of(queries, h, D), s, scratch,
                   scale);
  });
}

void attention_backward(View dqueries, View dkeys, View dvalues, ConstView dout, ConstView queries,
                        KeyValueView own, ConstView out, ConstView lse,
                        std::span<const Segment> segments, AttentionShape shape,
                        Precision precision) {
  const Index H = shape.heads, K = shape.kv_heads, D = shape.head_dim;
  const Real scale = score_scale(shape);
  find_groups(t_groups, segments);
  const std::span<const Index> groups = t_groups;
  const Index S = static_cast<Index>(segments.size()), longest = longest_of(segments);
  for_parts(S * K, [&](Index task) {
    const Index group = task / K, k = task % K;
    Scratch& scratch = t_scratch;
    for (Index index = group; index < S; ++index) {
      if (groups[static_cast<size_t>(index)] != group) continue;
      const Segment& s = segments[static_cast<size_t>(index)];
      const Index positions = s.prefix_length() + s.length();
      scratch.reserve(longest, D);
      const auto [keys, values] = in_order(scratch, own, k, D, s);
      scratch.keys_nt.pack_nt(keys, precision);
      scratch.keys_nn.pack_nn(keys, precision);
      scratch.values_nt.pack_nt(values, precision);
      fill(scratch.dkeys.top(positions), 0);
      fill(scratch.dvalues.top(positions), 0);
      for (Index h = k * (H / K); h < (k + 1) * (H / K); ++h)
        backward_head(head_of(dqueries, h, D), head_of(dout, h, D), head_of(queries, h, D),
                      head_of(out, h, D), lse.col_block(h, h + 1), s, scratch, scale, precision);
      scatter(head_of(dkeys, k, D), scratch.dkeys.top(positions), s);
      scatter(head_of(dvalues, k, D), scratch.dvalues.top(positions), s);
    }
  });
}

}  // namespace minillm
