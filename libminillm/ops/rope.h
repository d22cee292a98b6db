// RoPE: rotary position embedding (Su et al. 2021, arXiv:2104.09864), Hugging Face's
// half-split form.
//
// Each head's vector is D/2 pairs (x_i, x_{i+D/2}); at position p, pair i is turned by the angle p
// * theta^(-2i/D), so that the score of two positions depends only on their distance.

#ifndef LIBMINILLM_OPS_ROPE_H_
#define LIBMINILLM_OPS_ROPE_H_

#include <span>
#include <string>

#include "libminillm/core/matrix.h"

namespace minillm {

// How models stretched to longer texts slow their rotations down.
struct RopeScaling {
  std::string type = "none";  // or "linear" (Chen et al. 2023, arXiv:2306.15595), or "llama3"
  double factor = 1;          // how many times slower slow rotations get; linear: all of them
  // llama3 only. A pair that turns more than high_freq_factor times within the original context is
  // left alone, one that turns less than low_freq_factor times is slowed down by `factor`.
  double low_freq_factor = 1, high_freq_factor = 4;
  int64_t original_context = 8192;
  bool operator==(const RopeScaling&) const = default;
};

// theta^(-2i/D) for pair i, in radians per position, scaled: what Hugging Face calls inv_freq.
double rope_frequency(Index pair, Index head_dim, double theta, const RopeScaling& scaling);

// Cosines and sines of every angle up to a length.
class RopeTable {
 public:
  // positions [0, length), head dimension D (even), base theta. Angles are computed in double.
  RopeTable(Index length, Index head_dim, double theta, const RopeScaling& scaling = {});
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
