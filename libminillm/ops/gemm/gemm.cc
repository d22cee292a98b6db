#include "libminillm/ops/gemm/gemm.h"

#include <iterator>
#include <limits>

#include "libminillm/core/check.h"
#include "libminillm/core/threads.h"
#include "libminillm/ops/gemm/kernels.h"
#include "libminillm/ops/gemm/packing.h"

namespace minillm {
namespace {

using namespace gemm;  // packing.h

constexpr Index kBlockRowPanels = 12;  // panels of A packed at a time: at most 183 KB
constexpr Index kBlockCols = 4096;     // columns of B packed at a time
constexpr Index kPanelSlack = 64;      // words that a kernel may write beyond a panel
static_assert(kUncopiedStride == kRowWords);
constexpr Index kMinPartWork = 1 << 14;  // multiply-adds that are worth claiming a part

thread_local Arena t_packed_a;
thread_local Arena t_packed_b;

// A product: C [m, n] = start + A [m, k] B [k, n].
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

// How the grid is cut into parts that threads claim. The numbers are the same whatever the cut.
struct Parts {
  Index row_panels, col_panels;  // of the grid
  Index down, across;            // parts
  Index count() const { return down * across; }
  TileRange operator[](Index part) const {
    const Index i = part / across, j = part % across;
    return {row_panels * i / down, row_panels * (i + 1) / down, col_panels * j / across,
            col_panels * (j + 1) / across};
  }
};

// Numbers that need no conversion are broadcast from where they are, if rows are as far apart as in
// a panel.
bool reads_a_in_place(const Product& p) {
  return p.kernels.depth == 1 && !p.kernels.rounds &&
         (p.a.layout == Layout::kKDownRows || p.a.matrix.stride == kRowWords);
}

// Several parts for each thread, which even out what the threads can do; of few row panels, so that
// A's stay in the second-level cache. Among such cuts the one that reads least: all of A is read,
// or packed, once for every part across, all of B is read once for every part down. With few rows
// B comes from memory, which is fastest in long stretches: a part for each thread.
Parts parts_of(const Product& p, Index n, Index k, Index threads) {
  const Kernels& kernels = p.kernels;
  const Index parts_per_thread = p.c.rows <= kernels.rows ? 1 : 8;
  // Packing A again costs far more than reading it again: with 1, weight gradients in bf16 were 4
  // to 11 % slower.
  const Index m = p.c.rows, cost_of_a = reads_a_in_place(p) ? 1 : 32;
  const Index row_panels = div_up(m, kernels.rows), col_panels = div_up(n, kernels.cols);
  if (threads == 1) return {row_panels, col_panels, 1, 1};
  const Index wanted = std::clamp(m * n * k / kMinPartWork, Index{1}, parts_per_thread * threads);
  Parts best{};
  Index least = std::numeric_limits<Index>::max();
  for (Index across = 1; across <= std::min(wanted, col_panels); ++across) {
    Index down = std::max(div_up(row_panels, kBlockRowPanels), div_up(wanted, across));
    down = std::min(div_up(down, threads) * threads, row_panels);
    const bool enough = down * across >= wanted || across == col_panels;
    if (const Index read = across * m * cost_of_a + down * n; enough && read < least) {
      least = read;
      best = {row_panels, col_panels, down, across};
    }
  }
  return best;
}

// B's panels for one block.
struct PanelsB {
  const Word* first;
  Index apart;   // words from one panel to the next
  Index b_step;  // words from one k to the next
};

// What multiply_tiles() reads of A after the row panels before p1: the next ones, or the first ones
// of the next block of k.
ConstView next_of_a(const Product& p, const Block& block, const TileRange& tiles, Index p1) {
  const Index rows = p.kernels.rows;
  const auto part = [&](Index begin, Index k0, Index k1) {
    const Index end = std::min(begin + kBlockRowPanels, tiles.row_end);
    return p.a.part(begin * rows, std::min(end * rows, p.c.rows), k0, k1);
  };
  if (p1 < tiles.row_end) return part(p1, block.k0, block.k1);
  const Index k1 = std::min(block.k1 + p.kernels.block_k(), p.k);
  return part(tiles.row_begin, block.k1, k1);
}

// Fetches what will be read of A next into the second-level cache, a few lines at a time: packing
// and the first tiles would wait for memory otherwise.
class FetchAhead {
 public:
  // In `times` steps. `part` may be empty.
  FetchAhead(ConstView part, Index times)
      : part_(part), lines_(div_up(part.cols, kLine)), each_(div_up(part.rows * lines_, times)) {}
  void step() {
    for (Index i = 0; i < each_ && row_ < part_.rows; ++i) {
#if defined(__GNUC__)
      __builtin_prefetch(part_.row(row_) + line_ * kLine, 0, 2);
#endif
      if (++line_ == lines_) line_ = 0, ++row_;
    }
  }

 private:
  static constexpr Index kLine = 64 / sizeof(Real);
  ConstView part_;
  Index lines_, each_, row_ = 0, line_ = 0;
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
  const bool unpacked = reads_a_in_place(p);
  Word* panels_a = nullptr;
  if (!unpacked)
    panels_a = at_least(t_packed_a, kBlockRowPanels * kernels.panel_a_words() + kPanelSlack);
  for (Index p0 = tiles.row_begin; p0 < tiles.row_end; p0 += kBlockRowPanels) {
    const Index p1 = std::min(p0 + kBlockRowPanels, tiles.row_end);
    if (!unpacked) pack_a(panels_a, kernels, p.a, c.rows, p0, p1, block.k0, block.k1, p.causal);
    FetchAhead ahead(along_k ? next_of_a(p, block, tiles, p1) : ConstView(),
                     (p1 - p0) * (tiles.col_end - tiles.col_begin));
    for (Index q = tiles.col_begin; q < tiles.col_end; ++q) {
      const Index j = q * kernels.cols;
      Kernels::Tile tile{c.data, c.stride, start.data, start.stride, 0, 0, b.b_step, kernels.rows};
      tile.col_count = std::min(kernels.cols, c.cols - j);
      if (unpacked && !along_k) tile.a_step = p.a.matrix.stride;
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
        const Word* a = !unpacked ? panels_a + (panel - p0) * kernels.panel_a_words() +
                                        (along_k ? 0 : skipped * kernels.rows)
                        : along_k ? p.a.matrix.row(i) + k.begin
                                  : p.a.matrix.row(k.begin) + i;
        ahead.step();
        multiply(tile, a, b.first + q * b.apart + skipped * b.b_step,
                 kernels.words(k.end - k.begin));
      }
    }
  }
}

// With few rows, packing B does not pay if it can be read in place: whole panels of columns, one
// number per word.
bool can_read_in_place(const Kernels& kernels, View c, const Factor& b) {
  return !b.is_packed() && !b.narrow.is_narrow() && b.layout == Layout::kKDownRows &&
         kernels.depth == 1 && !kernels.rounds && c.rows <= 2 * kernels.rows &&
         c.cols % kernels.cols == 0;
}

// Where the panels of the block of k that begins at k0 are packed, of all that `group` spans.
Word* packed_panels(const Product& p, const Block& group, Index k0) {
  const Index padded_n = div_up(group.n1 - group.n0, p.kernels.cols) * p.kernels.cols;
  return p.packed_b + padded_n * p.kernels.words(k0 - group.k0);
}

// Packs B's panels for every block of k in the group.
void pack_group(const Product& p, const Block& group, bool alone) {
  const Index col_panels = div_up(group.n1 - group.n0, p.kernels.cols);
  const Index q0 = group.n0 / p.kernels.cols;
  for_ranges(col_panels, !alone, [&](Index begin, Index end) {
    for (Index k0 = group.k0; k0 < group.k1; k0 += p.kernels.block_k()) {
      const Index k1 = std::min(k0 + p.kernels.block_k(), group.k1);
      Word* to = packed_panels(p, group, k0) + begin * p.kernels.panel_b_words(k1 - k0);
      pack_b(to, p.kernels, p.b, p.c.cols, q0 + begin, q0 + end, k0, k1);
    }
  });
}

// Adds to these tiles of C, for every block of k in the group in turn.
void multiply_part(const Product& p, const Block& group, const TileRange& tiles) {
  for (Index k0 = group.k0; k0 < group.k1; k0 += p.kernels.block_k()) {
    const Index k1 = std::min(k0 + p.kernels.block_k(), group.k1);
    PanelsB panels{nullptr, p.kernels.panel_b_words(k1 - k0), p.kernels.b_step};
    if (p.packed_b != nullptr)
      panels.first = packed_panels(p, group, k0);
    else if (p.reads_b_in_place)
      panels = {p.b.matrix.row(k0) + group.n0, p.kernels.cols, p.b.matrix.stride};
    else if (p.b.panels != nullptr)
      panels = {
          p.b.panels->first + group.n0 / p.kernels.cols * p.b.panels->apart + k0 * p.kernels.cols,
          p.b.panels->apart, p.kernels.cols};
    else
      panels = {p.b.packed->panels(k0, group.n0), p.b.packed->panel_words(k0), p.kernels.b_step};
    multiply_tiles(p, {group.n0, group.n1, k0, k1}, tiles, panels);
  }
}

void multiply_group(const Product& p, const Block& group, bool alone) {
  const Parts parts =
      parts_of(p, group.n1 - group.n0, group.k1 - group.k0, alone ? 1 : threads_here());
  for_parts(parts.count(), [&](Index part) { multiply_part(p, group, parts[part]); });
}

// REQUIRES kernels without scales (not int8) unless B is packed.
void product(const Kernels& kernels, View c, ConstView start, const Factor& a, const Factor& b,
             Index k, const Causal& causal = {}) {
  MINILLM_DCHECK(start.data == nullptr || same_shape(start, c));
  MINILLM_DCHECK(b.is_packed() || kernels.scale_words == 0);
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
  if (!b.is_packed() && !p.reads_b_in_place)
    p.packed_b = at_least(t_packed_b, widest * std::min(packed_words, kernels.words(k)));
  const bool alone = c.rows * c.cols * k < kMinParallelWork;
  for (Index n0 = 0; n0 < c.cols; n0 += kBlockCols) {
    const Index n1 = std::min(n0 + kBlockCols, c.cols);
    for (Index k0 = 0; k0 < k; k0 += p.packed_k) {
      const Block group{n0, n1, k0, std::min(k0 + p.packed_k, k)};
      if (p.packed_b != nullptr) pack_group(p, group, alone);
      multiply_group(p, group, alone);
    }
  }
}

}  // namespace

double gemm_scratch_bytes(double largest) {
  const Kernels& kernels = gemm::kernels(Precision::kFloat);
  const Index panels_a = kBlockRowPanels * kernels.panel_a_words() + kPanelSlack;
  // B is packed once, for all threads.
  const double panels_b = std::min<double>(largest, kBlockCols * gemm::kBlockWords);
  return (static_cast<double>(thread_count() * panels_a) + panels_b) * sizeof(Word);
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

void gemm_panels(View c, ConstView a, const ColumnPanels& b, Causal causal) {
  const Kernels& kernels = gemm::kernels(Precision::kFloat);
  MINILLM_DCHECK(c.rows == a.rows && c.cols <= div_up(b.n, kernels.cols) * kernels.cols &&
                 a.cols <= b.k);
  product(kernels, c, {}, {a, Layout::kRowsAlongK}, Factor(b), a.cols, causal);
}

void multiply_rows_by_panels(std::span<const RowByPanel> products, Index k, Index b_step) {
  const Kernels& kernels = gemm::kernels(Precision::kFloat);
  Kernels::Single singles[Kernels::kSingles];
  for (size_t first = 0; first < products.size(); first += std::size(singles)) {
    const size_t count = std::min(products.size() - first, std::size(singles));
    for (Index k0 = 0; k0 < k; k0 += kernels.block_k()) {
      for (size_t i = 0; i < count; ++i) {
        const RowByPanel& product = products[first + i];
        singles[i] = {product.c, product.a + k0, product.b + k0 * b_step};
      }
      kernels.multiply_singles(singles, static_cast<Index>(count), b_step,
                               std::min(kernels.block_k(), k - k0), k0 > 0);
    }
  }
}

}  // namespace minillm
