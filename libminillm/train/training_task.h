// TrainingTask: what a stage hands to the Trainer. TrainerEvents: what it hears from it.

#ifndef LIBMINILLM_TRAIN_TRAINING_TASK_H_
#define LIBMINILLM_TRAIN_TRAINING_TASK_H_

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/core/metrics.h"
#include "libminillm/core/sample.h"
#include "libminillm/nn/trainable.h"
#include "libminillm/objectives/contribution.h"

namespace minillm {

// A number that the micro-batches of a stage add to, for take_step_metrics.
struct StageSum {
  enum class Kind { kSum, kLargest, kSmallest };
  StageSum(double* value_, Kind kind_ = Kind::kSum) : value(value_), kind(kind_) {}
  double* value;
  Kind kind;
};

// Optional members may be empty.
struct TrainingTask {
  Trainable trainable;
  // What a checkpoint of the task holds, without optimizer and state, which the Trainer adds; and
  // how the trainable is read back from one.
  std::function<CheckpointContents()> contents;
  std::function<void(const Checkpoint&)> load;

  // Optional: called before each step, whose number of micro-batches it returns; without it that
  // is train.accumulation_steps. `step` counts from 0, and on over steps that a rollback left out.
  // May depend on the parameters: sampling from the model.
  std::function<Index(Index step)> prepare;
  // Steps that one preparation serves, the first of which it is called before: what was sampled is
  // learned from several times. Between them nothing is evaluated, saved or stopped.
  Index steps_per_preparation = 1;
  // Micro-batches of the whole run, where nothing prepares: the last step takes only those that are
  // left. 0: every step takes train.accumulation_steps.
  Index micro_batches = 0;
  // Optional: told, before the first of them, that a step is micro-batches [begin, end).
  std::function<void(Index begin, Index end)> begin_step;
  // Micro-batch `i`, counted from 0 over all steps. With the step's preparation a pure function of
  // i, so that i is the whole data cursor of a checkpoint. Adds its gradient (of the SUM) to
  // trainable.gradients.
  std::function<Contribution(Index i)> micro_step;
  // Whether that is one forward and one backward pass over the trainable, so that several ranks may
  // exchange what a pass has left behind while it goes on.
  bool one_backward = false;
  std::function<double(Index i)> epoch;        // optional: passes over the data before it
  std::function<Metrics()> take_step_metrics;  // optional: sums since the last call, as means
  // All that micro_step adds to for it: in slots, and over ranks, each micro-batch adds from zero.
  std::vector<StageSum> sums;
  std::function<Metrics()> evaluate;            // optional: held-out metrics
  std::function<std::vector<Sample>()> sample;  // optional: what the model writes by now

  // The metric of evaluate() that decides which checkpoint is the best one.
  std::string best_metric = "eval_loss";
  bool smaller_is_better = true;

  LineageEntry provenance;  // this run's entry; steps and tokens are filled in
  // The stage's default config as TOML: what a run of an earlier version had for keys that are new.
  std::string default_config;
  std::vector<LineageEntry> ancestors;
};

// A task that trains all of `model` and saves it with its tokenizer (may be null). Both must
// outlive it.
TrainingTask model_task(Model& model, const Tokenizer* tokenizer);

struct StepReport {
  Index step = 0;   // steps done
  Index steps = 0;  // total
  double loss = 0, grad_norm = 0, learning_rate = 0, tokens_per_second = 0, seconds_left = 0;
};

// How the library reports: it never prints.
struct TrainerEvents {
  std::function<void(const StepReport&)> on_step;      // after every step: for a progress bar
  std::function<void(const Metrics&)> on_log;          // what was appended to metrics.jsonl
  std::function<void(const std::string&)> on_message;  // skipped steps, saves, warnings
  std::function<void(const std::string&)> on_sample;   // what the model writes by now
  // Long work other than steps: "tokenizing", "evaluating", ... (core/progress.h).
  std::function<void(const char* work, double done, double total)> on_progress;
  std::function<bool()> stop_requested;  // true: finish the step, save, return kInterrupted
  std::function<bool()> save_requested;  // true: finish the step, save, go on
};

enum class TrainOutcome { kFinished, kInterrupted, kDryRun };

}  // namespace minillm

#endif  // LIBMINILLM_TRAIN_TRAINING_TASK_H_
