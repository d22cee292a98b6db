// IsoFLOP: the parabola of loss over the logarithm of size, of models that were trained under one
// budget of compute, and the size at which it is lowest (Hoffmann 2022, arXiv:2203.15556, approach
// 2).

#ifndef LIBMINILLM_LAB_SCALING_FIT_H_
#define LIBMINILLM_LAB_SCALING_FIT_H_

#include <optional>
#include <span>
#include <string>

#include "libminillm/lab/statistics.h"

namespace minillm::lab {

// One trained model; several of one size are seeds.
struct SizedLoss {
  double parameters = 0;
  double loss = 0;  // bits per byte
};

// loss(N) = height + slope x + curvature x^2 with x = log10(N) - center.
struct Parabola {
  double center = 0, height = 0, slope = 0, curvature = 0;
  double at(double parameters) const;
};

struct Minimum {
  double parameters = 0, loss = 0;
};

struct IsoFlopFit {
  std::optional<Parabola> parabola;  // nothing with fewer than three sizes
  // Nothing where the parabola is flat or opens downward, or is lowest at no size between the
  // smallest and the largest that were tried: extrapolated, it says more than was measured.
  std::optional<Minimum> minimum;
  // 95 %, in parameters, of a bootstrap over the runs of each size. Nothing where no size has two
  // runs, or where more than a twentieth of the draws have no minimum.
  std::optional<Interval> interval;
  std::string why_none;  // of a minimum or an interval that there is not, in words
};

// Least squares. Pure: the same draws for the same runs.
IsoFlopFit fit_isoflop(std::span<const SizedLoss> runs, int draws = kBootstrapDraws);

}  // namespace minillm::lab

#endif  // LIBMINILLM_LAB_SCALING_FIT_H_
