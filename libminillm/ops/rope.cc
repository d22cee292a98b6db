#include "libminillm/ops/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "libminillm/core/check.h"
#include "libminillm/core/multiversion.h"
#include "libminillm/ops/loops.h"

namespace minillm {

double rope_frequency(Index pair, Index head_dim, double theta, const RopeScaling& scaling) {
  const double frequency =
      std::pow(theta, -2.0 * static_cast<double>(pair) / static_cast<double>(head_dim));
  if (scaling.type == "linear") return frequency / scaling.factor;
  if (scaling.type != "llama3") return frequency;
  const double turns =
      static_cast<double>(scaling.original_context) * frequency / (2 * std::numbers::pi);
  // 0 if it turns seldom, 1 if often, linear in between.
  const double kept = std::clamp(
      (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor), 0.0,
      1.0);
  return frequency * ((1 - kept) / scaling.factor + kept);
}

RopeTable::RopeTable(Index length, Index head_dim, double theta, const RopeScaling& scaling)
    : cosine_(length, head_dim / 2), sine_(length, head_dim / 2) {
  for (Index i = 0; i < head_dim / 2; ++i) {
    const double frequency = rope_frequency(i, head_dim, theta, scaling);
    for (Index p = 0; p < length; ++p) {
      const double angle = static_cast<double>(p) * frequency;
      cosine_(p, i) = static_cast<Real>(std::cos(angle));
      sine_(p, i) = static_cast<Real>(std::sin(angle));
    }
  }
}

namespace {

// (a, b) -> (a cos - b sin,  b cos + a sin), with sin negated for `direction` = -1; a from the
// first half of the head, b from the second.
MINILLM_MULTIVERSION
void rotate_head(Real* first, Real* second, const Real* cosine, const Real* sine, Index half,
                 Real direction) {
  for (Index i = 0; i < half; ++i) {
    const Real a = first[i], b = second[i], s = direction * sine[i];
    first[i] = a * cosine[i] - b * s;
    second[i] = b * cosine[i] + a * s;
  }
}

void rotate(View x, std::span<const int32_t> positions, const RopeTable& table, Index head_dim,
            Real direction) {
  MINILLM_DCHECK(x.rows == static_cast<Index>(positions.size()) && x.cols % head_dim == 0);
  const Index half = head_dim / 2;
  for_rows(x.rows, x.cols, [&](Index n) {
    const Real* cosine = table.cosine(positions[n]);
    const Real* sine = table.sine(positions[n]);
    for (Real* head = x.row(n); head < x.row(n) + x.cols; head += head_dim)
      rotate_head(head, head + half, cosine, sine, half, direction);
  });
}

}  // namespace

void rope_forward(View x, std::span<const int32_t> positions, const RopeTable& table,
                  Index head_dim) {
  rotate(x, positions, table, head_dim, 1);
}

void rope_backward(View dx, std::span<const int32_t> positions, const RopeTable& table,
                   Index head_dim) {
  rotate(dx, positions, table, head_dim, -1);
}

}  // namespace minillm
