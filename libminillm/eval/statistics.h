// How far counted rates may be trusted.

#ifndef LIBMINILLM_EVAL_STATISTICS_H_
#define LIBMINILLM_EVAL_STATISTICS_H_

#include <cstdint>

namespace minillm {

struct Interval {
  double low = 0, high = 1;
};
// The 95 % interval of a rate of which `count` of `of` were seen (Wilson 1927, without correction
// for continuity): it stays within [0, 1], and says something of 0 of n, too. Of nothing: [0, 1].
// REQUIRES 0 <= count <= of.
Interval wilson_interval(int64_t count, int64_t of);

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_STATISTICS_H_
