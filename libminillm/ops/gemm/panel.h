// Panels: the packed form in which the micro-kernel reads A and B.
//
// A panel of width W holds W rows of A (or W columns of B) for one block of k, k-major: element (i,
// k) is at panel[k * W + i]. Rows beyond the matrix are zero, so the micro-kernel never looks at
// edges.

#ifndef LIBMINILLM_OPS_GEMM_PANEL_H_
#define LIBMINILLM_OPS_GEMM_PANEL_H_

#include <algorithm>
#include <cstring>

#include "libminillm/core/matrix.h"
#include "libminillm/ops/gemm/vector.h"

namespace minillm::gemm {

// Packs W "long" rows: source.row(i) runs along k. Transposes in registers, tile by tile.
// Writes up to kLanes - 1 elements behind the panel; the next panel's packing overwrites them.
template <int W>
void pack_rows(Real* panel, ConstView source) {
  const Index count = std::min<Index>(W, source.rows), k_size = source.cols;
  Index k = 0;
  for (; k + kLanes <= k_size; k += kLanes) {
    // Right to left, because the last tile may be wider than what is left of W: its overrun is
    // overwritten by the first tile of step k + 1.
    for (int i0 = (W - 1) / kLanes * kLanes; i0 >= 0; i0 -= kLanes) {
      Vec tile[kLanes];
      for (int i = 0; i < kLanes; ++i)
        tile[i] = i0 + i < count ? load(source.row(i0 + i) + k) : Vec{};
      transpose(tile);
      for (int j = 0; j < kLanes; ++j) store(panel + (k + j) * W + i0, tile[j]);
    }
  }
  for (; k < k_size; ++k)
    for (int i = 0; i < W; ++i) panel[k * W + i] = i < count ? source(i, k) : 0;
}

// Copies W elements in pieces of half a register, the last two overlapping where W is no multiple
// of it: a few instructions, where a copy of unknown size is a call.
template <int W>
void copy_row(Real* to, const Real* from) {
  constexpr int kPiece = kLanes / 2;
  static_assert(W >= kPiece);
  for (int i = 0; i + kPiece <= W; i += kPiece)
    std::memcpy(to + i, from + i, kPiece * sizeof(Real));
  if constexpr (W % kPiece != 0)
    std::memcpy(to + W - kPiece, from + W - kPiece, kPiece * sizeof(Real));
}

// Packs W columns of a matrix whose rows run along the panel: source(k, i).
template <int W>
void pack_columns(Real* panel, ConstView source) {
  const Index count = std::min<Index>(W, source.cols);
  if (count == W) {
    for (Index k = 0; k < source.rows; ++k) copy_row<W>(panel + k * W, source.row(k));
    return;
  }
  for (Index k = 0; k < source.rows; ++k) {
    Real* to = panel + k * W;
    std::copy_n(source.row(k), count, to);
    std::fill_n(to + count, W - count, Real{0});
  }
}

}  // namespace minillm::gemm

#endif  // LIBMINILLM_OPS_GEMM_PANEL_H_
