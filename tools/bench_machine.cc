#include "tools/bench_machine.h"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "libminillm/core/arena.h"
#include "libminillm/core/check.h"
#include "libminillm/ops/gemm/gemm.h"
#include "libminillm/ops/gemm/kernels.h"

namespace minillm {
namespace {

// The best of several: a limit is what the machine can do, not what other processes leave of it.
double peak_flops(const gemm::Kernels& kernels) {
  constexpr Index kRounds = 10'000'000;
  double best = 0;
  for (int repetition = 0; repetition < 9; ++repetition) {
    double operations = 0;
    const double begin = now();
#pragma omp parallel reduction(+ : operations)
    operations += kernels.peak_flops_probe(kRounds);
    best = std::max(best, operations / (now() - begin));
  }
  return best;
}

// Each thread reads its share in four streams at once, as many as the processor's prefetchers can
// easily follow. Memory is written first: pages never written are all the same page of zeros.
double read_bandwidth() {
  typedef Real Lanes __attribute__((vector_size(64)));
  constexpr Index kStreams = 4, kWidth = sizeof(Lanes) / sizeof(Real);
  const Index size = Index{1} << 27;  // 512 MB
  Arena memory(size);
  std::ranges::fill(memory.span(), Real{1});
  double best = 0;
  for (int repetition = 0; repetition < 9; ++repetition) {
    double total = 0;
    const double begin = now();
#pragma omp parallel reduction(+ : total)
    {
      const Index share = size / omp_get_num_threads(), stream = share / kStreams / kWidth * kWidth;
      const Real* data = memory.data() + omp_get_thread_num() * share;
      Lanes sums[kStreams] = {};
      for (Index i = 0; i < stream; i += kWidth) {
#pragma GCC unroll 4
        for (Index s = 0; s < kStreams; ++s) {
          Lanes next;
          std::memcpy(&next, data + s * stream + i, sizeof next);
          sums[s] += next;
        }
      }
      for (const Lanes& lanes : sums) total += lanes[0];
    }
    best = std::max(best, static_cast<double>(size) * sizeof(Real) / (now() - begin));
    MINILLM_CHECK(total > 0, "bench: memory is not what was written");
  }
  return best;
}

}  // namespace

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Machine measure_machine() {
  return {peak_flops(gemm::kernels(Precision::kFloat)),
          peak_flops(gemm::kernels(Precision::kBfloat16)), read_bandwidth()};
}

}  // namespace minillm
