// Ranks as threads of one process: every order of sums can be tried without an engine.

#ifndef LIBMINILLM_DIST_LOOPBACK_H_
#define LIBMINILLM_DIST_LOOPBACK_H_

#include <functional>

#include "libminillm/dist/communicator.h"

namespace minillm {

// Runs body(communicator) once for every rank, each on a thread of its own, and returns when all
// have ended. If one throws, the others' waits throw, too, and the first exception is thrown here.
// `deadline` is that of wait(), in seconds.
void run_loopback(Index ranks, const std::function<void(Communicator&)>& body,
                  double deadline = 600);

}  // namespace minillm

#endif  // LIBMINILLM_DIST_LOOPBACK_H_
