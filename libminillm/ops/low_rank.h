// A low-rank update of a product: what LoRA trains instead of the matrix.
//
//   y = x W^T + s (x A^T) B^T        A [r, in], B [out, r]: r (in + out) numbers for in x out
//
// Source: Hu et al. 2021, arXiv:2106.09685, eq. 3. The inner states x A^T and B are kept turned
// ([r, N] and [r, out]): with few rows instead of few columns the products are faster.
//
// With a ReLU between the two, beside a whole sublayer: a parallel adapter (He et al. 2022,
// arXiv:2110.04366, section 3.2).
//
//   y += s relu(x A^T) B^T

#ifndef LIBMINILLM_OPS_LOW_RANK_H_
#define LIBMINILLM_OPS_LOW_RANK_H_

#include <span>
#include <vector>

#include "libminillm/core/matrix.h"
#include "libminillm/ops/gemm/gemm.h"  // Precision

namespace minillm {

// The update of one matrix, or of several that are fused into one: each has columns of y.
struct LowRank {
  struct Part {
    ConstView bt;         // [r, out]  B^T
    View dbt;             // [r, out]  +=  null where nothing is trained
    Index out_begin = 0;  // its first column of y
    Real scale = 1;       // s
  };
  ConstView a;              // [R, in]  the parts' A, one below the other: R is the sum of their r
  View da;                  // [R, in]  +=
  std::vector<Part> parts;  // none: there is no update
  bool relu = false;
  Index inner_begin = 0;  // its first row of LowRankPass's views
};

// Which rows of a pass have which update, and room for what they compute.
struct LowRankPass {
  struct Rows {
    Index begin = 0, end = 0;
    size_t update = 0;  // of those that a weight carries
  };
  std::span<const Rows> rows;  // none: no row has any
  View inner;                  // [at least R, N] what forward saves for backward: s A x^T (its
                               // ReLU where there is one)
  View dinner;                 // [at least R, N] scratch of backward
};

//   y  [N, out]  +=  null: only the inner states are computed
//   x  [N, in]   in
// Bit-identical for any number of threads, rows, and company.
void low_rank_forward(View y, ConstView x, std::span<const LowRank> updates,
                      const LowRankPass& pass, Precision precision = Precision::kFloat);

// Adds (+=) to dx [N, in], the updates' da and the parts' dbt, given dy [N, out].
void low_rank_backward(View dx, ConstView dy, ConstView x, std::span<const LowRank> updates,
                       const LowRankPass& pass, Precision precision = Precision::kFloat);

}  // namespace minillm

#endif  // LIBMINILLM_OPS_LOW_RANK_H_
