// What an MPI launcher tells its processes, without MPI.

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "libminillm/core/check.h"
#include "libminillm/dist/mpi.h"

namespace minillm {

// By Open MPI; by MPICH and its relatives, and SLURM's PMI; only where there are several.
Index launched_ranks() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    const char* text = std::getenv(name);
    if (text == nullptr) continue;
    const std::string_view digits(text);
    Index ranks = 0;
    const auto [rest, error] = std::from_chars(digits.begin(), digits.end(), ranks);
    if (error == std::errc() && rest == digits.end() && ranks > 0) return ranks;
  }
  return 1;
}

std::unique_ptr<Communicator> open_launched_ranks(double deadline) {
  const Index launched = launched_ranks();
  if (launched == 1) return nullptr;
  std::unique_ptr<Communicator> ranks = start_mpi(deadline);
  MINILLM_CHECK_USAGE(ranks->ranks() == launched,
                      "ranks: {} were launched, and MPI knows of {}: expected Open MPI's own "
                      "launcher",
                      launched, ranks->ranks());
  return ranks;
}

}  // namespace minillm
