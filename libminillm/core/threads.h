// What has to hold before work is divided among threads.

#ifndef LIBMINILLM_CORE_THREADS_H_
#define LIBMINILLM_CORE_THREADS_H_

namespace minillm {

inline constexpr int kMaxThreads = 1024;

// Throws Error (kUsage) if OpenMP is to use more than kMaxThreads threads, and Error in a child
// that fork() made of a process that had called this before: OpenMP's threads are not there in the
// child, and it would wait for them for ever. One thread is always fine.
void expect_usable_threads();

}  // namespace minillm

#endif  // LIBMINILLM_CORE_THREADS_H_
