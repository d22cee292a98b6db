// How far a long piece of work has come.

#ifndef LIBMINILLM_CORE_PROGRESS_H_
#define LIBMINILLM_CORE_PROGRESS_H_

#include <functional>

namespace minillm {

// Called now and then, on the thread that works: `done` of `total`, in the work's own unit (bytes,
// tokens). May be empty. If it throws, the work ends with that exception.
using ProgressFunction = std::function<void(double done, double total)>;

inline void report_progress(const ProgressFunction& progress, double done, double total) {
  if (progress) progress(done, total);
}

}  // namespace minillm

#endif  // LIBMINILLM_CORE_PROGRESS_H_
