// Best-of-n: what the answer that one reward likes best of n is worth by another.
//
// With the first reward learned and the second one the truth, the curve over n shows what a learned
// reward is good for and where it ends: the first rises with n without end, the second turns where
// the best by the one are no longer the best by the other (Gao et al. 2022, arXiv:2210.10760).

#ifndef LIBMINILLM_REWARDS_BEST_OF_H_
#define LIBMINILLM_REWARDS_BEST_OF_H_

#include <span>
#include <vector>

#include "libminillm/core/real.h"

namespace minillm {

struct BestOf {
  Index n = 1;
  double kl = 0;  // of best-of-n from plain sampling, in nats: ln n - (n - 1)/n
  double proxy = 0, gold = 0;
};

// Of one question: `proxy` and `gold` [N] are of N sampled answers. For each n of `sizes`, at most
// N, the mean over all subsets of n answers of what the best one by proxy is worth: the i-th best
// of all (from 0) is the best of C(N-1-i, n-1) of C(N, n) subsets. Of equals the earlier one counts
// as better.
std::vector<BestOf> best_of_n(std::span<const double> proxy, std::span<const double> gold,
                              std::span<const Index> sizes);

// 1, 2, 4, ... up to `samples`.
std::vector<Index> doublings(Index samples);

}  // namespace minillm

#endif  // LIBMINILLM_REWARDS_BEST_OF_H_
