// Trainer: the one loop. It owns accumulate, clip, schedule, step, log, evaluate and save; a stage
// hands it a micro-step: next batch, forward, loss, backward.

#ifndef LIBMINILLM_TRAIN_TRAINER_H_
#define LIBMINILLM_TRAIN_TRAINER_H_

#include <functional>
#include <string>
#include <vector>

#include "libminillm/checkpoint/run_directory.h"
#include "libminillm/core/metrics.h"
#include "libminillm/nn/model.h"
#include "libminillm/objectives/contribution.h"
#include "libminillm/optim/adamw.h"
#include "libminillm/train/train_config.h"

namespace minillm {

// What a stage hands to the Trainer. Optional members may be empty.
struct TrainingStage {
  // Micro-batch `micro` of optimizer step `step`, both 0-based: a pure function of them, so that
  // the data cursor of a checkpoint is the step itself. Adds its gradient (of the SUM) into the
  // model's.
  std::function<Contribution(Index step, Index micro)> micro_step;
  std::function<double(Index step)> epoch;     // passes over the data at the start of a step
  std::function<Metrics()> take_step_metrics;  // optional: sums since the last call, as means
  std::function<Metrics()> evaluate;           // optional: held-out metrics, "eval_loss" among them
  std::function<std::string()> sample;         // optional: a generated sample
  LineageEntry provenance;                     // this run's entry; steps and tokens are filled in
  std::vector<LineageEntry> ancestors;
};

struct StepReport {
  Index step = 0;   // 1-based: steps done
  Index steps = 0;  // of so many
  double loss = 0, grad_norm = 0, learning_rate = 0, tokens_per_second = 0, seconds_left = 0;
};

// How the library speaks: it never prints.
struct TrainerEvents {
  std::function<void(const StepReport&)> on_step;      // after every step: for a progress bar
  std::function<void(const Metrics&)> on_log;          // what was appended to metrics.jsonl
  std::function<void(const std::string&)> on_message;  // skipped steps, saves, warnings
  std::function<void(const std::string&)> on_sample;
  // Long work that is no step: "tokenizing", "evaluating", ... (core/progress.h).
  std::function<void(const char* work, double done, double total)> on_progress;
  std::function<bool()> stop_requested;  // true: finish the step, save, return kInterrupted
};

enum class TrainOutcome { kFinished, kInterrupted, kDryRun };

// Invariants of a step:
//  (1) Gradients are zero before the first micro-step.  (2) They hold the SUM over all
//  micro-batches after the last.  (3) The update uses sum / weight, clipped.  (4) A non-finite loss
//  or gradient skips the update: parameters and moments keep their bits; ten in a row throw Error
//  with ExitCode::kDiverged. A step without a target that carries loss is skipped, too.  (5) A
//  checkpoint written after step s resumes to exactly the bytes an uninterrupted run has.
//
// Held-out metrics are taken before the first step, every eval_every steps and after the last. A
// checkpoint is written every save_every steps, after the last, on a stop request, and whenever
// eval_loss is the best so far.
//
// Lines of metrics.jsonl have "step" (steps done), "epoch", and
//   training    "loss" (sum of losses / sum of weights since the last line), "grad_norm" (of the
//   last step, before
//               clipping), "learning_rate", "num_tokens" (so far), the stage's metrics,
//               "skipped_steps" and "rollbacks" if there were any, "tokens_per_second", "time"
//               (Unix, ms). Also written before an evaluation and a save, so that nothing summed is
//               lost.
//   evaluation  the stage's metrics ("eval_loss", ...), "eval_runtime" (s), "time".
//
// A loss spike (spike_guard.h, off by default) skips the update, too, or takes the run back to its
// last checkpoint, as if resumed there with later data: the batches since are left out, the lines
// of metrics.jsonl since are dropped, ten returns to one checkpoint throw Error (kDiverged).
// Where there is no checkpoint yet, the update is skipped.
class Trainer {
 public:
  // `steps` is the run's length (config.steps, or computed from epochs by the stage). `model`,
  // `tokenizer` (may be null) and `run` must outlive it. Throws Error (kUsage) if the config is
  // invalid.
  Trainer(const TrainConfig& config, Index steps, Model& model, const Tokenizer* tokenizer,
          RunDirectory& run);

  // Continues from the run directory's latest checkpoint; from the start if it has none. Throws
  // Error (kUsage) if its provenance (config, data hashes) is not `stage.provenance`'s, naming what
  // differs.
  void resume(const TrainingStage& stage);

  // Trains to the end. Throws Error (kUsage) if the directory holds a run that was not resumed;
  // what the stage throws; Error (kDiverged).
  TrainOutcome run(const TrainingStage& stage, const TrainerEvents& events = {});

  Index step() const { return state_.step; }
  const TrainerState& state() const { return state_; }

 private:
  class Session;  // one call of run()

  void load(const Checkpoint& checkpoint);  // weights, moments, state

  TrainConfig config_;
  Index steps_;
  Model& model_;
  const Tokenizer* tokenizer_;
  RunDirectory& run_;
  AdamW adamw_;
  TrainerState state_;
  bool resumed_ = false;
  std::vector<std::string> notes_;  // from resume(), told when run() begins
};

}  // namespace minillm

#endif  // LIBMINILLM_TRAIN_TRAINER_H_
