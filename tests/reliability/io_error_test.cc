// File system errors at every call: a message, an exit code, nothing lost.

#include <cerrno>
#include <cstring>

#include "tests/reliability/small_runs.h"

namespace minillm_testing {
namespace {

using namespace minillm;

class IoError : public SmallRuns {
 protected:
  static void expect_whole_checkpoints(const std::string& run) {
    if (!is_directory(run)) return;
    for (const std::string& name : list_directory(run)) {
      if (!checkpoint_step(name)) continue;
      EXPECT_NO_THROW(Checkpoint::open(join_path(run, name))) << name;
    }
  }

  // The run fails at a call, or continues in spite of it; either way it recovers.
  static void expect_it_copes(const std::string& stage, int64_t call, int error, bool sticky) {
    const TempDir directory;
    const std::string out = directory.file("run");
    std::vector<std::string> fault = {"fail", std::to_string(call), std::to_string(error)};
    if (sticky) fault.push_back("sticky");
    const std::string what = fmt::format("{}: call {} of {}: {}{}", stage, call, calls_[stage],
                                         std::strerror(error), sticky ? " from then on" : "");
    const Outcome outcome = run(stage, out, fault);
    if (outcome.exit_code != 0) {
      EXPECT_EQ(outcome.exit_code, 1) << what << ": " << outcome.err;
      EXPECT_NE(outcome.err.find(std::strerror(error)), std::string::npos)
          << what << ": " << outcome.err;
      EXPECT_NE(outcome.err.find(" '"), std::string::npos) << what << ": " << outcome.err;
      EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
      ++failed_;
    }
    EXPECT_LE(temporary_names(out).size(), 1u) << what;
    expect_whole_checkpoints(out);
    expect_it_recovers(stage, out, what);
    ++tried_;
  }
  static inline int tried_ = 0, failed_ = 0;
};

TEST_F(IoError, AtEveryCallIsToldAndCostsNothing) {
  constexpr int kErrors[] = {ENOSPC, EDQUOT, EIO, EROFS, EMFILE, EACCES};
  const int64_t cases_wanted = cases(16, 1'000'000);
  tried_ = failed_ = 0;
  for (const char* stage : kStages) {
    const int64_t calls = calls_[stage], step = std::max<int64_t>(1, calls / cases_wanted);
    for (int64_t call = 1 + tried_ % step; call <= calls; call += step) {
      if (long_tests()) {
        for (const int error : kErrors)
          for (const bool sticky : {false, true}) expect_it_copes(stage, call, error, sticky);
      } else {
        expect_it_copes(stage, call, kErrors[tried_ % std::size(kErrors)], tried_ / 6 % 2 == 1);
      }
      if (long_tests() && call % 20 == 0)
        std::fprintf(stderr, "%s: call %ld of %ld, %d faults\n", stage, long{call}, long{calls},
                     tried_);
    }
  }
  std::printf("%d faults, %d of them ended the run\n", tried_, failed_);
  EXPECT_GT(failed_, tried_ / 2);
}

TEST_F(IoError, InterruptionsAndShortWritesAreNotErrors) {
  const int64_t cases_wanted = cases(8, 1'000'000);
  for (const char* stage : kStages) {
    const int64_t calls = calls_[stage], step = std::max<int64_t>(1, calls / cases_wanted);
    for (int64_t call = step; call <= calls; call += step) {
      for (const bool cut : {false, true}) {
        const TempDir directory;
        const std::string out = directory.file("run");
        const std::string number = std::to_string(call);
        const Outcome outcome = cut ? run(stage, out, {"short", number})
                                    : run(stage, out, {"fail", number, std::to_string(EINTR)});
        ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
        EXPECT_EQ(result_of(out), whole_[stage]);
      }
    }
  }
}

}  // namespace
}  // namespace minillm_testing
