// What the thread sanitizer must report, and what it must not: if it were blind, or archer missing,
// all other tests would prove nothing. The argument names the case.

#include <chrono>
#include <cstdio>
#include <string_view>
#include <thread>
#include <vector>

#include "libminillm/core/matrix.h"
#include "libminillm/core/parallel.h"
#include "libminillm/ops/gemm/gemm.h"

namespace {

constexpr size_t kCount = 1000;

long race_in_an_openmp_loop() {
  long sum = 0;
#pragma omp parallel for schedule(static)
  for (size_t i = 0; i < kCount; ++i) sum += static_cast<long>(i);
  return sum;
}

long race_in_parallel_for() {
  long sum = 0;
  minillm::parallel_for(8, [&](size_t i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));  // so that no thread takes them all
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
long race_of_two_products() {
  const minillm::Matrix factor(64, 64);
  minillm::Matrix product(64, 64);
#pragma omp parallel num_threads(2)
  gemm_nt(product.view(), factor.view(), factor.view());
  return static_cast<long>(product(0, 0));
}

// Every thread writes its share and reads the others', as the matrix products do with the panels
// they pack: a race only if nobody waits in between.
long exchange(bool waits) {
  std::vector<long> values(kCount), sums(kCount);
#pragma omp parallel
  {
#pragma omp for schedule(static) nowait
    for (size_t i = 0; i < kCount; ++i) values[i] = static_cast<long>(i);
    if (waits) {
#pragma omp barrier
    }
#pragma omp for schedule(static)
    for (size_t i = 0; i < kCount; ++i) sums[i] = values[kCount - 1 - i];
  }
  return sums[0];
}

// What OpenMP orders: the end of a loop, a barrier, a critical section, a region inside a thread.
long no_race() {
  long sum = exchange(true);
  minillm::parallel_for(kCount, [&](size_t i) {
#pragma omp critical(race_control)
    sum += static_cast<long>(i);
  });
  std::vector<long> parts(2);
  const auto work = [&](size_t part) { parts[part] = exchange(true); };
  std::thread first(work, 0), second(work, 1);
  first.join();
  second.join();
  return sum + parts[0] + parts[1];
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view name = argc > 1 ? argv[1] : "";
  long result = 0;
  if (name == "openmp_loop")
    result = race_in_an_openmp_loop();
  else if (name == "parallel_for")
    result = race_in_parallel_for();
  else if (name == "two_threads")
    result = race_of_two_threads();
  else if (name == "two_products")
    result = race_of_two_products();
  else if (name == "no_barrier")
    result = exchange(false);
  else if (name == "none")
    result = no_race();
  else
    return 2;
  std::printf("result %ld\n", result);
}
