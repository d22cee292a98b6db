// One training by the Trainer in a directory of its own, and what it leaves there.

#ifndef TESTS_TRAIN_TEST_RUN_H_
#define TESTS_TRAIN_TEST_RUN_H_

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "libminillm/core/file.h"
#include "libminillm/core/threads.h"
#include "libminillm/train/trainer.h"
#include "tests/testing/temp_dir.h"
#include "tests/train/copy_task.h"

namespace minillm_testing {

using minillm::Checkpoint;
using minillm::RunDirectory;
using minillm::StepReport;
using minillm::TrainConfig;
using minillm::Trainer;
using minillm::TrainerEvents;
using minillm::TrainingTask;
using minillm::TrainOutcome;

inline std::vector<Real> copy(std::span<const Real> values) {
  return {values.begin(), values.end()};
}

struct Moments {
  std::vector<Real> exp_avg, exp_avg_sq;
  bool operator==(const Moments&) const = default;
};
inline Moments load_moments(const RunDirectory& run, Index step,
                            const minillm::TensorTable& table) {
  const auto size = static_cast<size_t>(table.size());
  Moments moments{std::vector<Real>(size), std::vector<Real>(size)};
  Checkpoint::open(run.checkpoint_path(step))
      .load_moments(table, moments.exp_avg, moments.exp_avg_sq);
  return moments;
}

inline std::vector<nlohmann::json> read_metrics(const RunDirectory& run) {
  std::vector<nlohmann::json> lines;
  std::istringstream text(minillm::read_file(run.metrics_path()));
  for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

// Damages a file as a bad disk does.
inline void overwrite_byte(const std::string& path, size_t offset) {
  std::string bytes = minillm::read_file(path);
  bytes.at(offset) = static_cast<char>(bytes.at(offset) ^ 0x55);
  std::ofstream(path, std::ios::binary) << bytes;
}

// What the Trainer said while it trained; may be used for several trainings in the same directory.
struct TestRun {
  TempDir dir;
  RunDirectory directory{dir.file("run")};
  std::vector<std::string> messages, samples;
  std::vector<StepReport> reports;
  std::function<void(const StepReport&)> on_step;
  Index stop_after = -1;  // as Ctrl-C in that step
  int threads = 1;        // a model this small gains nothing from more

  // From the start, or continued if `resume`.
  TrainOutcome train(CopyTask& task, const TrainConfig& config, const TrainingTask& stage,
                     bool resume = false) {
    minillm::set_thread_count(threads);
    if (!stage.prepare) task.accumulation = config.accumulation_steps;
    Trainer trainer(config, config.steps, stage, &directory);
    if (resume) trainer.resume();
    TrainerEvents events;
    events.on_message = [this](const std::string& text) { messages.push_back(text); };
    events.on_sample = [this](const std::string& text) { samples.push_back(text); };
    events.on_step = [this](const StepReport& report) {
      reports.push_back(report);
      if (on_step) on_step(report);
    };
    events.stop_requested = [this] { return reports.back().step == stop_after; };
    return trainer.run(events);
  }
  TrainOutcome train(CopyTask& task, const TrainConfig& config, bool resume = false) {
    return train(task, config, task.stage(), resume);
  }
};

}  // namespace minillm_testing

#endif  // TESTS_TRAIN_TEST_RUN_H_
