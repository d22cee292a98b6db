// Loops on several threads.
//
// A loop is cut into parts. The calling thread and its helpers claim one after another from a
// counter, so that a thread whose core is taken away holds up one part and not its share of the
// loop; a helper that claims nothing is not waited for. Who computes a part changes no bit. Helpers
// begin at the first loop, look for the next one for about a hundred microseconds, and then
// sleep.
//
// There is one team for the process. A loop inside a part that the team shares, or while another
// thread's loop has the team, runs on its own thread alone. A child of fork() has a team of its
// own.

#ifndef LIBMINILLM_CORE_THREADS_H_
#define LIBMINILLM_CORE_THREADS_H_

#include <algorithm>
#include <exception>
#include <mutex>
#include <string_view>
#include <type_traits>

#include "libminillm/core/real.h"

namespace minillm {

inline constexpr int kMaxThreads = 1024;

// Threads of a loop, the calling one included: what set_thread_count() was told last; else the
// environment's OMP_NUM_THREADS; else as many as there are processors for this process. Throws
// Error (kUsage) if the environment's is no number of threads.
int thread_count();
// REQUIRES at least 1.
void set_thread_count(int count);
// Threads that a loop that begins here can have: 1 inside a part.
int threads_here();

namespace internal {
// The number in OMP_NUM_THREADS; 0: it is empty. Throws Error (kUsage).
int parse_thread_count(std::string_view text);
// Calls call(body, part) for every part in [0, parts). `call` does not throw.
void share(Index parts, void (*call)(void* body, Index part), void* body);
}  // namespace internal

// Calls body(part) for every part in [0, parts), which must not throw.
template <typename Body>
void for_parts(Index parts, Body&& body) {
  if (parts <= 1 || threads_here() == 1) {
    for (Index part = 0; part < parts; ++part) body(part);
    return;
  }
  using Called = std::remove_reference_t<Body>;
  internal::share(
      parts, [](void* called, Index part) noexcept { (*static_cast<Called*>(called))(part); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

// Calls body(begin, end) for ranges that make up [0, count), which must not throw; on one thread
// unless it is `worth` more.
template <typename Body>
void for_ranges(Index count, bool worth, Body&& body) {
  constexpr Index kPartsPerThread = 4;  // few are cheap, many even out what threads can do
  const Index parts = worth ? std::min(count, threads_here() * kPartsPerThread) : 1;
  if (parts <= 1) {
    if (count > 0) body(Index{0}, count);
    return;
  }
  for_parts(parts, [&](Index part) { body(count * part / parts, count * (part + 1) / parts); });
}

// Calls body(i) for every i in [0, count). If calls throw, one of their exceptions is thrown when
// all have ended.
template <typename Body>
void parallel_for(size_t count, Body&& body) {
  std::exception_ptr error;
  std::mutex mutex;
  for_parts(static_cast<Index>(count), [&](Index i) {
    try {
      body(static_cast<size_t>(i));
    } catch (...) {
      const std::scoped_lock lock(mutex);
      error = std::current_exception();
    }
  });
  if (error) std::rethrow_exception(error);
}

}  // namespace minillm

#endif  // LIBMINILLM_CORE_THREADS_H_
