// Packing: how a factor is copied into the panels that a kernel reads (kernels.h says what is
// where).

#ifndef LIBMINILLM_OPS_GEMM_PACKING_H_
#define LIBMINILLM_OPS_GEMM_PACKING_H_

#include "libminillm/ops/gemm/gemm.h"
#include "libminillm/ops/gemm/kernels.h"

namespace minillm::gemm {

// With fewer multiply-adds than this, a second thread costs more than it saves.
inline constexpr Index kMinParallelWork = 1 << 15;

inline Index div_up(Index a, Index b) { return (a + b - 1) / b; }

// A buffer that only grows, so that a step allocates nothing once warmed up.
inline Word* at_least(Arena& buffer, Index size) {
  if (buffer.size() < size) buffer = Arena(size);
  return buffer.data();
}

// Which way an operand is stored: rows along k, or k down the rows.
enum class Layout { kRowsAlongK, kKDownRows };

// A factor: where it is, or, for B, the panels it has been packed into.
struct Factor {
  ConstView matrix;
  Layout layout = Layout::kRowsAlongK;
  const PackedMatrix* packed = nullptr;
  const ColumnPanels* panels = nullptr;
  StoredMatrix narrow = {};  // B, where it is kept in bfloat16 or int8; `matrix` is null then

  Factor(ConstView matrix_, Layout layout_) : matrix(matrix_), layout(layout_) {}
  Factor(const StoredMatrix& b, Layout layout_) : matrix(b.matrix), layout(layout_), narrow(b) {}
  explicit Factor(const PackedMatrix& b) : packed(&b) {}
  explicit Factor(const ColumnPanels& b) : panels(&b) {}

  bool is_packed() const { return packed != nullptr || panels != nullptr; }
  // The part of the matrix for rows or columns [begin, end) of the product and [k0, k1).
  ConstView part(Index begin, Index end, Index k0, Index k1) const {
    return layout == Layout::kRowsAlongK ? matrix.row_block(begin, end).col_block(k0, k1)
                                         : matrix.row_block(k0, k1).col_block(begin, end);
  }
};

// The part of [k0, k1) where rows [i0, i1) of A are not masked to zero. The front is cut at
// multiples of `depth` only.
struct KRange {
  Index begin, end;
};
KRange unmasked(const Factor& a, const Causal& causal, Index i0, Index i1, Index k0, Index k1,
                Index depth);

// Panels [p0, p1) of A [m, k].
void pack_a(Word* to, const Kernels& kernels, const Factor& a, Index m, Index p0, Index p1,
            Index k0, Index k1, const Causal& causal);
// Panels [q0, q1) of B [k, n], of which `to` is the first.
void pack_b(Word* to, const Kernels& kernels, const Factor& b, Index n, Index q0, Index q1,
            Index k0, Index k1);

}  // namespace minillm::gemm

#endif  // LIBMINILLM_OPS_GEMM_PACKING_H_
