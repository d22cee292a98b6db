// Trainer: the one loop. It owns accumulate, clip, schedule, step, log, evaluate and save; a stage
// hands it a micro-step: next batch, forward, loss, backward.

#ifndef LIBMINILLM_TRAIN_TRAINER_H_
#define LIBMINILLM_TRAIN_TRAINER_H_

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "libminillm/checkpoint/run_directory.h"
#include "libminillm/train/run_record.h"
#include "libminillm/train/step_method.h"
#include "libminillm/train/train_config.h"
#include "libminillm/train/training_task.h"

namespace minillm {

// Invariants of a step:
//
//  (1) Gradients are zero before the first micro-step of a slot (train/gradient_sum.h).
//  (2) After the last slot they hold the SUM over all micro-batches.
//  (3) The update uses sum / weight, clipped.
//  (4) A non-finite loss or gradient skips the update: parameters and moments keep their bits. Ten
//      in a row throw Error (kDiverged). A step without a target that carries loss is skipped, too.
//  (5) A checkpoint written after step s resumes to exactly the bytes an uninterrupted run has.
//
// Held-out metrics are taken before the first step, every eval_every steps and after the last. A
// checkpoint is written every save_every steps and save_minutes, after the last, on request, before
// a failing evaluation ends the run, and whenever the task's best_metric is the best so far. After
// `patience` evaluations without a better one the run is finished. A training line is logged every
// log_every steps and before an evaluation and a save, so that nothing summed is lost
// (train/run_record.h).
//
// A loss spike (spike_guard.h, off by default) skips the update, too, or takes the run back to its
// last checkpoint, as if resumed there with later data: the batches since are left out, the lines
// of metrics.jsonl since are dropped, ten returns to one checkpoint throw Error (kDiverged). Where
// there is no checkpoint yet, the update is skipped.
class Trainer {
 public:
  // `steps` is the run's length (config.steps, or computed from epochs by the stage). `run` is
  // where it saves and logs; it may be null: then nothing is written, and the trained parameters
  // are all that is left of the run. What `task` refers to and `run` must outlive the Trainer.
  // Throws Error (kUsage) if the config is invalid.
  //
  // `ranks`: who trains together, each with a Trainer of the same config and task on a model of its
  // own, and with the bits that one rank would have; null: one rank. Only the first has a `run`.
  // All of them call resume() and run(); what one is asked (to stop, to save), all do.
  Trainer(const TrainConfig& config, Index steps, TrainingTask task, RunDirectory* run,
          Communicator* ranks = nullptr);

  // Continues from the run directory's latest checkpoint; from the start if it has none. Throws
  // Error (kUsage) if its provenance (config, data hashes) is not the task's, naming what differs.
  // Held-out data may be another, which begins a new search for the best checkpoint; and so may the
  // number of steps, if every step so far had the same learning rate with it.
  void resume();

  // Trains to the end. Throws Error (kUsage) if the directory holds a run that was not resumed;
  // what the task throws; Error (kDiverged).
  TrainOutcome run(const TrainerEvents& events = {});

  Index step() const { return state_.step; }
  const TrainerState& state() const { return state_; }

 private:
  bool train_step();
  std::optional<std::string> reason_to_skip(const Contribution& sum);
  bool roll_back(const std::string& reason);
  bool may_be_longer(const TrainerState& before) const;
  bool evaluate();
  bool evaluate_or_save();
  void sample();
  bool out_of_patience() const;
  bool save_is_overdue() const;
  void save(bool best);

  void load(const Checkpoint* checkpoint);
  void share_state();
  struct Requests {
    bool stop = false, save = false, save_is_overdue = false;
  };
  Requests asked() const;
  Index next_micro_batch() const;
  Index step_size(Index first) const;
  std::optional<double> epoch() const;
  void report_step();
  bool has_checkpoint() const { return run_ != nullptr && run_->has_checkpoint(); }
  bool due(int64_t every) const { return every > 0 && state_.step % every == 0; }
  void say(const std::string& text) const {
    if (events_.on_message) events_.on_message(text);
  }

  TrainConfig config_;
  Index steps_;
  TrainingTask task_;
  RunDirectory* run_;
  Communicator* ranks_;
  std::unique_ptr<StepMethod> method_;
  TrainerState state_;
  bool resumed_ = false;
  std::vector<std::string> notes_;  // from resume(), told when run() begins

  // Of the present call of run().
  TrainerEvents events_;
  std::optional<RunRecord> record_;
  StepReport report_;   // of the last step
  bool spike_ = false;  // it is a loss spike
  int64_t rollbacks_since_save_ = 0;
  std::chrono::steady_clock::time_point started_;  // when first_step_ began
  std::chrono::steady_clock::time_point last_save_;
  Index first_step_ = 0;
};

}  // namespace minillm

#endif  // LIBMINILLM_TRAIN_TRAINER_H_
