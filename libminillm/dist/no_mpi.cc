// What mpi.cc is where the library is built without MPI.

#include "libminillm/core/check.h"
#include "libminillm/dist/mpi.h"

namespace minillm {

std::unique_ptr<Communicator> start_mpi(double /*deadline*/) {
  throw Error(fmt::format("ranks: {} were launched: this library was built without MPI (build it "
                          "with MINILLM_MPI=ON, or run it without a launcher)",
                          launched_ranks()),
              ExitCode::kUsage);
}

void abort_ranks(int /*exit_code*/) {}

}  // namespace minillm
