// What an MPI launcher tells its processes, without MPI.

#include <charconv>
#include <cstdlib>
#include <initializer_list>
#include <string_view>

#include "libminillm/core/check.h"
#include "libminillm/dist/mpi.h"

namespace minillm {

namespace {

// What the environment says by the first of these names that holds a number; else `otherwise`.
Index number_in(std::initializer_list<const char*> names, Index least, Index otherwise) {
  for (const char* name : names) {
    const char* text = std::getenv(name);
    if (text == nullptr) continue;
    const std::string_view digits(text);
    Index number = 0;
    const auto [rest, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error == std::errc() && rest == digits.data() + digits.size() && number >= least)
      return number;
  }
  return otherwise;
}

}  // namespace

// By Open MPI; by MPICH and its relatives, and SLURM's PMI; only where there are several.
Index launched_ranks() { return number_in({"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}, 1, 1); }
Index launched_rank() {
  return launched_ranks() == 1 ? 0 : number_in({"OMPI_COMM_WORLD_RANK", "PMI_RANK"}, 0, 0);
}
Index launched_ranks_here() {
  return number_in({"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"}, 1, launched_ranks());
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
