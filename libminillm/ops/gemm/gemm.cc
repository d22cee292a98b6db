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
// Below so many multiply-adds a second thread costs more than it brings.
constexpr Index kSmall = 1 << 15;
constexpr Index kSlack = 64;  // words that a kernel may write behind a panel

Index div_up(Index a, Index b) { return (a + b - 1) / b; }

// A buffer that only grows, so that a step allocates nothing once warm.
Word* at_least(Arena& buffer, Index size) {
  if (buffer.size() < size) buffer = Arena(size);
  return buffer.data();
}
thread_local Arena t_packed_a;
thread_local Arena t_packed_b;

// Which way an operand is stored: rows along k, or k down the rows.
enum class Layout { kRowsAlongK, kKDownRows };

// A factor: where it is, or, for B, the panels it was packed into.
struct Factor {
  ConstView matrix;
  Layout layout = Layout::kRowsAlongK;
  const PackedMatrix* packed = nullptr;

  // The part of the matrix for [begin, end) of the product's rows or columns, and [k0, k1).
  ConstView part(Index begin, Index end, Index k0, Index k1) const {
    return layout == Layout::kRowsAlongK ? matrix.row_block(begin, end).col_block(k0, k1)
                                         : matrix.row_block(k0, k1).col_block(begin, end);
  }
};

// The part of [k0, k1) where rows [i0, i1) of A are not zero for being masked. Cut in front at
// multiples of `depth` only.
struct Range {
  Index begin, end;
};
Range unmasked(const Factor& a, const Causal& causal, Index i0, Index i1, Index k0, Index k1,
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
    const Range k = unmasked(a, causal, begin + i, begin + i + count, k0, k1, kernels.depth);
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

// The part of C's grid of tiles that one thread computes.
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

// B's panels for one block of k and of columns.
struct PanelsB {
  const Word* first;
  Index apart;   // words from one panel to the next
  Index b_step;  // words from one k to the next
};

// One block of k and of B's columns: this thread packs its rows of A, a few panels at a time, and
// multiplies them with B's panels. One of those stays in the first-level cache while A's stream
// past it from the second. `c` and `start` hold the block's columns only.
void multiply_share(const Kernels& kernels, View c, ConstView start, const Factor& a,
                    const PanelsB& b, const Share& share, Index k0, Index k1,
                    const Causal& causal) {
  const bool along_k = a.layout == Layout::kRowsAlongK;
  const auto multiply = along_k ? kernels.multiply_rows : kernels.multiply_columns;
  // Columns that need no conversion are broadcast from where they lie.
  const bool unpacked = !along_k && kernels.depth == 1 && !kernels.rounds;
  Word* panels_a = nullptr;
  if (!unpacked)
    panels_a = at_least(t_packed_a, kBlockRowPanels * kernels.panel_a_words() + kSlack);
  for (Index p0 = share.row_begin; p0 < share.row_end; p0 += kBlockRowPanels) {
    const Index p1 = std::min(p0 + kBlockRowPanels, share.row_end);
    if (!unpacked) pack_a(panels_a, kernels, a, c.rows, p0, p1, k0, k1, causal);
    for (Index q = share.col_begin; q < share.col_end; ++q) {
      const Index j = q * kernels.cols;
      Kernels::Tile tile{c.data, c.stride, start.data, start.stride, 0, 0, b.b_step, kernels.rows};
      tile.col_count = std::min(kernels.cols, c.cols - j);
      if (unpacked) tile.a_step = a.matrix.stride;
      for (Index p = p0; p < p1; ++p) {
        const Index i = p * kernels.rows;
        tile.row_count = std::min(kernels.rows, c.rows - i);
        if (causal.of == Causal::Of::kProduct && j >= causal.visible + i + tile.row_count - 1)
          continue;
        const Range k = unmasked(a, causal, i, i + tile.row_count, k0, k1, kernels.depth);
        tile.c = c.row(i) + j;
        if (start.data != nullptr) tile.start = start.row(i) + j;
        const Index skipped = kernels.words(k.begin - k0);
        const Word* panel = unpacked ? a.matrix.row(k.begin) + i
                                     : panels_a + (p - p0) * kernels.panel_a_words() +
                                           (along_k ? 0 : skipped * kernels.rows);
        multiply(tile, panel, b.first + q * b.apart + skipped * b.b_step,
                 kernels.words(k.end - k.begin));
      }
    }
  }
}

ConstView columns_of(ConstView start, Index n0, Index n1) {
  return start.data == nullptr ? start : start.col_block(n0, n1);
}

// A thread alone must not wait: around it may be a team of another region.
void wait_for_all(Index threads) {
  if (threads > 1) {
#pragma omp barrier
  }
}

// Few rows do not pay for packing B, where it can be read as it lies: whole panels of columns, one
// number a word.
bool reads_unpacked(const Kernels& kernels, View c, const Factor& b) {
  return b.packed == nullptr && b.layout == Layout::kKDownRows && kernels.depth == 1 &&
         !kernels.rounds && c.rows <= 2 * kernels.rows && c.cols % kernels.cols == 0;
}

// REQUIRES kernels without scales (not int8) unless B is packed.
void product(const Kernels& kernels, View c, ConstView start, const Factor& a, const Factor& b,
             Index k_total, const Causal& causal = {}) {
  MINILLM_DCHECK(start.data == nullptr || same_shape(start, c));
  MINILLM_DCHECK(b.packed != nullptr || kernels.scale_words == 0);
  if (c.rows == 0 || c.cols == 0) return;
  if (k_total == 0) {
    for (Index i = 0; i < c.rows; ++i)
      for (Index j = 0; j < c.cols; ++j) c(i, j) = start.data != nullptr ? start(i, j) : 0;
    return;
  }
  const bool alone = omp_in_parallel() || c.rows * c.cols * k_total < kSmall;
  const bool unpacked = reads_unpacked(kernels, c, b), packs = b.packed == nullptr && !unpacked;
  const Index row_panels = div_up(c.rows, kernels.rows);
  const Index widest = std::min(kBlockCols, div_up(c.cols, kernels.cols) * kernels.cols);
  // As many blocks of k are packed at a time as take no more room than one block of the widest C:
  // threads then wait for each other once for all of them.
  const Index packed_words = std::max<Index>(1, kBlockCols / widest) * gemm::kBlockWords;
  const Index packed_k = packed_words * kernels.depth;
  Word* packed_b = nullptr;
  if (packs)
    packed_b = at_least(t_packed_b, widest * std::min(packed_words, kernels.words(k_total)));

  const auto share_work = [&](Index thread, Index threads) {
    for (Index n0 = 0; n0 < c.cols; n0 += kBlockCols) {
      const Index n1 = std::min(n0 + kBlockCols, c.cols);
      const Index q0 = n0 / kernels.cols, col_panels = div_up(n1 - n0, kernels.cols);
      const View c_block = c.col_block(n0, n1);
      const Share share = share_of(thread, threads, row_panels, col_panels);
      for (Index first = 0; first < k_total; first += packed_k) {
        const Index last = std::min(first + packed_k, k_total);
        // Calls body(k0, k1, where B's panels for it are packed) for every block.
        const auto for_blocks = [&](auto&& body) {
          for (Index k0 = first; k0 < last; k0 += kernels.block_k())
            body(
                k0, std::min(k0 + kernels.block_k(), last),
                packs ? packed_b + col_panels * kernels.cols * kernels.words(k0 - first) : nullptr);
        };
        if (packs) {
          const Index begin = col_panels * thread / threads,
                      end = col_panels * (thread + 1) / threads;
          for_blocks([&](Index k0, Index k1, Word* to) {
            pack_b(to + begin * kernels.panel_b_words(k1 - k0), kernels, b, c.cols, q0 + begin,
                   q0 + end, k0, k1);
          });
          wait_for_all(threads);
        }
        for_blocks([&](Index k0, Index k1, const Word* packed) {
          PanelsB panels{packed, kernels.panel_b_words(k1 - k0), kernels.b_step};
          if (unpacked) panels = {b.matrix.row(k0) + n0, kernels.cols, b.matrix.stride};
          if (b.packed != nullptr)
            panels = {b.packed->panels(k0, n0), b.packed->panel_words(k0), kernels.b_step};
          multiply_share(kernels, c_block, k0 == 0 ? columns_of(start, n0, n1) : ConstView(c_block),
                         a, panels, share, k0, k1, causal);
        });
        if (packs) wait_for_all(threads);
      }
    }
  };
  if (alone) {
    share_work(0, 1);
    return;
  }
#pragma omp parallel
  share_work(omp_get_thread_num(), omp_get_num_threads());
}

}  // namespace

double gemm_scratch_bytes(double largest) {
  const Kernels& kernels = gemm::kernels(Precision::kFloat);
  const Index panels_a = kBlockRowPanels * kernels.panel_a_words() + kSlack;
  // B is packed once for all.
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

// Blocks of k one behind the other, each with the panels of all columns: words before the block
// that begins at k0, or in all of them for k0 = k.
namespace {
Index words_before(const Kernels& kernels, Index n, Index k0) {
  const Index blocks = k0 / kernels.block_k(), rest = k0 - blocks * kernels.block_k();
  const Index words = blocks * kernels.panel_b_words(kernels.block_k()) +
                      (rest > 0 ? kernels.panel_b_words(rest) : 0);
  return div_up(n, kernels.cols) * words;
}
}  // namespace
const Word* PackedMatrix::panels(Index k0, Index column) const {
  return words_.data() + words_before(*kernels_, n_, k0) + column / panel_cols() * panel_words(k0);
}
Index PackedMatrix::panel_words(Index k0) const {
  return kernels_->panel_b_words(std::min(kernels_->block_k(), k_ - k0));
}

namespace {

void pack_all(Arena& words, const Kernels& kernels, const Factor& b, Index n, Index k) {
  const Index col_panels = div_up(n, kernels.cols);
  Word* to = at_least(words, words_before(kernels, n, k));
  const bool alone = omp_in_parallel() || n * k < kSmall;
#pragma omp parallel for schedule(static) num_threads(alone ? 1 : omp_get_max_threads())
  for (Index q = 0; q < col_panels; ++q)
    for (Index k0 = 0; k0 < k; k0 += kernels.block_k()) {
      const Index k1 = std::min(k0 + kernels.block_k(), k);
      pack_b(to + words_before(kernels, n, k0) + q * kernels.panel_b_words(k1 - k0), kernels, b, n,
             q, q + 1, k0, k1);
    }
}

}  // namespace

void PackedMatrix::pack_nt(ConstView b, Precision precision) {
  kernels_ = &gemm::kernels(precision), n_ = b.rows, k_ = b.cols;
  pack_all(words_, *kernels_, {b, Layout::kRowsAlongK}, n_, k_);
}

void PackedMatrix::pack_nn(ConstView b, Precision precision) {
  kernels_ = &gemm::kernels(precision), n_ = b.cols, k_ = b.rows;
  pack_all(words_, *kernels_, {b, Layout::kKDownRows}, n_, k_);
}

}  // namespace minillm
