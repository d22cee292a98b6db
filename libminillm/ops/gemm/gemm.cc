#include "libminillm/ops/gemm/gemm.h"

#include <omp.h>

#include "libminillm/core/check.h"
#include "libminillm/ops/gemm/kernels.h"
#include "libminillm/ops/gemm/packing.h"

namespace minillm {
namespace {

using namespace gemm;  // packing.h

constexpr Index kBlockRowPanels = 12;  // panels of A packed at a time: at most 183 KB
constexpr Index kBlockCols = 4096;     // columns of B packed at a time
constexpr Index kPanelSlack = 64;      // words that a kernel may write beyond a panel

thread_local Arena t_packed_a;
thread_local Arena t_packed_b;

// A product as all its threads see it: C [m, n] = start + A [m, k] B [k, n].
struct Product {
  const Kernels& kernels;
  View c;
  ConstView start;  // without data: zero
  const Factor& a;
  const Factor& b;
  Index k;
  const Causal& causal;

  bool reads_b_in_place = false;
  Word* packed_b = nullptr;  // room for B's panels, if the product packs them itself
  Index packed_k = 0;        // how much of k is packed at a time
};

// Columns [n0, n1) of C, and the part [k0, k1) of the sum.
struct Block {
  Index n0, n1, k0, k1;
};

// A part of the grid of C's tiles.
struct TileRange {
  Index row_begin, row_end, col_begin, col_end;
};
// One thread's tiles. Threads divide the rows, or the columns if there are few rows (decoding). The
// numbers are the same either way.
TileRange tiles_of(Index thread, Index threads, Index row_panels, Index col_panels) {
  if (row_panels >= 4 * threads || row_panels >= col_panels)
    return {row_panels * thread / threads, row_panels * (thread + 1) / threads, 0, col_panels};
  return {0, row_panels, col_panels * thread / threads, col_panels * (thread + 1) / threads};
}

// B's panels for one block.
struct PanelsB {
  const Word* first;
  Index apart;   // words from one panel to the next
  Index b_step;  // words from one k to the next
};

// Packs these tiles' rows of A, a few panels at a time, and multiplies them by B's panels. One of
// those stays in the first-level cache while A's stream past it from the second.
void multiply_tiles(const Product& p, const Block& block, const TileRange& tiles,
                    const PanelsB& b) {
  const Kernels& kernels = p.kernels;
  const View c = p.c.col_block(block.n0, block.n1);
  ConstView start = c;
  if (block.k0 == 0)
    start = p.start.data == nullptr ? p.start : p.start.col_block(block.n0, block.n1);
  const bool along_k = p.a.layout == Layout::kRowsAlongK;
  const auto multiply = along_k ? kernels.multiply_rows : kernels.multiply_columns;
  // Columns that need no conversion are broadcast from where they are.
  const bool unpacked = !along_k && kernels.depth == 1 && !kernels.rounds;
  Word* panels_a = nullptr;
  if (!unpacked)
    panels_a = at_least(t_packed_a, kBlockRowPanels * kernels.panel_a_words() + kPanelSlack);
  for (Index p0 = tiles.row_begin; p0 < tiles.row_end; p0 += kBlockRowPanels) {
    const Index p1 = std::min(p0 + kBlockRowPanels, tiles.row_end);
    if (!unpacked) pack_a(panels_a, kernels, p.a, c.rows, p0, p1, block.k0, block.k1, p.causal);
    for (Index q = tiles.col_begin; q < tiles.col_end; ++q) {
      const Index j = q * kernels.cols;
      Kernels::Tile tile{c.data, c.stride, start.data, start.stride, 0, 0, b.b_step, kernels.rows};
      tile.col_count = std::min(kernels.cols, c.cols - j);
      if (unpacked) tile.a_step = p.a.matrix.stride;
      for (Index panel = p0; panel < p1; ++panel) {
        const Index i = panel * kernels.rows;
        tile.row_count = std::min(kernels.rows, c.rows - i);
        if (p.causal.of == Causal::Of::kProduct && j >= p.causal.visible + i + tile.row_count - 1)
          continue;
        const KRange k =
            unmasked(p.a, p.causal, i, i + tile.row_count, block.k0, block.k1, kernels.depth);
        tile.c = c.row(i) + j;
        if (start.data != nullptr) tile.start = start.row(i) + j;
        const Index skipped = kernels.words(k.begin - block.k0);
        const Word* a = unpacked ? p.a.matrix.row(k.begin) + i
                                 : panels_a + (panel - p0) * kernels.panel_a_words() +
                                       (along_k ? 0 : skipped * kernels.rows);
        multiply(tile, a, b.first + q * b.apart + skipped * b.b_step,
                 kernels.words(k.end - k.begin));
      }
    }
  }
}

// A thread alone must not wait: it may be in a team of an outer region.
void wait_for_all(Index threads) {
  if (threads > 1) {
#pragma omp barrier
  }
}

// With few rows, packing B does not pay if it can be read in place: whole panels of columns, one
// number per word.
bool can_read_in_place(const Kernels& kernels, View c, const Factor& b) {
  return b.packed == nullptr && !b.narrow.is_narrow() && b.layout == Layout::kKDownRows &&
         kernels.depth == 1 && !kernels.rounds && c.rows <= 2 * kernels.rows &&
         c.cols % kernels.cols == 0;
}

// Where the panels of the block of k that begins at k0 are packed, of all that `group` spans.
Word* packed_panels(const Product& p, const Block& group, Index k0) {
  const Index padded_n = div_up(group.n1 - group.n0, p.kernels.cols) * p.kernels.cols;
  return p.packed_b + padded_n * p.kernels.words(k0 - group.k0);
}

// Packs this thread's part of B's panels for every block of k in the group.
void pack_group(const Product& p, const Block& group, Index thread, Index threads) {
  const Index col_panels = div_up(group.n1 - group.n0, p.kernels.cols);
  const Index begin = col_panels * thread / threads, end = col_panels * (thread + 1) / threads;
  const Index q0 = group.n0 / p.kernels.cols;
  for (Index k0 = group.k0; k0 < group.k1; k0 += p.kernels.block_k()) {
    const Index k1 = std::min(k0 + p.kernels.block_k(), group.k1);
    Word* to = packed_panels(p, group, k0) + begin * p.kernels.panel_b_words(k1 - k0);
    pack_b(to, p.kernels, p.b, p.c.cols, q0 + begin, q0 + end, k0, k1);
  }
}

// Adds to this thread's tiles of C, for every block of k in the group in turn.
void multiply_group(const Product& p, const Block& group, Index thread, Index threads) {
  const TileRange tiles = tiles_of(thread, threads, div_up(p.c.rows, p.kernels.rows),
                                   div_up(group.n1 - group.n0, p.kernels.cols));
  for (Index k0 = group.k0; k0 < group.k1; k0 += p.kernels.block_k()) {
    const Index k1 = std::min(k0 + p.kernels.block_k(), group.k1);
    PanelsB panels{nullptr, p.kernels.panel_b_words(k1 - k0), p.kernels.b_step};
    if (p.packed_b != nullptr)
      panels.first = packed_panels(p, group, k0);
    else if (p.reads_b_in_place)
      panels = {p.b.matrix.row(k0) + group.n0, p.kernels.cols, p.b.matrix.stride};
    else
      panels = {p.b.packed->panels(k0, group.n0), p.b.packed->panel_words(k0), p.kernels.b_step};
    multiply_tiles(p, {group.n0, group.n1, k0, k1}, tiles, panels);
  }
}

// One thread's part of the product.
void compute_part(const Product& p, Index thread, Index threads) {
  for (Index n0 = 0; n0 < p.c.cols; n0 += kBlockCols) {
    const Index n1 = std::min(n0 + kBlockCols, p.c.cols);
    for (Index k0 = 0; k0 < p.k; k0 += p.packed_k) {
      const Block group{n0, n1, k0, std::min(k0 + p.packed_k, p.k)};
      if (p.packed_b != nullptr) {
        pack_group(p, group, thread, threads);
        wait_for_all(threads);
      }
      multiply_group(p, group, thread, threads);
      if (p.packed_b != nullptr) wait_for_all(threads);
    }
  }
}

// REQUIRES kernels without scales (not int8) unless B is packed.
void product(const Kernels& kernels, View c, ConstView start, const Factor& a, const Factor& b,
             Index k, const Causal& causal = {}) {
  MINILLM_DCHECK(start.data == nullptr || same_shape(start, c));
  MINILLM_DCHECK(b.packed != nullptr || kernels.scale_words == 0);
  if (c.rows == 0 || c.cols == 0) return;
  if (k == 0) {
    for (Index i = 0; i < c.rows; ++i)
      for (Index j = 0; j < c.cols; ++j) c(i, j) = start.data != nullptr ? start(i, j) : 0;
    return;
  }
  Product p{kernels, c, start, a, b, k, causal};
  p.reads_b_in_place = can_read_in_place(kernels, c, b);
  // As many blocks of k are packed at a time as take no more room than one block of the widest C:
  // the threads then wait for each other once for all of them.
  const Index widest = std::min(kBlockCols, div_up(c.cols, kernels.cols) * kernels.cols);
  const Index packed_words = std::max<Index>(1, kBlockCols / widest) * gemm::kBlockWords;
  p.packed_k = packed_words * kernels.depth;
  if (b.packed == nullptr && !p.reads_b_in_place)
    p.packed_b = at_least(t_packed_b, widest * std::min(packed_words, kernels.words(k)));
  if (omp_in_parallel() || c.rows * c.cols * k < kMinParallelWork) {
    compute_part(p, 0, 1);
    return;
  }
#pragma omp parallel
  compute_part(p, omp_get_thread_num(), omp_get_num_threads());
}

}  // namespace

double gemm_scratch_bytes(double largest) {
  const Kernels& kernels = gemm::kernels(Precision::kFloat);
  const Index panels_a = kBlockRowPanels * kernels.panel_a_words() + kPanelSlack;
  // B is packed once, for all threads.
  const double panels_b = std::min<double>(largest, kBlockCols * gemm::kBlockWords);
  return (static_cast<double>(omp_get_max_threads() * panels_a) + panels_b) * sizeof(Word);
}

void gemm_nt(View c, ConstView a, const StoredMatrix& b, ConstView start, Precision precision) {
  MINILLM_DCHECK(c.rows == a.rows && c.cols == b.rows() && a.cols == b.cols());
  product(gemm::kernels(precision), c, start, {a, Layout::kRowsAlongK}, {b, Layout::kRowsAlongK},
          a.cols);
}

void gemm_nn(View c, ConstView a, const StoredMatrix& b, ConstView start, Precision precision) {
  MINILLM_DCHECK(c.rows == a.rows && c.cols == b.cols() && a.cols == b.rows());
  product(gemm::kernels(precision), c, start, {a, Layout::kRowsAlongK}, {b, Layout::kKDownRows},
          a.cols);
}

void gemm_tn(View c, ConstView a, ConstView b, ConstView start, Precision precision,
             Causal causal) {
  MINILLM_DCHECK(c.rows == a.cols && c.cols == b.cols && a.rows == b.rows);
  product(gemm::kernels(precision), c, start, {a, Layout::kKDownRows}, {b, Layout::kKDownRows},
          a.rows, causal);
}

void gemm_packed(View c, ConstView a, const PackedMatrix& b, ConstView start, Causal causal) {
  MINILLM_DCHECK(c.rows == a.rows && c.cols <= b.padded_n() && a.cols <= b.k());
  product(b.kernels(), c, start, {a, Layout::kRowsAlongK}, Factor(b), a.cols, causal);
}

}  // namespace minillm
