// What the thread sanitizer must report, and what it must not: if it were blind, all other tests
// would prove nothing. The argument names the case.

#include <chrono>
#include <cstdio>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "libminillm/core/matrix.h"
#include "libminillm/core/threads.h"
#include "libminillm/ops/gemm/gemm.h"

namespace {

constexpr size_t kCount = 1000;

// Long enough that no thread takes all parts.
void linger() { std::this_thread::sleep_for(std::chrono::milliseconds(10)); }

long race_in_for_ranges() {
  long sum = 0;
  minillm::for_ranges(8, true, [&](minillm::Index begin, minillm::Index end) {
    linger();
    sum += end - begin;
  });
  return sum;
}

long race_in_parallel_for() {
  long sum = 0;
  minillm::parallel_for(8, [&](size_t i) {
    linger();
    sum += static_cast<long>(i);
  });
  return sum;
}

long race_of_two_threads() {
  long sum = 0;
  const auto add = [&] {
    for (size_t i = 0; i < kCount; ++i) sum += static_cast<long>(i);
  };
  std::thread first(add), second(add);
  first.join();
  second.join();
  return sum;
}

// The sanitizer sees no access wider than 16 bytes: only the portable kernels' (MINILLM_KERNELS).
// One thread each: two callers who have the team one after the other are in an order.
long race_of_two_products() {
  minillm::set_thread_count(1);
  const minillm::Matrix factor(64, 64);
  minillm::Matrix product(64, 64);
  const auto multiply = [&] { gemm_nt(product.view(), factor.view(), factor.view()); };
  std::thread first(multiply), second(multiply);
  first.join();
  second.join();
  return static_cast<long>(product(0, 0));
}

// What a loop writes, the next one reads, whoever did which part.
long exchange() {
  std::vector<long> values(kCount), sums(kCount);
  minillm::for_parts(kCount, [&](minillm::Index i) { values[static_cast<size_t>(i)] = i; });
  minillm::for_parts(kCount, [&](minillm::Index i) {
    sums[static_cast<size_t>(i)] = values[kCount - 1 - static_cast<size_t>(i)];
  });
  return sums[0];
}

// What is in order: two loops after each other, a mutex, loops that two threads begin at once.
long no_race() {
  long sum = 0;
  std::mutex mutex;
  minillm::parallel_for(kCount, [&](size_t i) {
    const std::scoped_lock lock(mutex);
    sum += static_cast<long>(i);
  });
  std::vector<long> parts(2);
  const auto work = [&](size_t part) {
    for (int repeat = 0; repeat < 100; ++repeat) parts[part] += exchange();
  };
  std::thread first(work, 0), second(work, 1);
  first.join();
  second.join();
  return sum + parts[0] + parts[1];
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view name = argc > 1 ? argv[1] : "";
  long result = 0;
  if (name == "for_ranges")
    result = race_in_for_ranges();
  else if (name == "parallel_for")
    result = race_in_parallel_for();
  else if (name == "two_threads")
    result = race_of_two_threads();
  else if (name == "two_products")
    result = race_of_two_products();
  else if (name == "none")
    result = no_race();
  else
    return 2;
  std::printf("result %ld\n", result);
}
