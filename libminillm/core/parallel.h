// Loops over independent work, on all threads.

#ifndef LIBMINILLM_CORE_PARALLEL_H_
#define LIBMINILLM_CORE_PARALLEL_H_

#include <cstddef>
#include <exception>

#include "libminillm/core/threads.h"

namespace minillm {

// Calls body(i) for every i in [0, count), each on the next free thread. If calls throw, one
// of their exceptions is thrown when all have ended. Inside another parallel loop: on the
// calling thread alone.
template <typename Body>
void parallel_for(size_t count, Body&& body) {
  if (count <= 1) {  // a team of threads, even of one, costs more than a short text's tokens
    if (count == 1) body(size_t{0});
    return;
  }
  expect_usable_threads();
  std::exception_ptr error;
#pragma omp parallel for schedule(dynamic)
  for (size_t i = 0; i < count; ++i) {
    try {
      body(i);
    } catch (...) {
#pragma omp critical(minillm_parallel_for_error)
      error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace minillm

#endif  // LIBMINILLM_CORE_PARALLEL_H_
