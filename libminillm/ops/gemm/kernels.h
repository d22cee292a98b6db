// Kernels: the part of the products that depends on the processor, one set per instruction set,
// chosen when the program runs (gemm.h, "Dispatch"). kernels.inc is the source of all of them;
// gemm.cc does the blocking and the threads.
//
// Panels are how a kernel reads A and B: one block of k, cut into strips as wide as the tile of C
// that the kernel keeps in registers. Their unit is the word: one number, or in bf16 two numbers
// that follow each other along k.
//
//   B    word (k, j) of a panel at  k * cols + j          zero beyond the matrix
//        8-bit integers: four words' worth of columns in one, after the scales of all columns
//   A    rows along k:  word (i, k) at  i * kRowWords + k      copied as it is, or, in float,
//                                                          not at all (gemm.cc)
//        k down rows:   word (i, k) at  k * rows + i           or, in float, not copied at all
//
// A's rows are a cache line further apart than a block is long: lines that are read together then
// do not compete for the same place in the cache.

#ifndef LIBMINILLM_OPS_GEMM_KERNELS_H_
#define LIBMINILLM_OPS_GEMM_KERNELS_H_

#include "libminillm/core/real.h"

namespace minillm {
enum class Precision;  // gemm.h
}

namespace minillm::gemm {

using Word = Real;

inline constexpr Index kBlockWords = 256;  // words along k in a panel
inline constexpr Index kRowWords = kBlockWords + 16;

struct Kernels {
  const char* name;
  Index rows;         // of the tile of C
  Index cols;         // of the tile of C
  Index depth;        // numbers in a word: 1, or 2 in bf16
  bool rounds;        // packing changes the numbers
  Index b_step;       // words from one k to the next in a panel of B: cols; for bytes, a quarter
  Index scale_words;  // words of scales in front of a panel of B: 0, or cols

  Index words(Index k_size) const { return (k_size + depth - 1) / depth; }
  Index block_k() const { return kBlockWords * depth; }
  Index panel_a_words() const { return rows * kRowWords; }
  Index panel_b_words(Index k_size) const { return scale_words + b_step * words(k_size); }

  // Sources are `source` with rows `stride` apart. The *_rows forms take `count` source rows along
  // k, at most one panel; the *_columns forms take `count` source columns, k down the rows, and
  // fill as many panels as that takes, `panel_words` apart.
  void (*pack_a_rows)(Word* panel, const Real* source, Index stride, Index count, Index k_size);
  void (*pack_a_columns)(Word* panels, Index panel_words, const Real* source, Index stride,
                         Index count, Index k_size);
  void (*pack_b_rows)(Word* panel, const Real* source, Index stride, Index count, Index k_size);
  void (*pack_b_columns)(Word* panels, Index panel_words, const Real* source, Index stride,
                         Index count, Index k_size);

  // c [row_count, col_count] = start + A panel x B panel, over `word_count` words in ascending k,
  // one chain of multiply-adds per element. `start` may be null, or c.
  struct Tile {
    Real* c;
    Index c_stride;
    const Real* start;
    Index start_stride;
    Index row_count;
    Index col_count;
    Index b_step;  // words from one k of B to the next: Kernels::b_step in a panel
    Index a_step;  // multiply_columns only: words from one k of A to the next, `rows` in a panel
  };
  void (*multiply_rows)(const Tile& tile, const Word* a, const Word* b, Index word_count);
  void (*multiply_columns)(const Tile& tile, const Word* a, const Word* b, Index word_count);

  // c [cols] = or += a [k] x b [k, cols], whose rows are `b_step` apart, of `count` singles, which
  // are at most kSingles. Of float only: null otherwise.
  struct Single {
    Real* c;
    const Real* a;
    const Real* b;
  };
  static constexpr Index kSingles = 4;
  void (*multiply_singles)(const Single* singles, Index count, Index b_step, Index k, bool add);

  // Multiplies and adds in registers only, `rounds` times, and returns how many floating-point
  // operations that was: the most that the processor can do, for measurements.
  double (*peak_flops_probe)(Index rounds);
};

// The set in use: the processor's best, the one that MINILLM_KERNELS names, or use_kernels()'s.
const Kernels& kernels(Precision precision);

// All sets of this build, the best first, for tests and measurements.
struct KernelSet {
  const char* name;
  const Kernels* fp32;
  const Kernels* bf16;  // if the processor has no such products: rounded to bf16 in packing
  const Kernels* int8;
};
extern const KernelSet kKernelSets[];
int kernel_set_count();
bool is_supported(const KernelSet& set);
// From now on all threads use `set`; nullptr goes back to the default.
void use_kernels(const KernelSet* set);

}  // namespace minillm::gemm

#endif  // LIBMINILLM_OPS_GEMM_KERNELS_H_
