// kill -9 at every file call, and at any moment: the resumed run is the uninterrupted one.

#include <chrono>
#include <thread>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/core/rng.h"
#include "tests/reliability/small_runs.h"

namespace minillm_testing {
namespace {

using namespace minillm;

using Crash = SmallRuns;

// Whether the run has a checkpoint that a reader can open.
bool opens(const std::string& run) {
  try {
    Checkpoint::open(run);
    return true;
  } catch (const Error&) {
    return false;
  }
}

TEST_F(Crash, AtEveryFileCallTheRunResumesToTheSameBytes) {
  const int64_t sites_wanted = cases(25, 1'000'000);
  int64_t tried = 0;
  for (const char* stage : kStages) {
    const int64_t sites = changes_[stage], step = std::max<int64_t>(1, sites / sites_wanted);
    bool had_checkpoint = false;
    for (int64_t site = 1 + tried % step; site <= sites; site += step, ++tried) {
      const TempDir directory;
      const std::string out = directory.file("run");
      const std::string what = fmt::format("{} ended before change {} of {}", stage, site, sites);
      const Outcome crashed = run(stage, out, {"stop", std::to_string(site)});
      ASSERT_EQ(crashed.exit_code, 137) << what << ": " << crashed.err;
      // From the first checkpoint on, there is one at every moment.
      const bool has_checkpoint = opens(out);
      EXPECT_TRUE(has_checkpoint || !had_checkpoint) << what;
      had_checkpoint = has_checkpoint;
      expect_it_recovers(stage, out, what);
    }
  }
  std::printf("%lld call sites\n", static_cast<long long>(tried));
}

TEST_F(Crash, AgainAndAgainAtRandomMomentsItStillEndsTheSame) {
  const int wanted = cases(20, 500);
  Rng rng(1);
  int kills = 0, finished = 0, loaded = 0;
  while (kills < wanted) {
    const std::string stage = kStages[rng.below(std::size(kStages))];
    const TempDir directory;
    const std::string out = directory.file("run");
    for (bool done = false; !done && kills < wanted;) {
      Process process(command(stage, out));
      std::this_thread::sleep_for(std::chrono::microseconds(rng.below(120'000)));
      process.kill();
      const Outcome outcome = process.wait();
      done = outcome.exit_code == 0;
      kills += !done;
      ASSERT_TRUE(done || outcome.exit_code == 128 + SIGKILL) << outcome.err;
      loaded += opens(out);
    }
    finished += 1;
    expect_it_recovers(stage, out, fmt::format("{} after {} kills", stage, kills));
  }
  std::printf("%d kills, %d runs, a checkpoint in %d\n", kills, finished, loaded);
}

TEST_F(Crash, FiftyStartsAtOnceOneProceeds) {
  const TempDir directory;
  const std::string out = directory.file("run");
  std::vector<std::unique_ptr<Process>> processes;
  for (int i = 0; i < 50; ++i)
    processes.push_back(std::make_unique<Process>(command("pretrain", out)));
  int finished = 0;
  for (const auto& process : processes) {
    const Outcome outcome = process->wait();
    if (outcome.exit_code == 0) {
      finished += 1;
      continue;
    }
    EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
    EXPECT_NE(outcome.err.find("another process"), std::string::npos) << outcome.err;
  }
  EXPECT_GE(finished, 1);  // one that started after another had finished has nothing to do
  EXPECT_EQ(result_of(out), whole_["pretrain"]);
}

}  // namespace
}  // namespace minillm_testing
