// MINILLM_CHECK(condition, "format", ...) throws Error; MINILLM_DCHECK(condition) asserts our own
// logic. Internal: not included by public headers, so that users of the library need no fmt.

#ifndef LIBMINILLM_CORE_CHECK_H_
#define LIBMINILLM_CORE_CHECK_H_

#include <fmt/format.h>

#include <cassert>

#include "libminillm/core/error.h"

// For what the world or the caller can cause: files, configs, shapes at the public API, token ids.
#define MINILLM_CHECK(condition, ...)                                     \
  do {                                                                    \
    if (!(condition)) throw ::minillm::Error(::fmt::format(__VA_ARGS__)); \
  } while (false)

// The same for wrong options and config values: the tools exit with 2.
#define MINILLM_CHECK_USAGE(condition, ...)                                            \
  do {                                                                                 \
    if (!(condition))                                                                  \
      throw ::minillm::Error(::fmt::format(__VA_ARGS__), ::minillm::ExitCode::kUsage); \
  } while (false)

// For our own bugs; on in debug and sanitizer builds.
#define MINILLM_DCHECK(condition) assert(condition)

#endif  // LIBMINILLM_CORE_CHECK_H_
