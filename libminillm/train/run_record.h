// RunRecord: what a run tells of itself: the lines of metrics.jsonl, held-out evaluations, and
// which checkpoint is the best one.
//
// Lines have "step" (steps done), "epoch", and
//
//   training    "loss"           sum of losses / sum of weights since the last line
//               "grad_norm"      of the last step, before clipping
//               "learning_rate"  of the last step
//               "num_tokens"     so far
//               the stage's metrics
//               "skipped_steps" and "rollbacks", if there were any
//               "tokens_per_second"
//               "time"           Unix, ms
//   evaluation  the stage's metrics ("eval_loss", ...), "eval_runtime" (s), "time"
//   sample      "sample", an object: "prompt", "text", and "reward" where there is one; "time"

#ifndef LIBMINILLM_TRAIN_RUN_RECORD_H_
#define LIBMINILLM_TRAIN_RUN_RECORD_H_

#include <chrono>
#include <optional>
#include <string>

#include "libminillm/checkpoint/trainer_state.h"
#include "libminillm/train/metrics_log.h"
#include "libminillm/train/training_task.h"

namespace minillm {

class RunRecord {
 public:
  // `metrics_path` may be empty: then lines go to events.on_log only. The others must outlive it.
  // The file is opened after its first state.metrics_offset bytes. Throws Error.
  RunRecord(std::string metrics_path, const TrainerState& state, const TrainingTask& task,
            const TrainerEvents& events);

  // Adds a step to what the next training line tells. A skipped step's loss is left out.
  void add(const Contribution& sum, bool skipped, double seconds);
  double tokens_per_second() const { return seconds_ > 0 ? tokens_ / seconds_ : 0; }

  // Writes the training line of the steps since the last one, `epoch` passes over the data done. If
  // the file cannot be written, that is an event, and the line waits for the next one or sync().
  void log_training(const StepReport& last_step, std::optional<double> epoch);
  // Writes a line for each; what is longer than a few thousand bytes is cut.
  void log_samples(const std::vector<Sample>& samples, std::optional<double> epoch);
  // Writes the evaluation's line; returns its best_metric, if it has one.
  std::optional<double> evaluate(std::optional<double> epoch);

  // Makes all lines durable and returns the size of metrics.jsonl: before a checkpoint records it.
  uint64_t sync();
  // Drops the lines after state.metrics_offset and what was summed since: after a rollback.
  void reopen();

 private:
  Metrics new_line(std::optional<double> epoch) const;
  void append(Metrics line);
  void write(const std::string& json);
  void clear_sums() { loss_ = weight_ = tokens_ = seconds_ = 0; }

  std::string path_;
  const TrainerState& state_;
  const TrainingTask& task_;
  const TrainerEvents& events_;
  std::optional<MetricsLog> log_;
  bool log_fails_ = false;
  double loss_ = 0, weight_ = 0, tokens_ = 0, seconds_ = 0;  // since the last training line
};

// Seconds since `start`.
double seconds_since(std::chrono::steady_clock::time_point start);

}  // namespace minillm

#endif  // LIBMINILLM_TRAIN_RUN_RECORD_H_
