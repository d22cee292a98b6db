// What the three stages share: their command-line facts, where they start from, and how they are
// run.
//
// A stage itself (pretrain/, sft/, dpo/) is a data set, a config and a micro-step.

#ifndef LIBMINILLM_STAGE_STAGE_H_
#define LIBMINILLM_STAGE_STAGE_H_

#include <functional>
#include <string>
#include <vector>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/checkpoint/run_directory.h"
#include "libminillm/core/config.h"
#include "libminillm/core/progress.h"
#include "libminillm/data/dataset_reader.h"  // DatasetReport
#include "libminillm/data/tokenizer.h"
#include "libminillm/nn/model.h"
#include "libminillm/train/trainer.h"

namespace minillm {

// Which files a run reads and writes: what differs from run to run, and so is not in the config.
struct StageOptions {
  std::vector<std::string> train_files;
  std::vector<std::string> eval_files;  // held out; may be empty
  // What the stage before learned from, so that it is not forgotten: texts for sft, conversations
  // for dpo; may be empty.
  std::vector<std::string> replay_files;
  std::string init_from;  // a checkpoint or run directory; pretraining may leave it empty
  // How conversations are written (data/chat_template.h); empty: as init_from has it.
  std::string chat_template;
  std::string out;       // the run directory
  bool resume = false;   // continue the run in `out`
  bool dry_run = false;  // prepare the data, say what memory the run takes, and stop there
};

// The part of every stage's config that is about data.
struct DataConfig {
  std::string on_bad_record = "error";      // or "skip"
  std::vector<std::string> sample_prompts;  // continued every train.sample_every steps
  int64_t sample_tokens = 48;
};
void list_fields(ConfigFields& fields, DataConfig& config);  // keys "data.*"

// The model a stage starts from.
struct StartingPoint {
  Model model;
  Tokenizer tokenizer;
  std::vector<LineageEntry> ancestors;
  std::string weights_hash;
};
// Throws Error if there is no such checkpoint, it has no tokenizer, or it was taught another chat
// template than its tokenizer has and none is chosen.
StartingPoint open_starting_point(const StageOptions& options);

// This run's lineage entry: `config_fields` is the whole config, `hashes` what the data were.
LineageEntry make_provenance(const std::string& stage, const ConfigFields& config_fields,
                             uint64_t seed, const Tokenizer& tokenizer, const std::string& parent);

// Greedy continuations of the prompts, as one text; `chat`: as answers to user messages.
std::function<std::string()> make_sampler(const Model& model, const Tokenizer& tokenizer,
                                          const DataConfig& config, bool chat);

// Throws Error (kUsage) if there is nothing to train on, or the run directory holds a run that is
// not to be resumed: before any long work is done.
void check_run(const StageOptions& options, const RunDirectory& run);

// Optimizer steps of a run: train.steps, or as many as train.epochs take.
Index run_length(const TrainConfig& config, Index micro_batches_per_epoch);

// Metrics with a prefix: "eval_" + name.
Metrics prefixed(const std::string& prefix, const Metrics& metrics);

// Says what was read: one line a file, with what was dropped and why.
void report_datasets(const std::vector<DatasetReport>& reports, const TrainerEvents& events);

// What decides on the memory of a stage, beside its model.
struct StageSizes {
  Index max_rows = 0, max_targets = 0;  // of a micro-batch
  Workspace::Mode mode = Workspace::Mode::kTraining;
  Index data_bytes = 0;     // of the stage's data, which exist already
  Index held_out_rows = 0;  // tokens that an evaluation feeds the model
};
// Says what memory the run takes; throws Error (kUsage) if it does not fit. A dry run is told every
// part.
void check_fits(const StageOptions& options, const ModelConfig& config, const StageSizes& sizes,
                const TrainerEvents& events);

// Trains, from the start or from the run's latest checkpoint. `preflight` holds the stage's own
// checks; it is called before the first step, not on resume. A dry run does nothing.
TrainOutcome run_stage(const StageOptions& options, const TrainConfig& config, Index steps,
                       const ModelConfig& model, RunDirectory& run, const TrainingTask& task,
                       const std::function<void()>& preflight, const TrainerEvents& events);

// Passes a message on if anybody listens.
void say(const TrainerEvents& events, const std::string& message);
// What passes the progress of `work`, a constant, on; empty if nobody listens.
ProgressFunction progress_of(const TrainerEvents& events, const char* work);

}  // namespace minillm

#endif  // LIBMINILLM_STAGE_STAGE_H_
