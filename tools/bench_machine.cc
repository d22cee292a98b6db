#include "tools/bench_machine.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <numeric>
#include <vector>

#include "libminillm/core/arena.h"
#include "libminillm/core/check.h"
#include "libminillm/core/threads.h"
#include "libminillm/ops/gemm/gemm.h"
#include "libminillm/ops/gemm/kernels.h"

namespace minillm {
namespace {

// The best of several: a limit is what the machine can do, not what other processes leave of it.
double peak_flops(const gemm::Kernels& kernels) {
  constexpr Index kRounds = 10'000'000;
  double best = 0;
  for (int repetition = 0; repetition < 9; ++repetition) {
    std::vector<double> operations(static_cast<size_t>(thread_count()));
    const double begin = now();
    parallel_for(operations.size(),
                 [&](size_t i) { operations[i] = kernels.peak_flops_probe(kRounds); });
    const double seconds = now() - begin;
    best = std::max(best, std::reduce(operations.begin(), operations.end()) / seconds);
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
    std::vector<double> totals(static_cast<size_t>(thread_count()));
    const Index share = size / thread_count(), stream = share / kStreams / kWidth * kWidth;
    const double begin = now();
    parallel_for(totals.size(), [&](size_t part) {
      const Real* data = memory.data() + static_cast<Index>(part) * share;
      Lanes sums[kStreams] = {};
      for (Index i = 0; i < stream; i += kWidth) {
#pragma GCC unroll 4
        for (Index s = 0; s < kStreams; ++s) {
          Lanes next;
          std::memcpy(&next, data + s * stream + i, sizeof next);
          sums[s] += next;
        }
      }
      for (const Lanes& lanes : sums) totals[part] += lanes[0];
    });
    best = std::max(best, static_cast<double>(size) * sizeof(Real) / (now() - begin));
    MINILLM_CHECK(std::reduce(totals.begin(), totals.end()) > 0,
                  "bench: memory is not what was written");
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

BusyNeighbour::BusyNeighbour() : process_(fork()) {
  if (process_ != 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // nor any longer than the program
  for (std::atomic<uint64_t> count = 0;;) ++count;
}

BusyNeighbour::~BusyNeighbour() {
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
}

}  // namespace minillm
