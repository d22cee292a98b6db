// The score head: one number per target, read off its row's hidden state. The second head of the
// trunk: a reward model's score, a critic's value.
//
//   s_m = h[row_m] . w

#ifndef LIBMINILLM_OPS_SCORE_H_
#define LIBMINILLM_OPS_SCORE_H_

#include <span>

#include "libminillm/core/matrix.h"
#include "libminillm/core/token_batch.h"

namespace minillm {

//   scores   [M]     out
//   hidden   [N, C]  in
//   weight   [1, C]  in
//   targets  [M]     in   only their rows are read; REQUIRES rows in [0, N)
// Bit-identical for any number of threads and company of other targets.
void score_forward(std::span<Real> scores, ConstView hidden, ConstView weight,
                   std::span<const Target> targets);

// Adds (+=) to dhidden [N, C] and dweight [1, C], given dscores [M]. A null dweight means that the
// weight is frozen.
void score_backward(View dhidden, View dweight, std::span<const Real> dscores, ConstView hidden,
                    ConstView weight, std::span<const Target> targets);

}  // namespace minillm

#endif  // LIBMINILLM_OPS_SCORE_H_
