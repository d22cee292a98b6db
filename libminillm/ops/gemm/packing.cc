#include "libminillm/ops/gemm/packing.h"

#include "libminillm/core/check.h"
#include "libminillm/core/threads.h"

namespace minillm {
namespace gemm {

KRange unmasked(const Factor& a, const Causal& causal, Index i0, Index i1, Index k0, Index k1,
                Index depth) {
  if (causal.of != Causal::Of::kFactor) return {k0, k1};
  if (a.layout == Layout::kRowsAlongK)  // the last row sees the most
    return {k0, std::max(k0, std::min(k1, causal.visible + i1 - 1))};
  // Position i0 is seen from query i0 - visible + 1 on.
  const Index skipped = std::clamp<Index>(i0 - causal.visible + 1 - k0, 0, k1 - k0);
  return {k0 + skipped / depth * depth, k1};
}

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

namespace {

thread_local Arena t_widened;

// The same of a narrow B: a panel at a time is widened, and then packed as any other.
void pack_narrow_b(Word* to, const Kernels& kernels, const Factor& b, Index begin, Index end,
                   Index k0, Index k1) {
  Real* const widened = at_least(t_widened, kernels.cols * kernels.block_k());
  const Index panel_words = kernels.panel_b_words(k1 - k0);
  for (; begin < end; begin += kernels.cols, to += panel_words) {
    const Index count = std::min(kernels.cols, end - begin);
    if (b.layout == Layout::kKDownRows) {
      for (Index k = k0; k < k1; ++k)
        b.narrow.read(k, begin, begin + count, widened + (k - k0) * count);
      kernels.pack_b_columns(to, panel_words, widened, count, count, k1 - k0);
    } else {
      for (Index j = 0; j < count; ++j) b.narrow.read(begin + j, k0, k1, widened + j * (k1 - k0));
      kernels.pack_b_rows(to, widened, k1 - k0, count, k1 - k0);
    }
  }
}

}  // namespace

void pack_b(Word* to, const Kernels& kernels, const Factor& b, Index n, Index q0, Index q1,
            Index k0, Index k1) {
  const Index begin = q0 * kernels.cols, end = std::min(q1 * kernels.cols, n);
  if (begin >= end) return;
  if (b.narrow.is_narrow()) return pack_narrow_b(to, kernels, b, begin, end, k0, k1);
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

}  // namespace gemm

namespace {

using namespace gemm;

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
  const auto pack_panel = [&](Index q) {
    for (Index k0 = 0; k0 < k; k0 += kernels.block_k()) {
      const Index k1 = std::min(k0 + kernels.block_k(), k);
      pack_b(to + words_before(kernels, n, k0) + q * kernels.panel_b_words(k1 - k0), kernels, b, n,
             q, q + 1, k0, k1);
    }
  };
  for_ranges(col_panels, n * k >= kMinParallelWork, [&](Index begin, Index end) {
    for (Index q = begin; q < end; ++q) pack_panel(q);
  });
}

}  // namespace

Index columns_of_panel() { return gemm::kernels(Precision::kFloat).cols; }

void PackedMatrix::pack(const ColumnPanels& b, Precision precision) {
  kernels_ = &gemm::kernels(precision), n_ = b.n, k_ = b.k;
  const Kernels& kernels = *kernels_;
  MINILLM_DCHECK(kernels.cols == columns_of_panel());
  Word* const to = at_least(words_, words_before(kernels, n_, k_));
  for (Index k0 = 0; k0 < k_; k0 += kernels.block_k()) {
    const Index k1 = std::min(k0 + kernels.block_k(), k_), words = kernels.panel_b_words(k1 - k0);
    for (Index q = 0; q < div_up(n_, kernels.cols); ++q)
      kernels.pack_b_columns(to + words_before(kernels, n_, k0) + q * words, words,
                             b.first + q * b.apart + k0 * kernels.cols, kernels.cols, kernels.cols,
                             k1 - k0);
  }
}

Index PackedMatrix::panel_cols() const { return kernels_->cols; }
Index PackedMatrix::padded_n() const { return div_up(n_, panel_cols()) * panel_cols(); }

const Word* PackedMatrix::panels(Index k0, Index column) const {
  return words_.data() + words_before(*kernels_, n_, k0) + column / panel_cols() * panel_words(k0);
}
Index PackedMatrix::panel_words(Index k0) const {
  return kernels_->panel_b_words(std::min(kernels_->block_k(), k_ - k0));
}

void PackedMatrix::pack_nt(const StoredMatrix& b, Precision precision) {
  kernels_ = &gemm::kernels(precision), n_ = b.rows(), k_ = b.cols();
  pack_all(words_, *kernels_, {b, Layout::kRowsAlongK}, n_, k_);
}

void PackedMatrix::pack_nn(const StoredMatrix& b, Precision precision) {
  kernels_ = &gemm::kernels(precision), n_ = b.cols(), k_ = b.rows();
  pack_all(words_, *kernels_, {b, Layout::kKDownRows}, n_, k_);
}

}  // namespace minillm
