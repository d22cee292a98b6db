#include "libminillm/core/threads.h"

#include <omp.h>
#include <pthread.h>

#include <atomic>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

std::atomic<bool> g_forked = false;

}  // namespace

void expect_usable_threads() {
  static const int kRegistered = pthread_atfork(nullptr, nullptr, [] { g_forked = true; });
  static_cast<void>(kRegistered);
  const int threads = omp_get_max_threads();
  MINILLM_CHECK_USAGE(threads <= kMaxThreads, "threads: expected 1 to {}, got {} (OMP_NUM_THREADS)",
                      kMaxThreads, threads);
  MINILLM_CHECK(
      threads == 1 || !g_forked,
      "threads: this process was forked from one that had computed already, whose threads "
      "it does not have (fork before the first use, call exec, or use one thread)");
}

}  // namespace minillm
