#include "libminillm/rewards/best_of.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "libminillm/core/check.h"

namespace minillm {

// With w_i = C(N-1-i, n-1) / C(N, n):   w_0 = n/N,   w_{i+1} = w_i (N-i-n) / (N-1-i)
std::vector<BestOf> best_of_n(std::span<const double> proxy, std::span<const double> gold,
                              std::span<const Index> sizes) {
  MINILLM_CHECK(proxy.size() == gold.size() && !proxy.empty(),
                "best of n: expected two rewards of the same answers, got {} and {}", proxy.size(),
                gold.size());
  const Index all = std::ssize(proxy);
  std::vector<size_t> order(proxy.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return proxy[a] > proxy[b]; });
  std::vector<BestOf> curve;
  for (const Index n : sizes) {
    MINILLM_CHECK(1 <= n && n <= all, "best of n: expected 1 to {} answers, got {}", all, n);
    const double size = static_cast<double>(n);
    BestOf point{n, std::log(size) - (size - 1) / size, 0, 0};
    double weight = size / static_cast<double>(all);
    for (Index i = 0; i + n <= all; ++i) {
      const size_t answer = order[static_cast<size_t>(i)];
      point.proxy += weight * proxy[answer];
      point.gold += weight * gold[answer];
      if (i + 1 < all)
        weight *= static_cast<double>(all - i - n) / static_cast<double>(all - 1 - i);
    }
    curve.push_back(point);
  }
  return curve;
}

std::vector<Index> doublings(Index samples) {
  std::vector<Index> sizes;
  for (Index n = 1; n <= samples; n *= 2) sizes.push_back(n);
  return sizes;
}

}  // namespace minillm
