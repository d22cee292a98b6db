// Muon: momentum, made orthogonal. Jordan et al. 2024, "Muon: an optimizer for hidden layers in
// neural networks"; with the scale and the weight decay of Liu et al. 2025, arXiv:2502.16982,
// equation 4. For the matrices of blocks only (TensorRole::kBlockMatrix).
//
//   M = mu M + G        U = G + mu M  (Nesterov)        O = NewtonSchulz(U)
//   W = (1 - lr wd) W - lr 0.2 sqrt(max(m, n)) O        W [m, n]
//
// Why: the gradient of a matrix is a sum of outer products, one for each token, and a few
// directions that all tokens share outweigh the others by far; so does AdamW's update, which
// evens out elements and not directions. An orthogonal update moves all directions that the
// gradient has by the same length: of all matrices that change no input by more than that
// (spectral norm), it is the one that lowers the loss most (to first order).
//
// Why the scale: O has min(m, n) singular values near 1, so its m n elements have a root mean
// square of sqrt(min(m, n) / (m n)) = 1 / sqrt(max(m, n)). AdamW's updates have 0.2 to 0.4 (Liu et
// al., section 2.2). With the factor, a matrix of any shape moves as far in a step as under AdamW,
// whose learning rate and weight decay carry over.
//
// What it costs: with r = min(m, n) and l = max(m, n), a step of Newton-Schulz takes 3 l r^2 + r^3
// operations, in all 215 C^3 for the seven matrices of a block of width C whose feed-forward layer
// is 8/3 C wide. Training takes 72 C^2 a token there. So N tokens in a step pay 3 C / N on top:
// little where a step is long beside the width.

#ifndef LIBMINILLM_OPTIM_MUON_H_
#define LIBMINILLM_OPTIM_MUON_H_

#include <span>
#include <vector>

#include "libminillm/core/arena.h"
#include "libminillm/core/tensor_table.h"
#include "libminillm/optim/newton_schulz.h"

namespace minillm {

struct MuonConfig {
  double momentum = 0.95;
  double weight_decay = 0.1;
  Precision precision = Precision::kFloat;  // of Newton-Schulz's products

  void validate() const;  // throws Error (kUsage)
};

class Muon {
 public:
  // Momentum is zero. Moves the matrices of blocks that lie in the ascending ranges `own`, but for
  // those in `frozen`. Throws Error (kUsage) if the config is invalid, and Error if a range begins
  // or ends within a matrix: one is moved as a whole, or not at all.
  Muon(const TensorTable& table, const MuonConfig& config, std::span<const ElementRange> frozen,
       std::span<const ElementRange> own);

  // One update; `gradients` are multiplied by `gradient_scale` on the fly. Bit-identical for any
  // number of threads. REQUIRES parameters and gradients of the table's size.
  void update(std::span<Real> parameters, std::span<const Real> gradients, double gradient_scale,
              double learning_rate);

  // Of the own matrices, frozen ones too, one after the other.
  std::span<Real> momentum() { return momentum_.span(); }

  // What an update keeps for its products beside the momentum, over all threads.
  static double scratch_bytes(const TensorTable& table);

 private:
  struct Block {
    TensorInfo tensor;
    Index momentum;  // where its momentum is
  };

  MuonConfig config_;
  Arena momentum_;
  std::vector<Block> blocks_;  // the largest first, so that threads end together
};

}  // namespace minillm

#endif  // LIBMINILLM_OPTIM_MUON_H_
