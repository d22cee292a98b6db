// Ranks in a tool: several processes that a launcher (mpirun) has started are one command. The
// first one speaks; what is wrong is said once.

#ifndef TOOLS_RANKS_H_
#define TOOLS_RANKS_H_

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "libminillm/dist/mpi.h"

namespace minillm {

// Seconds that one rank may be silent, unless --rank-timeout says otherwise.
inline constexpr double kRankTimeout = 600;

// All ranks that were launched; null where this is the only one. All but the first print nothing
// from here on.
inline std::unique_ptr<Communicator> open_ranks(double timeout = kRankTimeout) {
  std::unique_ptr<Communicator> ranks = open_launched_ranks(timeout);
  if (number_of(ranks.get()) == 0) return ranks;
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nowhere >= 0) dup2(nowhere, STDOUT_FILENO);
  return ranks;
}

// In front of an error of this rank: "rank 2 on host7: "; of the first one, or the only one, "".
inline std::string rank_prefix() {
  if (launched_rank() == 0) return "";
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  return fmt::format("rank {} on {}: ", launched_rank(), host);
}

// Errors that all ranks have alike are the first one's to tell: mpirun ends all as soon as one has
// ended with an error, so the others wait a while before they speak and end. (Under a launcher that
// does not, such as srun without -K, each tells it.)
inline void let_first_rank_speak() {
  if (launched_rank() != 0) std::this_thread::sleep_for(std::chrono::seconds(3));
}

// A warning where this process may use fewer processors than its share of the machine, as mpirun
// binds ranks to a core or so each; "" otherwise.
inline std::string binding_warning(int allowed, int processors, int ranks_here, int threads) {
  const int share = std::max(1, processors / std::max(1, ranks_here));
  if (allowed >= share && threads <= allowed) return "";
  return fmt::format(
      "warning: this rank may use {} of {} processors for {} thread{}, with {} rank{} on this "
      "machine (start with: mpirun --bind-to none, or --map-by ppr:1:socket:pe=CORES)",
      allowed, processors, threads, threads == 1 ? "" : "s", ranks_here,
      ranks_here == 1 ? "" : "s");
}
inline std::string binding_warning(int threads) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return "";
  return binding_warning(CPU_COUNT(&allowed), static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)),
                         static_cast<int>(launched_ranks_here()), threads);
}

}  // namespace minillm

#endif  // TOOLS_RANKS_H_
