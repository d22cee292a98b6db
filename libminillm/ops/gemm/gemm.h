// Matrix products, blocked for registers and caches, with one fixed order over k.
//
// Every element of C is computed as follows: for each block of consecutive k (256, or 512 in bf16),
// one chain of fused multiply-adds from zero in ascending k; the blocks' sums are added to C in
// ascending order. The order depends on nothing else: not on m or n, not on where a row is, not on
// the number of threads. That is what makes a token's hidden state bit-identical whatever shares
// its batch (Eigen's order changes with thread count and row position).
//
// Blocking after Goto & van de Geijn 2008 (doi:10.1145/1356052.1356053): a micro-kernel (kernels.h)
// keeps a tile of C in registers; A and B are copied ("packed") into panels that it reads with
// stride one. doc/products.md explains the sizes.
//
// Dispatch: the kernels are chosen when the program runs. They are the best that the processor has,
// or, to compare sets or to get an older processor's results, those that the environment variable
// MINILLM_KERNELS names: "avx512bf16", "avx512", "avx2" or "portable". A name that is unknown, or
// that the processor lacks, is ignored. In float and int8, all sets but "portable", which has no
// fused multiply-add, give the same bits; in bf16, all but "avx512bf16".

#ifndef LIBMINILLM_OPS_GEMM_GEMM_H_
#define LIBMINILLM_OPS_GEMM_GEMM_H_

#include <span>

#include "libminillm/core/matrix.h"
#include "libminillm/core/stored_matrix.h"

namespace minillm {

namespace gemm {
struct Kernels;
}

// What the factors are rounded to when they are packed: nothing, or bfloat16 (8 significant bits).
// kInt8 is for weights that are packed once (PackedMatrix): B is rounded to 8-bit integers with one
// scale per column and block of 256 k, and A is not rounded. Sums are always in Real, and matrices
// in memory stay Real.
enum class Precision { kFloat, kBfloat16, kInt8 };

// What causal attention needs of a matrix of scores: the first `visible + i` columns of row i. If
// `of` is the product, the others need not be computed (and hold anything afterwards); if it is the
// factor A, they are zero, and skipping them changes no bit.
struct Causal {
  enum class Of { kNothing, kProduct, kFactor };
  Of of = Of::kNothing;
  Index visible = 0;
};

// Rows of A that are this far apart are read where they are in float, and not copied.
inline constexpr Index kUncopiedStride = 272;

// Where B is kept in bfloat16 or int8, the products' bits are those of B widened.

// C [m, n] = start + A [m, k] B [n, k]^T       y = x W^T
void gemm_nt(View c, ConstView a, const StoredMatrix& b, ConstView start = {},
             Precision precision = Precision::kFloat);
// C [m, n] = start + A [m, k] B [k, n]         dx = dy W
void gemm_nn(View c, ConstView a, const StoredMatrix& b, ConstView start = {},
             Precision precision = Precision::kFloat);
// C [m, n] = start + A [k, m]^T B [k, n]       dW += dy^T x
void gemm_tn(View c, ConstView a, ConstView b, ConstView start = {},
             Precision precision = Precision::kFloat, Causal causal = {});

// A float matrix B [k, n] that is kept as panels, as its columns come one by one: number (k, j) is
// first[j / panel * apart + k * panel + j % panel], with `panel` columns of the float kernels.
struct ColumnPanels {
  const Real* first = nullptr;
  Index apart = 0;  // numbers from one panel to the next
  Index n = 0, k = 0;
};
Index columns_of_panel();

// B, packed once for many products. The products' bits are the same as without.
class PackedMatrix {
 public:
  // Memory only grows: packing another matrix that is no larger allocates nothing.
  void pack_nt(const StoredMatrix& b, Precision precision = Precision::kFloat);  // B [n, k]: A B^T
  void pack_nn(const StoredMatrix& b, Precision precision = Precision::kFloat);  // B [k, n]: A B

  void pack(const ColumnPanels& b, Precision precision);

  Index n() const { return n_; }
  Index panel_cols() const;  // columns of a panel
  Index padded_n() const;    // n in whole panels
  Index k() const { return k_; }
  const gemm::Kernels& kernels() const { return *kernels_; }
  // The panels of the block of k that begins at k0, from that of column `column` on, and how far
  // apart they are.
  const Real* panels(Index k0, Index column) const;
  Index panel_words(Index k0) const;

 private:
  Arena words_;
  Index n_ = 0, k_ = 0;
  const gemm::Kernels* kernels_ = nullptr;
};
// C [m, n] = start + A [m, k] B, with the first k rows and n columns of B if it is larger. n may
// also go up to padded_n(): whole panels are fastest.
void gemm_packed(View c, ConstView a, const PackedMatrix& b, ConstView start = {},
                 Causal causal = {});

// The same with panels that are there already.
void gemm_panels(View c, ConstView a, const ColumnPanels& b, Causal causal = {});

// One of several products of a row by a panel, in float: c[j] = sum_k a[k] b[k * b_step + j] for
// every column j of a panel. All have the same number of k and the same step.
struct RowByPanel {
  Real* c;
  const Real* a;
  const Real* b;
};
void multiply_rows_by_panels(std::span<const RowByPanel> products, Index k, Index b_step);

// Bytes that products may keep for packing, over all threads, if no factor B has more than
// `largest` numbers.
double gemm_scratch_bytes(double largest);

// `start` [m, n] is nothing (C = the product), C itself (C += the product), or another matrix. C
// must not overlap A or B. Inside a part of a loop on several threads (core/threads.h) a product
// runs on the calling thread alone.

}  // namespace minillm

#endif  // LIBMINILLM_OPS_GEMM_GEMM_H_
