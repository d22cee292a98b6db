// A run that ranks (threads here) train together, one after another, in one directory.

#ifndef TESTS_TRAIN_RANKED_RUN_H_
#define TESTS_TRAIN_RANKED_RUN_H_

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "libminillm/dist/loopback.h"
#include "tests/train/test_run.h"

namespace minillm_testing {

using minillm::Communicator;
using minillm::join_path;
using minillm::read_file;
using minillm::run_loopback;

inline TrainConfig config_of(int64_t slots) {
  TrainConfig config = ten_steps();
  config.steps = 7;
  config.save_every = 3;
  config.accumulation_steps = 16;
  config.slots = slots;
  return config;
}

// A directory that ranks train into, one after another.
struct RankedRun {
  TempDir dir;
  std::string path = dir.file("run");
  std::vector<std::string> messages;                                     // of the first rank
  std::function<void(CopyTask&, Index)> plan = [](CopyTask&, Index) {};  // faults, by rank
  Index stop_after = -1, stopped_rank = 0;                               // as Ctrl-C on one rank
  std::function<void(CopyTask&, Index rank, Index step)> after_step = {};
  Index stop_from = -1;  // as one that is asked for until it is heeded
  bool one_backward = false;
  std::vector<TrainOutcome> outcomes;  // by rank

  void train(Index ranks, const TrainConfig& config, bool resume = false, Index micro_batches = 0) {
    outcomes.assign(static_cast<size_t>(ranks), TrainOutcome::kDryRun);
    run_loopback(
        ranks,
        [&](Communicator& communicator) {
          minillm::set_thread_count(1);
          const Index rank = communicator.rank();
          CopyTask task;
          task.accumulation = config.accumulation_steps;
          plan(task, rank);
          std::optional<RunDirectory> directory;
          if (rank == 0) directory.emplace(path);
          TrainingTask stage = task.stage();
          stage.micro_batches = micro_batches;
          stage.one_backward = one_backward;
          Trainer trainer(config, config.steps, stage, directory ? &*directory : nullptr,
                          &communicator);
          if (resume) trainer.resume();
          TrainerEvents events;
          Index step = 0;
          events.on_step = [&](const StepReport& report) {
            step = report.step;
            if (after_step) after_step(task, rank, step);
          };
          events.stop_requested = [&] {
            return rank == stopped_rank &&
                   (step == stop_after || (stop_from >= 0 && step >= stop_from));
          };
          if (rank == 0)
            events.on_message = [&](const std::string& text) { messages.push_back(text); };
          outcomes[static_cast<size_t>(rank)] = trainer.run(events);
        },
        /*deadline=*/20);
  }

  // All of the newest checkpoint, and the log without what a clock says.
  std::map<std::string, std::string> bytes() const {
    std::map<std::string, std::string> all;
    const RunDirectory run(path);
    const std::string checkpoint = Checkpoint::open(path).path();
    for (const char* name : {"model.safetensors", "optimizer.safetensors", "config.json"})
      all[name] = read_file(join_path(checkpoint, name));
    auto state = nlohmann::json::parse(read_file(join_path(checkpoint, "trainer_state.json")));
    state["minillm"].erase("metrics_offset");  // counts the digits of the times
    all["state"] = state["minillm"].dump();
    for (nlohmann::json line : read_metrics(run)) {
      for (const char* clock : {"time", "tokens_per_second", "eval_runtime"}) line.erase(clock);
      all["log"] += line.dump() + "\n";
    }
    return all;
  }
};

}  // namespace minillm_testing

#endif  // TESTS_TRAIN_RANKED_RUN_H_
