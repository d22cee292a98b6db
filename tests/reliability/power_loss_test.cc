// The power fails at any call: the disk then still holds the last checkpoint that the run has
// reported as saved, or a newer one.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "libminillm/core/error.h"
#include "tests/reliability/disk_model.h"
#include "tests/reliability/processes.h"
#include "tests/train/test_run.h"

namespace minillm_testing {
namespace {

using namespace minillm;

// A run's file calls in order, with "saved step s" between them.
struct Trace {
  struct Event {
    RecordedCall call;
    Index saved_step = 0;  // instead of a call, if not 0
  };
  std::vector<Event> events;
};

TrainConfig saving_often() {
  TrainConfig config;
  config.steps = 12;
  config.save_every = 2;
  config.eval_every = 3;  // the best one is marked between two saves
  config.keep_last = 2;
  config.log_every = 1;
  config.schedule.learning_rate = 1e-2;
  return config;
}

// Trains the copy task in `directory`/run, starting from what is there.
void train(const std::string& directory, CopyTask& task, Trace* trace) {
  RunDirectory run(join_path(directory, "run"));
  TrainConfig config = saving_often();
  Trainer trainer(config, config.steps, task.stage(), &run);
  trainer.resume();
  TrainerEvents events;
  events.on_message = [&](const std::string& text) {
    if (trace != nullptr && text.starts_with("saved '"))
      trace->events.push_back({{}, trainer.state().step});
  };
  trainer.run(events);
}

Trace record(const std::string& directory) {
  Trace trace;
  set_file_hook([&](const FileCall& call) {
    if (call.operation >= FileOperation::kOpenToWrite)
      trace.events.push_back({{call.operation, call.path, std::string(call.argument)}, 0});
    return FileVerdict();
  });
  CopyTask task;
  train(directory, task, &trace);
  set_file_hook({});
  return trace;
}

TEST(PowerLoss, TheLastSavedCheckpointOrANewerOneIsThere) {
  minillm::set_thread_count(1);
  const TempDir original;
  const Trace trace = record(original.path());
  const std::string whole = Checkpoint::open(original.file("run")).weights_hash();

  const int wanted = cases(1'000, 100'000);
  const auto calls = static_cast<int>(std::ranges::count_if(
      trace.events, [](const Trace::Event& event) { return event.saved_step == 0; }));
  const int per_call = (wanted + calls - 1) / calls;
  Rng rng(1);
  int states = 0, resumed = 0;
  DiskModel disk(original.path());
  Index saved = 0;
  for (const Trace::Event& event : trace.events) {
    if (event.saved_step != 0) {
      saved = event.saved_step;
      continue;
    }
    disk.apply(event.call);
    for (int i = 0; i < per_call; ++i, ++states) {
      const TempDir after;
      const std::string run = after.file("disk/run");
      disk.write_a_crashed_state(after.file("disk"), rng);
      SCOPED_TRACE(fmt::format("after call on '{}', step {} was saved", event.call.path, saved));
      if (saved > 0) {
        ASSERT_TRUE(is_directory(run));
        const Checkpoint checkpoint = Checkpoint::open(run);
        ASSERT_GE(checkpoint.state()->step, saved);
      }
      if (states % 50 != 0) continue;
      CopyTask task;
      train(after.file("disk"), task, nullptr);
      ASSERT_EQ(Checkpoint::open(run).weights_hash(), whole);
      ++resumed;
    }
  }
  std::printf("%d states, %d resumed\n", states, resumed);
  EXPECT_EQ(saved, 12);
}

// The disk model must be able to fail: without fsync, the same protocol loses checkpoints.
TEST(PowerLoss, WithoutSyncTheModelLosesCheckpoints) {
  minillm::set_thread_count(1);
  const TempDir original;
  const Trace trace = record(original.path());
  Rng rng(2);
  DiskModel disk(original.path());
  Index saved = 0;
  int lost = 0;
  for (const Trace::Event& event : trace.events) {
    saved = std::max(saved, event.saved_step);
    if (event.saved_step != 0 || event.call.operation == FileOperation::kSync) continue;
    disk.apply(event.call);
    const TempDir after;
    disk.write_a_crashed_state(after.file("disk"), rng);
    if (saved == 0) continue;
    try {
      lost += Checkpoint::open(after.file("disk/run")).state()->step < saved;
    } catch (const Error&) {
      ++lost;
    }
  }
  EXPECT_GT(lost, 10);
}

}  // namespace
}  // namespace minillm_testing
