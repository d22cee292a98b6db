// Comparisons shared by the tests of numbers: to the bit, and as relative distances of arrays.

#ifndef TESTS_TESTING_COMPARE_H_
#define TESTS_TESTING_COMPARE_H_

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>

#include "libminillm/core/matrix.h"
#include "libminillm/core/threads.h"

namespace minillm_testing {

// `in_float` in the float build, `in_double` in the double build.
constexpr double by_precision(double in_float, double in_double) {
  return std::is_same_v<minillm::Real, double> ? in_double : in_float;
}

// The number of threads while it lives.
class ThreadCount {
 public:
  explicit ThreadCount(int threads) : old_(minillm::thread_count()) {
    minillm::set_thread_count(threads);
  }
  ~ThreadCount() { minillm::set_thread_count(old_); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;

 private:
  int old_;
};

inline void expect_same_bits(std::span<const minillm::Real> actual,
                             std::span<const minillm::Real> expected, const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  for (size_t i = 0; i < actual.size(); ++i) {
    if (std::memcmp(&actual[i], &expected[i], sizeof(minillm::Real)) == 0) continue;
    ADD_FAILURE() << what << ": bits differ first at element " << i << " of " << actual.size()
                  << ": expected " << expected[i] << ", got " << actual[i] << " (difference "
                  << actual[i] - expected[i] << ")";
    return;
  }
}

// |actual - expected| / |expected|, Euclidean norms over all elements; NaN if any element is.
inline double relative_distance(std::span<const minillm::Real> actual,
                                std::span<const minillm::Real> expected) {
  EXPECT_EQ(actual.size(), expected.size());
  double difference = 0, size = 0;
  for (size_t i = 0; i < std::min(actual.size(), expected.size()); ++i) {
    const double d = double{actual[i]} - double{expected[i]};
    difference += d * d;
    size += double{expected[i]} * double{expected[i]};
  }
  return difference == 0 ? 0 : std::sqrt(difference / size);
}

}  // namespace minillm_testing

#endif  // TESTS_TESTING_COMPARE_H_
