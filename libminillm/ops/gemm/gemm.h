// Matrix products, blocked for registers and caches, with one fixed order over k.
//
// Every element of C is: for each block of consecutive k (256, or 512 in bf16), one chain of fused
// multiply-adds from zero in ascending k; the blocks' sums are added to C in ascending order. The
// order depends on nothing else: not on m or n, not on where a row stands, not on the number of
// threads. That is what makes a token's hidden state bit-identical whatever shares its batch
// (Eigen's order changes with thread count and row position).
//
// Blocking after Goto & van de Geijn 2008 (doi:10.1145/1356052.1356053): a micro-kernel (kernels.h)
// keeps a tile of C in registers; A and B are copied ("packed") into panels that it reads with
// stride one. doc/products.md tells why the sizes are what they are.

#ifndef LIBMINILLM_OPS_GEMM_GEMM_H_
#define LIBMINILLM_OPS_GEMM_GEMM_H_

#include "libminillm/core/matrix.h"

namespace minillm {

namespace gemm {
struct Kernels;
}

// What the factors are rounded to while they are packed: not at all, or to bfloat16 (8 significant
// bits). kInt8 is for weights that are packed once (PackedMatrix): B is rounded to 8-bit integers
// with one scale per column and block of 256 k, A is not rounded. Sums are taken in Real always,
// and matrices in memory stay Real.
enum class Precision { kFloat, kBfloat16, kInt8 };

// What causal attention needs of a matrix of scores: of row i its first `visible + i` columns. If
// `of` is the product, the others need not be computed (they hold anything afterwards); if it is
// the factor A, they are zero, and skipping them changes no bit.
struct Causal {
  enum class Of { kNothing, kProduct, kFactor };
  Of of = Of::kNothing;
  Index visible = 0;
};

// C [m, n] = start + A [m, k] B [n, k]^T       y = x W^T
void gemm_nt(View c, ConstView a, ConstView b, ConstView start = {},
             Precision precision = Precision::kFloat);
// C [m, n] = start + A [m, k] B [k, n]         dx = dy W
void gemm_nn(View c, ConstView a, ConstView b, ConstView start = {},
             Precision precision = Precision::kFloat);
// C [m, n] = start + A [k, m]^T B [k, n]       dW += dy^T x
void gemm_tn(View c, ConstView a, ConstView b, ConstView start = {},
             Precision precision = Precision::kFloat, Causal causal = {});

// B, packed once for many products. The same bits come out as without.
class PackedMatrix {
 public:
  // Memory only grows: packing again a matrix that is no larger allocates nothing.
  void pack_nt(ConstView b, Precision precision = Precision::kFloat);  // B [n, k], for A B^T
  void pack_nn(ConstView b, Precision precision = Precision::kFloat);  // B [k, n], for A B

  Index n() const { return n_; }
  Index panel_cols() const;  // columns of a panel
  Index padded_n() const;    // n in whole panels; B is zero behind n
  Index k() const { return k_; }
  const gemm::Kernels& kernels() const { return *kernels_; }
  // The panels of the block of k that begins at k0, from that of column `column` on, and how far
  // they are apart.
  const Real* panels(Index k0, Index column) const;
  Index panel_words(Index k0) const;

 private:
  Arena words_;
  Index n_ = 0, k_ = 0;
  const gemm::Kernels* kernels_ = nullptr;
};
// C [m, n] = start + A [m, k] B, where n and k may stop short of B's: then its first rows and
// columns are meant. n may also go on to padded_n(): whole panels are the fastest.
void gemm_packed(View c, ConstView a, const PackedMatrix& b, ConstView start = {},
                 Causal causal = {});

// Bytes that products may keep for packing, in all threads together, where no factor B has more
// than `largest` numbers.
double gemm_scratch_bytes(double largest);

// `start` [m, n] is nothing (C = the product), C itself (C += the product), or another matrix. C
// must not overlap A or B. Inside an OpenMP region a product runs on the calling thread alone.

}  // namespace minillm

#endif  // LIBMINILLM_OPS_GEMM_GEMM_H_
