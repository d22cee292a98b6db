// RoPE: rotary position embedding (Su et al. 2021, arXiv:2104.09864), in Hugging Face's half-split
// layout.
//
// Each head's vector is D/2 pairs (x_i, x_{i+D/2}); at position p the pair i is turned by the angle
// p * theta^(-2i/D), so that the score of two positions depends on their distance only.

#ifndef LIBMINILLM_OPS_ROPE_H_
#define LIBMINILLM_OPS_ROPE_H_

#include <span>

#include "libminillm/core/matrix.h"

namespace minillm {

// Cosines and sines of every angle up to a length.
class RopeTable {
 public:
  // positions [0, length), head dimension D (even), base theta. Angles are computed in double.
  RopeTable(Index length, Index head_dim, double theta);
  Index length() const { return cosine_.rows(); }
  const Real* cosine(Index position) const { return cosine_.view().row(position); }  // [D/2]
  const Real* sine(Index position) const { return sine_.view().row(position); }      // [D/2]

 private:
  Matrix cosine_;  // [length, D/2]
  Matrix sine_;
};

// Turns every head of x [N, heads * D] in place, row n to positions[n].
// REQUIRES 0 <= positions[n] < table.length().
void rope_forward(View x, std::span<const int32_t> positions, const RopeTable& table,
                  Index head_dim);

// Turns the gradient back, in place: the transpose of a rotation is its inverse.
void rope_backward(View dx, std::span<const int32_t> positions, const RopeTable& table,
                   Index head_dim);

}  // namespace minillm

#endif  // LIBMINILLM_OPS_ROPE_H_
