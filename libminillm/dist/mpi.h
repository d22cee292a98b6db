// Ranks as processes that an MPI launcher (mpirun) has started, on one machine or several.

#ifndef LIBMINILLM_DIST_MPI_H_
#define LIBMINILLM_DIST_MPI_H_

#include <memory>

#include "libminillm/dist/communicator.h"

namespace minillm {

// How many ranks the launcher of this process has started; 1 without one. Only looks at the
// environment: MPI itself costs a third of a second to start.
Index launched_ranks();
// Which of them this one is, 0 if it is the only one; and how many are on this machine.
Index launched_rank();
Index launched_ranks_here();

// The communicator of all ranks that were launched; null where this is the only one, and then MPI
// is never started. Once in a process. `deadline`, in seconds, is that of Communicator::wait.
// Throws Error (kUsage) if several ranks were launched and this library was built without MPI
// (MINILLM_MPI), or by another MPI's launcher.
std::unique_ptr<Communicator> open_launched_ranks(double deadline = 600);

// The same wherever it runs, once in a process: in a library without MPI it throws.
std::unique_ptr<Communicator> start_mpi(double deadline);

// Ends all ranks with this exit code: what a rank does that cannot go on, as the others wait for
// it. Returns where there are no others.
void abort_ranks(int exit_code);

}  // namespace minillm

#endif  // LIBMINILLM_DIST_MPI_H_
