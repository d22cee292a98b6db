// Newton-Schulz: the orthogonal factor of a matrix, roughly, by matrix products alone.
//
// Of G = U S V^T, its singular value decomposition, we want U V^T: the same directions, all of
// length one. With A = X^T X, a polynomial of X that is odd changes the singular values only:
//
//   X A = U S V^T V S^2 V^T = U S^3 V^T      so      X (a I + b A + c A^2) = U p(S) V^T,
//   p(s) = a s + b s^3 + c s^5,              and k steps make U p(p(...p(S))) V^T.
//
// Begin with X = G / ||G||, whose singular values lie in [0, 1]. The classical iteration, p(s) =
// 1.5 s - 0.5 s^3, converges to 1, but multiplies a small s by 1.5 a step only. Jordan et al.
// (2024, "Muon: an optimizer for hidden layers in neural networks") give up convergence for speed:
// a, b, c = 3.4445, -4.7750, 2.0315 make p as steep at 0 as it can be while whatever has come up
// stays near 1. Five steps multiply a small s by 3.4445^5 = 485: every s from 0.0015 to 1 ends in
// [0.67, 1.21], and what is smaller, mostly noise, stays smaller. An update needs no more: how long
// it is, is a learning rate's business anyway.

#ifndef LIBMINILLM_OPTIM_NEWTON_SCHULZ_H_
#define LIBMINILLM_OPTIM_NEWTON_SCHULZ_H_

#include "libminillm/core/arena.h"
#include "libminillm/core/matrix.h"
#include "libminillm/ops/gemm/gemm.h"

namespace minillm {

class NewtonSchulz {
 public:
  static constexpr int kSteps = 5;

  // x [m, n], whose rows follow each other, becomes U p(p(p(p(p(S))))) V^T of x / (||x|| + 1e-7).
  // Zero stays zero, and what is far below 1e-7, which only rounding can be, stays small. The
  // factors of products are rounded to `precision`. Bit-identical for any number of threads.
  void run(View x, Precision precision);

  // Room for matrices of up to `size` numbers, the shorter side up to `side`: run() then allocates
  // nothing.
  void reserve(Index size, Index side);
  static Index scratch_size(Index size, Index side) { return size + 2 * side * side; }

 private:
  Arena other_, gram_, polynomial_;
};

}  // namespace minillm

#endif  // LIBMINILLM_OPTIM_NEWTON_SCHULZ_H_
