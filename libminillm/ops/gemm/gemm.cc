#include "libminillm/ops/gemm/gemm.h"

#include <omp.h>

#include "libminillm/core/check.h"
#include "libminillm/ops/gemm/kernels.h"

namespace minillm {
namespace {

using gemm::Kernels;
using gemm::Word;

constexpr Index kBlockRowPanels = 12;  // panels of A packed at a time: at most 183 KB
constexpr Index kBlockCols = 4096;     // columns of B packed at a time
// With fewer multiply-adds than this, a second thread costs more than it saves.
constexpr Index kMinParallelWork = 1 << 15;
constexpr Index kPanelSlack = 64;  // words that a kernel may write beyond a panel

Index div_up(Index a, Index b) { return (a + b - 1) / b; }

// A buffer that only grows, so that a step allocates nothing once warmed up.
Word* at_least(Arena& buffer, Index size) {
  if (buffer.size() < size) buffer = Arena(size);
  return buffer.data();
}
thread_local Arena t_packed_a;
thread_local Arena t_packed_b;

// Which way an operand is stored: rows along k, or k down the rows.
enum class Layout { kRowsAlongK, kKDownRows };

// A factor: where it is, or, for B, the panels it has been packed into.
struct Factor {
  ConstView matrix;
  Layout layout = Layout::kRowsAlongK;
  const PackedMatrix* packed = nullptr;

  // The part of the matrix for rows or columns [begin, end) of the product and [k0, k1).
  ConstView part(Index begin, Index end, Index k0, Index k1) const {
    return layout == Layout::kRowsAlongK ? matrix.row_block(begin, end).col_block(k0, k1)
                                         : matrix.row_block(k0, k1).col_block(begin, end);
  }
};

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

// The part of [k0, k1) where rows [i0, i1) of A are not masked to zero. The front is cut at
// multiples of `depth` only.
struct KRange {
  Index begin, end;
};
KRange unmasked(const Factor& a, const Causal& causal, Index i0, Index i1, Index k0, Index k1,
                Index depth) {
  if (causal.of != Causal::Of::kFactor) return {k0, k1};
  if (a.layout == Layout::kRowsAlongK)  // the last row sees the most
    return {k0, std::max(k0, std::min(k1, causal.visible + i1 - 1))};
  // Position i0 is seen from query i0 - visible + 1 on.
  const Index skipped = std::clamp<Index>(i0 - causal.visible + 1 - k0, 0, k1 - k0);
  return {k0 + skipped / depth * depth, k1};
}

// Panels [p0, p1) of A.
void pack_a(Word* to, const Kernels& kernels, const Factor& a, Index m, Index p0, Index p1,
            Index k0, Index k1, const Causal& causal) {
  const Index begin = p0 * kernels.rows, end = std::min(p1 * kernels.rows, m);
  const ConstView part = a.part(begin, end, k0, k1);
  if (a.layout == Layout::kKDownRows) {
    kernels.pack_a_columns(to, kernels.panel_a_words(), part.data, part.stride, end - begin,
                           k1 - k0);
    return;
  }
  for (Index i = 0; i < part.rows; i += kernels.rows, to += kernels.panel_a_words()) {
    const Index count = std::min(kernels.rows, part.rows - i);
    const KRange k = unmasked(a, causal, begin + i, begin + i + count, k0, k1, kernels.depth);
    kernels.pack_a_rows(to, part.row(i), part.stride, count, k.end - k0);
  }
}

// Panels [q0, q1) of B, of which `to` is the first.
void pack_b(Word* to, const Kernels& kernels, const Factor& b, Index n, Index q0, Index q1,
            Index k0, Index k1) {
  const Index begin = q0 * kernels.cols, end = std::min(q1 * kernels.cols, n);
  if (begin >= end) return;
  const ConstView part = b.part(begin, end, k0, k1);
  const Index panel_words = kernels.panel_b_words(k1 - k0);
  if (b.layout == Layout::kKDownRows) {
    kernels.pack_b_columns(to, panel_words, part.data, part.stride, end - begin, k1 - k0);
    return;
  }
  for (Index j = 0; j < part.rows; j += kernels.cols, to += panel_words)
    kernels.pack_b_rows(to, part.row(j), part.stride, std::min(kernels.cols, part.rows - j),
                        k1 - k0);
}

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
  return b.packed == nullptr && b.layout == Layout::kKDownRows && kernels.depth == 1 &&
         !kernels.rounds && c.rows <= 2 * kernels.rows && c.cols % kernels.cols == 0;
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

// PackedMatrix has its blocks of k one after another, each with the panels of all columns: words
// before the block that begins at k0, or in all blocks for k0 = k.
Index words_before(const Kernels& kernels, Index n, Index k0) {
  const Index blocks = k0 / kernels.block_k(), rest = k0 - blocks * kernels.block_k();
  const Index words = blocks * kernels.panel_b_words(kernels.block_k()) +
                      (rest > 0 ? kernels.panel_b_words(rest) : 0);
  return div_up(n, kernels.cols) * words;
}

void pack_all(Arena& words, const Kernels& kernels, const Factor& b, Index n, Index k) {
  const Index col_panels = div_up(n, kernels.cols);
  Word* to = at_least(words, words_before(kernels, n, k));
  const bool alone = omp_in_parallel() || n * k < kMinParallelWork;
#pragma omp parallel for schedule(static) num_threads(alone ? 1 : omp_get_max_threads())
  for (Index q = 0; q < col_panels; ++q)
    for (Index k0 = 0; k0 < k; k0 += kernels.block_k()) {
      const Index k1 = std::min(k0 + kernels.block_k(), k);
      pack_b(to + words_before(kernels, n, k0) + q * kernels.panel_b_words(k1 - k0), kernels, b, n,
             q, q + 1, k0, k1);
    }
}

}  // namespace

double gemm_scratch_bytes(double largest) {
  const Kernels& kernels = gemm::kernels(Precision::kFloat);
  const Index panels_a = kBlockRowPanels * kernels.panel_a_words() + kPanelSlack;
  // B is packed once, for all threads.
  const double panels_b = std::min<double>(largest, kBlockCols * gemm::kBlockWords);
  return (static_cast<double>(omp_get_max_threads() * panels_a) + panels_b) * sizeof(Word);
}

void gemm_nt(View c, ConstView a, ConstView b, ConstView start, Precision precision) {
  MINILLM_DCHECK(c.rows == a.rows && c.cols == b.rows && a.cols == b.cols);
  product(gemm::kernels(precision), c, start, {a, Layout::kRowsAlongK}, {b, Layout::kRowsAlongK},
          a.cols);
}

void gemm_nn(View c, ConstView a, ConstView b, ConstView start, Precision precision) {
  MINILLM_DCHECK(c.rows == a.rows && c.cols == b.cols && a.cols == b.rows);
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
  product(b.kernels(), c, start, {a, Layout::kRowsAlongK}, {{}, Layout::kRowsAlongK, &b}, a.cols,
          causal);
}

Index PackedMatrix::panel_cols() const { return kernels_->cols; }
Index PackedMatrix::padded_n() const { return div_up(n_, panel_cols()) * panel_cols(); }

const Word* PackedMatrix::panels(Index k0, Index column) const {
  return words_.data() + words_before(*kernels_, n_, k0) + column / panel_cols() * panel_words(k0);
}
Index PackedMatrix::panel_words(Index k0) const {
  return kernels_->panel_b_words(std::min(kernels_->block_k(), k_ - k0));
}

void PackedMatrix::pack_nt(ConstView b, Precision precision) {
  kernels_ = &gemm::kernels(precision), n_ = b.rows, k_ = b.cols;
  pack_all(words_, *kernels_, {b, Layout::kRowsAlongK}, n_, k_);
}

void PackedMatrix::pack_nn(ConstView b, Precision precision) {
  kernels_ = &gemm::kernels(precision), n_ = b.cols, k_ = b.rows;
  pack_all(words_, *kernels_, {b, Layout::kKDownRows}, n_, k_);
}

}  // namespace minillm
