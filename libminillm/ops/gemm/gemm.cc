#include "libminillm/ops/gemm/gemm.h"

#include <omp.h>

#include "libminillm/core/check.h"
#include "libminillm/ops/gemm/panel.h"
#include "libminillm/ops/gemm/vector.h"

namespace minillm {
namespace {

using gemm::kLanes;
using gemm::Vec;

// The tile of C that one micro-kernel call computes fills the register file: kPanelRows x 2
// accumulators, two registers for a row of B's panel; A's elements are broadcast from memory.
constexpr int kPanelRows = gemm::kVectorRegisters == 32 ? 14 : 6;
constexpr int kPanelCols = 2 * kLanes;
// One panel of B (kBlockK x kPanelCols: 32 KB in float on AVX-512) stays in the first-level cache
// while the panels of A stream past it from the second.
constexpr Index kBlockK = 256;
constexpr Index kBlockRows = 12;    // panels of A packed at a time: 12 * 14 * 256 floats = 172 KB
constexpr Index kBlockCols = 4096;  // columns of B packed at a time
constexpr Index kSmall =
    1 << 15;  // below so many multiply-adds a second thread costs more than it brings

Index div_up(Index a, Index b) { return (a + b - 1) / b; }

// A buffer of this thread that only grows, so that a step allocates nothing once warm.
Real* scratch(Arena& buffer, Index size) {
  if (buffer.size() < size) buffer = Arena(size);
  return buffer.data();
}
thread_local Arena t_packed_a;
thread_local Arena t_packed_b;

// Which way an operand is stored: rows along k, or k down the rows.
enum class Layout { kRowsAlongK, kKDownRows };

// A's panels keep the operand's own layout, so that packing is copying: element (i, k) of a panel
// is at i * kRow + k * kStep. Rows along k lie a few cache lines further apart than kBlockK, so
// that the lines read together do not compete for the same place in the cache.
template <Layout kLayout>
struct PanelA {
  static constexpr Index kRow = kLayout == Layout::kRowsAlongK ? kBlockK + 16 : 1;
  static constexpr Index kStep = kLayout == Layout::kRowsAlongK ? 1 : kPanelRows;
};
constexpr Index kPanelSize = kPanelRows * (kBlockK + 16);  // room for a panel in either layout

// tile [kPanelRows, kPanelCols] = A panel x B panel over `k_size` steps, from zero, in ascending k.
template <Layout kLayout>
inline void multiply_panels(Vec (&tile)[kPanelRows][2], const Real* a, const Real* b,
                            Index k_size) {
  using Panel = PanelA<kLayout>;
#pragma GCC unroll 14
  for (int i = 0; i < kPanelRows; ++i) tile[i][0] = tile[i][1] = Vec{};
#pragma GCC unroll 2
  for (Index k = 0; k < k_size; ++k, a += Panel::kStep, b += kPanelCols) {
    const Vec b0 = gemm::load(b), b1 = gemm::load(b + kLanes);
#pragma GCC unroll 14
    for (int i = 0; i < kPanelRows; ++i) {
      tile[i][0] += b0 * a[i * Panel::kRow];
      tile[i][1] += b1 * a[i * Panel::kRow];
    }
  }
}

// c (a full or partial tile of C) = start + the product of the two panels; `start` may be nothing.
template <Layout kLayout>
void micro_kernel(View c, const Real* a, const Real* b, Index k_size, ConstView start) {
  Vec tile[kPanelRows][2];
  multiply_panels<kLayout>(tile, a, b, k_size);
  if (c.rows == kPanelRows && c.cols == kPanelCols) {
#pragma GCC unroll 14
    for (int i = 0; i < kPanelRows; ++i) {
      Real* to = c.row(i);
      if (start.data != nullptr) {
        tile[i][0] += gemm::load(start.row(i));
        tile[i][1] += gemm::load(start.row(i) + kLanes);
      }
      gemm::store(to, tile[i][0]);
      gemm::store(to + kLanes, tile[i][1]);
    }
    return;
  }
  Real edge[kPanelRows][kPanelCols];
  for (int i = 0; i < kPanelRows; ++i) {
    gemm::store(edge[i], tile[i][0]);
    gemm::store(edge[i] + kLanes, tile[i][1]);
  }
  for (Index i = 0; i < c.rows; ++i) {
    Real* to = c.row(i);
    for (Index j = 0; j < c.cols; ++j)
      to[j] = start.data != nullptr ? start.row(i)[j] + edge[i][j] : edge[i][j];
  }
}

// Copies rows [begin, end) of A for the block [k0, k1); rows beyond the matrix are zero.
template <Layout kLayout>
void pack_a(Real* panel, ConstView a, Index p, Index k0, Index k1) {
  const Index begin = p * kPanelRows;
  if constexpr (kLayout == Layout::kRowsAlongK) {
    for (Index i = 0; i < kPanelRows; ++i) {
      Real* to = panel + i * PanelA<kLayout>::kRow;
      if (begin + i < a.rows)
        std::copy_n(a.row(begin + i) + k0, k1 - k0, to);
      else
        std::fill_n(to, k1 - k0, Real{0});
    }
  } else {
    const Index end = std::min(begin + kPanelRows, a.cols);
    gemm::pack_columns<kPanelRows>(panel, a.row_block(k0, k1).col_block(begin, end));
  }
}

// Packs panel q of B, k-major, for the block [k0, k1).
void pack_b(Real* panel, ConstView b, Layout layout, Index q, Index k0, Index k1) {
  const Index begin = q * kPanelCols;
  if (layout == Layout::kRowsAlongK) {
    const Index end = std::min(begin + kPanelCols, b.rows);
    gemm::pack_rows<kPanelCols>(panel, b.row_block(begin, end).col_block(k0, k1));
  } else {
    const Index end = std::min(begin + kPanelCols, b.cols);
    gemm::pack_columns<kPanelCols>(panel, b.row_block(k0, k1).col_block(begin, end));
  }
}

// The part of C's panel grid that one thread computes.
struct Share {
  Index row_begin, row_end, col_begin, col_end;
};
// Threads divide the rows, or the columns when there are few rows (decoding). Either way the
// numbers are the same.
Share share_of(Index thread, Index threads, Index row_panels, Index col_panels) {
  if (row_panels >= 4 * threads || row_panels >= col_panels)
    return {row_panels * thread / threads, row_panels * (thread + 1) / threads, 0, col_panels};
  return {0, row_panels, col_panels * thread / threads, col_panels * (thread + 1) / threads};
}

// One tile of C: `start` + the product of one panel of A and one of B.
View tile_of(View c, Index p, Index q) {
  return c.row_block(p * kPanelRows, std::min((p + 1) * kPanelRows, c.rows))
      .col_block(q * kPanelCols, std::min((q + 1) * kPanelCols, c.cols));
}
ConstView tile_of(ConstView start, Index p, Index q) {
  if (start.data == nullptr) return start;
  return start.row_block(p * kPanelRows, std::min((p + 1) * kPanelRows, start.rows))
      .col_block(q * kPanelCols, std::min((q + 1) * kPanelCols, start.cols));
}

// One block of k and of B's columns: this thread packs its rows of A, a few panels at a time, and
// multiplies them with B's packed panels. `c` and `start` hold the block's columns only.
template <Layout kLayout>
void multiply_share(View c, ConstView start, ConstView a, const Real* packed_b, Share share,
                    Index k0, Index k1) {
  const Index k_size = k1 - k0;
  Real* packed_a = scratch(t_packed_a, kBlockRows * kPanelSize + kLanes);
  for (Index p0 = share.row_begin; p0 < share.row_end; p0 += kBlockRows) {
    const Index p1 = std::min(p0 + kBlockRows, share.row_end);
    for (Index p = p0; p < p1; ++p) pack_a<kLayout>(packed_a + (p - p0) * kPanelSize, a, p, k0, k1);
    for (Index q = share.col_begin; q < share.col_end; ++q)
      for (Index p = p0; p < p1; ++p)
        micro_kernel<kLayout>(tile_of(c, p, q), packed_a + (p - p0) * kPanelSize,
                              packed_b + q * kPanelCols * k_size, k_size, tile_of(start, p, q));
  }
}

template <Layout kLayoutA>
void product(View c, ConstView start, ConstView a, ConstView b, Layout b_layout, Index k_total) {
  MINILLM_DCHECK(start.data == nullptr || same_shape(start, c));
  if (c.rows == 0 || c.cols == 0) return;
  if (k_total == 0) {
    for (Index i = 0; i < c.rows; ++i)
      for (Index j = 0; j < c.cols; ++j) c(i, j) = start.data != nullptr ? start(i, j) : 0;
    return;
  }
  const bool alone = omp_in_parallel() || c.rows * c.cols * k_total < kSmall;
  const Index row_panels = div_up(c.rows, kPanelRows);
  const Index widest = std::min(kBlockCols, div_up(c.cols, kPanelCols) * kPanelCols);
  Real* packed_b = scratch(t_packed_b, widest * std::min(kBlockK, k_total) + kLanes);

#pragma omp parallel num_threads(alone ? 1 : omp_get_max_threads())
  for (Index n0 = 0; n0 < c.cols; n0 += kBlockCols) {
    const Index n1 = std::min(n0 + kBlockCols, c.cols);
    const Index col_panels = div_up(n1 - n0, kPanelCols);
    const View c_block = c.col_block(n0, n1);
    const ConstView b_block =
        b_layout == Layout::kRowsAlongK ? b.row_block(n0, n1) : b.col_block(n0, n1);
    const Share share =
        share_of(omp_get_thread_num(), omp_get_num_threads(), row_panels, col_panels);
    for (Index k0 = 0; k0 < k_total; k0 += kBlockK) {
      const Index k1 = std::min(k0 + kBlockK, k_total);
#pragma omp for schedule(static)
      for (Index q = 0; q < col_panels; ++q)
        pack_b(packed_b + q * kPanelCols * (k1 - k0), b_block, b_layout, q, k0, k1);
      const ConstView so_far = k0 > 0                  ? ConstView(c_block)
                               : start.data == nullptr ? start
                                                       : start.col_block(n0, n1);
      multiply_share<kLayoutA>(c_block, so_far, a, packed_b, share, k0, k1);
#pragma omp barrier
    }
  }
}

}  // namespace

void gemm_nt(View c, ConstView a, ConstView b, ConstView start) {
  MINILLM_DCHECK(c.rows == a.rows && c.cols == b.rows && a.cols == b.cols);
  product<Layout::kRowsAlongK>(c, start, a, b, Layout::kRowsAlongK, a.cols);
}

void gemm_nn(View c, ConstView a, ConstView b, ConstView start) {
  MINILLM_DCHECK(c.rows == a.rows && c.cols == b.cols && a.cols == b.rows);
  product<Layout::kRowsAlongK>(c, start, a, b, Layout::kKDownRows, a.cols);
}

void gemm_tn(View c, ConstView a, ConstView b, ConstView start) {
  MINILLM_DCHECK(c.rows == a.cols && c.cols == b.cols && a.rows == b.rows);
  product<Layout::kKDownRows>(c, start, a, b, Layout::kKDownRows, a.rows);
}

}  // namespace minillm
