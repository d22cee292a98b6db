// Contribution: what a micro-batch adds to a step. Losses and weights travel as SUMS; the Trainer
// divides once, after the last micro-batch, so that any split of a step into micro-batches gives
// the same gradient up to rounding (averaging per-micro-batch means is the bug of
// huggingface/transformers#34191). Not the same bits: what decides those is train/gradient_sum.h.

#ifndef LIBMINILLM_OBJECTIVES_CONTRIBUTION_H_
#define LIBMINILLM_OBJECTIVES_CONTRIBUTION_H_

#include "libminillm/core/real.h"

namespace minillm {

struct Contribution {
  double loss = 0;    // sum over what carries loss
  double weight = 0;  // what the sum is to be divided by
  Index tokens = 0;   // rows computed, for tokens per second

  Contribution& operator+=(const Contribution& other) {
    loss += other.loss;
    weight += other.weight;
    tokens += other.tokens;
    return *this;
  }
};

}  // namespace minillm

#endif  // LIBMINILLM_OBJECTIVES_CONTRIBUTION_H_
