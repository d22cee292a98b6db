#include "libminillm/optim/grad_norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "libminillm/core/threads.h"
#include "tests/testing/grad_check.h"

namespace minillm {
namespace {

using minillm_testing::random_values;

TEST(GradNorm, IsTheEuclideanNormAtEverySize) {
  for (size_t size : {0, 1, 2, 15, 16, 17, 63, 64, 65, 1000, 1024, 4097}) {
    const auto values = random_values(size, size);
    double sum = 0;
    for (Real v : values) sum += double{v} * double{v};
    EXPECT_NEAR(l2_norm(values), std::sqrt(sum), 1e-13 * std::sqrt(sum)) << size;
  }
}

TEST(GradNorm, DoesNotOverflowWhereFloatWould) {
  EXPECT_NEAR(l2_norm(std::vector<Real>(4, 1e30f)) / 2e30, 1, 1e-6);
}

TEST(GradNorm, GivesTheSameBitsForAnyNumberOfThreads) {
  const auto values = random_values(100003, 5);
  const int threads_before = thread_count();
  set_thread_count(1);
  const double expected = l2_norm(values);
  for (int threads : {2, 3, 4}) {
    set_thread_count(threads);
    EXPECT_EQ(l2_norm(values), expected) << threads;
  }
  set_thread_count(threads_before);
}

TEST(GradNorm, ShowsAndFindsWhatIsNotFinite) {
  for (const Real bad :
       {std::numeric_limits<Real>::quiet_NaN(), std::numeric_limits<Real>::infinity(),
        -std::numeric_limits<Real>::infinity()}) {
    for (size_t place : {0, 77, 999}) {
      auto values = random_values(1000, 3);
      values[place] = bad;
      EXPECT_FALSE(std::isfinite(l2_norm(values)));
      EXPECT_EQ(first_non_finite(values), static_cast<Index>(place));
    }
  }
  EXPECT_EQ(first_non_finite(random_values(1000, 3)), std::nullopt);
}

}  // namespace
}  // namespace minillm
