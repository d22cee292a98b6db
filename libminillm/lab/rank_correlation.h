// Kendall's rank correlation: whether two figures put the same things in the same order.

#ifndef LIBMINILLM_LAB_RANK_CORRELATION_H_
#define LIBMINILLM_LAB_RANK_CORRELATION_H_

#include <optional>
#include <span>

#include "libminillm/lab/statistics.h"

namespace minillm::lab {

// tau-b (Kendall 1945), in [-1, 1]: (C - D) / sqrt((n0 - tied in x) (n0 - tied in y)), over all n0
// pairs, of which C are in the same order in x and y and D are not. Nothing where all of x or all
// of y are alike. REQUIRES as many x as y.
std::optional<double> kendall_tau(std::span<const double> x, std::span<const double> y);

struct RankCorrelation {
  std::optional<double> tau;
  // 95 %, of a bootstrap over the pairs (x, y): draws in which all are alike are left out. Nothing
  // where tau is nothing.
  std::optional<Interval> interval;
};
// Pure: the same draws for the same figures.
RankCorrelation rank_correlation(std::span<const double> x, std::span<const double> y,
                                 int draws = kBootstrapDraws);

}  // namespace minillm::lab

#endif  // LIBMINILLM_LAB_RANK_CORRELATION_H_
