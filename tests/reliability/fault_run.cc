// One training run under a fault, as a separate process, so that it can die: what the tests in this
// directory start again and again.
//
//   fault_run STAGE DIRECTORY OUT [count | stop N | fail N ERRNO [sticky] | short N]
//
// continues (or begins) the run OUT of a stage on the small data set in DIRECTORY.
//
//   count                  prints how many calls changed files, and how many there were in all
//   stop N                 ends the process right before the N-th call that changes files
//   fail N ERRNO [sticky]  the N-th call of all fails with that errno; sticky: all later ones too
//   short N                the N-th call, if it writes, writes half of its bytes
//
// Exit codes are those of the tools; 137 after `stop`.

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "libminillm/core/error.h"
#include "libminillm/core/file_calls.h"
#include "libminillm/core/threads.h"
#include "tests/reliability/fault_run.h"

namespace {

using namespace minillm;

int64_t g_changes = 0, g_calls = 0;

void set_fault(int argc, char** argv) {
  const std::string fault = argc > 4 ? argv[4] : "count";
  const int64_t at = argc > 5 ? std::atoll(argv[5]) : 0;
  const int error = argc > 6 ? std::atoi(argv[6]) : 0;
  const bool sticky = argc > 7;
  set_file_hook([=](const FileCall& call) {
    ++g_calls;
    if (call.operation >= FileOperation::kOpenToWrite) ++g_changes;
    FileVerdict verdict;
    if (fault == "stop" && g_changes == at) _exit(137);
    const bool possible = error != EINTR || call.operation != FileOperation::kMap;
    if (fault == "fail" && possible && (sticky ? g_calls >= at : g_calls == at))
      verdict.error = error;
    if (fault == "short" && g_calls == at && call.operation == FileOperation::kWrite)
      verdict.most_bytes = (call.argument.size() + 1) / 2;
    return verdict;
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  minillm::set_thread_count(1);  // the model is too small for more
  set_fault(argc, argv);
  try {
    minillm_testing::run_small_stage(argv[1], argv[2], argv[3]);
  } catch (const Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return static_cast<int>(error.exit_code());
  }
  std::printf("%lld %lld\n", static_cast<long long>(g_changes), static_cast<long long>(g_calls));
  return 0;
}
