#include "libminillm/core/threads.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <system_error>
#include <thread>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

thread_local bool t_in_part = false;

// Tells the processor that this thread only waits.
void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// About a hundred microseconds: longer than what lies between two loops of a pass, much shorter
// than a time slice. Who sleeps leaves its core to whoever has lost theirs.
constexpr int kSpins = 4000;

class Team {
 public:
  // False if it is at other work.
  bool share(Index parts, void (*call)(void*, Index), void* body) {
    if (busy_.exchange(true, std::memory_order_acquire)) return false;
    call_ = call, body_ = body, parts_ = parts;
    unfinished_.store(static_cast<uint32_t>(parts), std::memory_order_relaxed);
    unclaimed_ = static_cast<uint32_t>(parts);  // in order before the look for who sleeps
    unclaimed_.notify_all();
    while (do_part()) continue;
    wait_until_finished();
    busy_.store(false, std::memory_order_release);
    return true;
  }

  // From now on that many helpers look for loops. If the system has no more threads, fewer do.
  void use(int helpers) {
    if (helpers == used_.load(std::memory_order_relaxed)) return;
    const std::scoped_lock lock(mutex_);
    try {
      for (; helpers_ < helpers; ++helpers_) begin_helper(helpers_);
    } catch (const std::system_error&) {
    }
    used_ = helpers;
    used_.notify_all();
  }

 private:
  // Signals that are sent are for the threads that the program knows of; those that a thread causes
  // itself are its own.
  void begin_helper(int index) {
    sigset_t all, before;
    sigfillset(&all);
    for (const int own : {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGPROF})
      sigdelset(&all, own);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const auto restore = [&] { pthread_sigmask(SIG_SETMASK, &before, nullptr); };
    try {
      std::thread([this, index] { help(index); }).detach();
    } catch (...) {
      restore();
      throw;
    }
    restore();
  }

  void help(int index) {
    for (;;) {
      for (int used; (used = used_.load()) <= index;) used_.wait(used);
      while (used_.load(std::memory_order_relaxed) > index && do_part()) continue;
      for (int spin = 0; spin < kSpins && unclaimed_.load(std::memory_order_relaxed) == 0; ++spin)
        pause();
      unclaimed_.wait(0);
    }
  }

  // Claims a part and does it; false if none is left. The loop cannot end, nor the next one begin,
  // while a claimed part is unfinished, so what is read after the claim belongs to it.
  bool do_part() {
    uint32_t left = unclaimed_.load(std::memory_order_relaxed);
    do {
      if (left == 0) return false;
    } while (!unclaimed_.compare_exchange_weak(left, left - 1, std::memory_order_acquire));
    t_in_part = true;
    call_(body_, parts_ - static_cast<Index>(left));
    t_in_part = false;
    if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_one();
    return true;
  }

  void wait_until_finished() {
    uint32_t left = 0;
    for (int spin = 0; spin < kSpins; ++spin) {
      left = unfinished_.load(std::memory_order_acquire);
      if (left == 0) return;
      pause();
    }
    while ((left = unfinished_.load(std::memory_order_acquire)) != 0) unfinished_.wait(left);
  }

  // Of the loop that is shared.
  void (*call_)(void*, Index) = nullptr;
  void* body_ = nullptr;
  Index parts_ = 0;
  // Each changes at every part: in cache lines of their own.
  alignas(64) std::atomic<uint32_t> unclaimed_ = 0;
  alignas(64) std::atomic<uint32_t> unfinished_ = 0;
  alignas(64) std::atomic<bool> busy_ = false;
  std::mutex mutex_;
  int helpers_ = 0;  // that have begun
  std::atomic<int> used_ = 0;
};

// At least 1, at most kMaxThreads.
int processors() {
  const auto usable = [](long count) {
    return static_cast<int>(std::clamp<long>(count, 1, kMaxThreads));
  };
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) return usable(CPU_COUNT(&allowed));
  return usable(sysconf(_SC_NPROCESSORS_ONLN));
}

std::atomic<int> g_threads = 0;  // 0: not yet known

// Never destroyed: its helpers look for loops until the process ends.
std::atomic<Team*> g_team = nullptr;
std::mutex g_team_mutex;
// A child of fork() has none of its parent's helpers.
[[maybe_unused]] const int kForkHandlers =
    pthread_atfork([] { g_team_mutex.lock(); }, [] { g_team_mutex.unlock(); },
                   [] {
                     g_team = nullptr;
                     g_team_mutex.unlock();
                   });

Team& team() {
  if (Team* known = g_team.load(std::memory_order_acquire)) return *known;
  const std::scoped_lock lock(g_team_mutex);
  if (g_team.load(std::memory_order_relaxed) == nullptr) g_team = new Team;
  return *g_team.load(std::memory_order_relaxed);
}

}  // namespace

int thread_count() {
  const int known = g_threads.load(std::memory_order_relaxed);
  if (known > 0) return known;
  const char* asked = std::getenv("OMP_NUM_THREADS");
  const int count = asked == nullptr ? 0 : internal::parse_thread_count(asked);
  int none = 0;
  g_threads.compare_exchange_strong(none, count > 0 ? count : processors());
  return g_threads;
}

void set_thread_count(int count) { g_threads = std::clamp(count, 1, kMaxThreads); }

int threads_here() { return t_in_part ? 1 : thread_count(); }

namespace internal {

// OpenMP's lists ("4,2") count threads of loops inside loops after the comma.
int parse_thread_count(std::string_view text) {
  if (text.empty()) return 0;
  int count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const bool whole = end == text.data() + text.size() || *end == ',';
  MINILLM_CHECK_USAGE(error == std::errc() && whole && count >= 1 && count <= kMaxThreads,
                      "threads: expected 1 to {}, got {} (OMP_NUM_THREADS)", kMaxThreads, text);
  return count;
}

void share(Index parts, void (*call)(void* body, Index part), void* body) {
  Team& all = team();
  all.use(thread_count() - 1);
  if (parts <= UINT32_MAX && all.share(parts, call, body)) return;
  for (Index part = 0; part < parts; ++part) call(body, part);
}

}  // namespace internal
}  // namespace minillm
