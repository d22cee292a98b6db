// AdamW: Adam with decoupled weight decay. Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2.

#ifndef LIBMINILLM_OPTIM_ADAMW_H_
#define LIBMINILLM_OPTIM_ADAMW_H_

#include <span>
#include <string>
#include <vector>

#include "libminillm/core/arena.h"
#include "libminillm/core/tensor_table.h"

namespace minillm {

struct AdamWConfig {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;  // on tensors whose TensorInfo says decay
  double embedding_rate = 1;  // learning rate of TensorRole::kEmbedding over the others'

  void validate() const;  // throws Error (kUsage)
};

class AdamW {
 public:
  // Moments are zero. The elements of the ranges in `frozen`, ascending, stay as they are: neither
  // moved nor decayed. Throws Error (kUsage) if the config is invalid.
  AdamW(const TensorTable& table, const AdamWConfig& config,
        std::span<const ElementRange> frozen = {})
      : AdamW(table, config, frozen, std::vector{ElementRange{0, table.size()}}) {}
  // Of some ascending ranges: only their elements have moments, one range after the other, and only
  // they are updated, to the same bits.
  AdamW(const TensorTable& table, const AdamWConfig& config, std::span<const ElementRange> frozen,
        std::span<const ElementRange> own);

  // One update. `gradients` are multiplied by `gradient_scale` (1 / sum of weights, times clipping)
  // on the fly. `step` is 1 for the first update (bias correction). Bit-identical for any number of
  // threads. REQUIRES parameters and gradients of the table's size.
  void update(std::span<Real> parameters, std::span<const Real> gradients, double gradient_scale,
              double learning_rate, Index step);

  std::span<Real> exp_avg() { return exp_avg_.span(); }        // first moments, of what is its own
  std::span<Real> exp_avg_sq() { return exp_avg_sq_.span(); }  // second moments

 private:
  // Elements [begin, end) of one tensor, whose moments are `moments` on. The work is cut the same
  // way for any number of threads.
  struct Block {
    Index begin, end, moments;
    bool decay;
    double rate;
  };

  AdamWConfig config_;
  Index size_;  // of the table
  std::vector<Block> blocks_;
  Arena exp_avg_;
  Arena exp_avg_sq_;
};

}  // namespace minillm

#endif  // LIBMINILLM_OPTIM_ADAMW_H_
