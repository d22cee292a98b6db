// StageRun: what every stage does around its data, its objective and its micro-step, once.
//
//   StageRun run("sft", config, options, events);  // takes the run directory
//   run.start_from(model);
//   run.depends_on("train", hash);                 // the data
//   run.evaluate_on(...);                          // its held-out part
//   run.plan(...);                                 // checks the memory, allocates the workspace
//   return run.train({...});                       // the micro-step

#ifndef LIBMINILLM_STAGE_STAGE_RUN_H_
#define LIBMINILLM_STAGE_STAGE_RUN_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "libminillm/checkpoint/run_directory.h"
#include "libminillm/core/progress.h"
#include "libminillm/core/scratch_directory.h"
#include "libminillm/data/packing.h"  // BatchSchedule
#include "libminillm/eval/scoring.h"
#include "libminillm/nn/workspace.h"
#include "libminillm/objectives/contribution.h"
#include "libminillm/stage/stage.h"

namespace minillm {

// What decides on the memory of a stage, beside its model and its held-out part.
struct StageSizes {
  Index max_rows = 0, max_targets = 0;  // of a micro-batch
  Index data_bytes = 0;                 // of the stage's data, which exist already
  double sampling_bytes = 0;            // of what a step samples with
};

// What is a stage's own in the loop. Optional members may be empty.
struct StageTask {
  // Micro-batch `i` of the run: a pure function of i and of the weights. Adds its gradient (of the
  // SUM) into the model's.
  std::function<Contribution(Index i)> micro_step;
  Index steps_per_preparation = 1;           // TrainingTask::steps_per_preparation
  std::function<void()> preflight;           // optional: checks before the first step of all
  std::function<Index(Index step)> prepare;  // optional: TrainingTask::prepare
  std::function<void(Index begin, Index end)> begin_step;  // optional: TrainingTask::begin_step
  std::function<Metrics()> take_step_metrics;  // optional: sums since the last call, as means
  std::vector<StageSum> sums;                  // TrainingTask::sums
  bool one_backward = false;                   // TrainingTask::one_backward
  std::function<std::vector<Sample>()>
      sample;  // optional: beside the answers to data.sample_prompts
  // The metric of the held-out part that decides which checkpoint is the best one.
  std::string best_metric = "eval_loss";
  bool smaller_is_better = true;
};

class StageRun {
 public:
  // `config` is a stage's: it has members `train` and `data`. All arguments must outlive this.
  // Throws Error (kUsage) if config.train is invalid, or options.out holds a run that is not to be
  // resumed: before any long work is done.
  template <typename Config>
  StageRun(std::string stage, Config& config, const StageOptions& options,
           const TrainerEvents& events)
      : stage_(std::move(stage)),
        train_(config.train),
        data_(config.data),
        options_(options),
        unheard_(only_requests(events)),
        events_(is_first() ? events : unheard_),
        default_config_(default_config_toml<Config>()) {
    list_fields(fields_, config);
    take_directory();
  }

  // The caller's model has the precision of before again, also when training failed.
  ~StageRun();

  // Throws Error (kUsage) unless there are files to train on and a run directory to write.
  void expect_files() const;

  // From the model of options.init_from, or another one that nobody else has.
  void start_from(StageModel&& model);
  // From the caller's model, which is trained in place; its lineage then has this stage, too.
  void start_from(StageModel& model);

  Model& model() { return start_->model; }
  const Tokenizer& tokenizer() const { return start_->tokenizer; }
  // The rows of the embedding, and of a head that is tied to it, stay as they are for the tokens of
  // `known`, [V]. What a stage teaches first has no vector yet, and must not be among them: with a
  // row as it was drawn a token may be the most probable one, but hardly ever by far, so that
  // sampled answers break off into others and do not end. Call after start_from.
  void freeze_embedding(const std::vector<bool>& known);
  const StageModel& start() const { return *start_; }
  Index longest() const { return start_->model.positions(); }
  Workspace& workspace() { return *workspace_; }  // from plan() on
  const TrainerEvents& events() const { return events_; }
  // Whether a run that has a checkpoint is continued. A run that begins anew makes everything anew:
  // what an earlier attempt left in its directory may be of other files and settings.
  bool continues() const { return continues_; }
  // A file in the run directory, or, in a dry run and on all ranks but the first, which write
  // nothing there, in a directory that is removed afterwards; empty if there is no run directory.
  std::string path(const std::string& file) const;
  void say(const std::string& message) const { report_message(events_, message); }
  // What passes the progress of `work`, a constant, on; empty if nobody listens.
  ProgressFunction progress(const char* work) const;
  // An evaluation whose progress is passed on, divided among the ranks.
  Scoring scoring(const char* work) const { return {progress(work), options_.ranks}; }
  Communicator* ranks() const { return options_.ranks; }  // null: one
  // The same as progress() for work before the first step, which a stop request ends, see
  // heed_stop.
  ProgressFunction preparation(const char* work) const;
  // Throws Error (kInterrupted) if a stop is requested: there is nothing to save yet.
  void heed_stop(const char* work) const;

  // The rows of some files by `reader`, read_conversations for one, as data.on_bad_record has it;
  // says what was read. No files, no rows.
  template <typename Reader>
  auto read(const std::vector<std::string>& files, const Reader& reader) const {
    decltype(reader(files, BadRecordPolicy(), RowMapping())) data;
    if (files.empty()) return data;
    data = reader(files, parse_bad_record_policy(data_.on_bad_record), row_mapping(data_));
    report_datasets(data.reports, events_);
    return data;
  }

  // Says so if held-out records are trained on; a warning if they are many.
  void warn_of_shared(Index shared, Index held_out) const;

  // What a resumed run must have again: "train", "template", ...
  void depends_on(const std::string& name, const std::string& hash) { hashes_[name] = hash; }
  // Held-out data of `rows` tokens; the metrics get the prefix "eval_".
  void evaluate_on(const std::string& hash, Index rows, std::function<Metrics()> evaluate);
  // Says what memory the run takes (a dry run, every part of it) and allocates the workspace.
  // Throws Error (kUsage) if it does not fit. `schedule` must outlive this.
  void plan(BatchSchedule& schedule, const StageSizes& sizes);
  // The same for a run of `steps` steps that prepare their own micro-batches.
  void plan(Index steps, const StageSizes& sizes);
  // Trains, from the start or from the run's latest checkpoint. A dry run does nothing.
  TrainOutcome train(const StageTask& task);

 private:
  static TrainerEvents only_requests(const TrainerEvents& events) {
    TrainerEvents requests;
    requests.stop_requested = events.stop_requested;
    requests.save_requested = events.save_requested;
    return requests;
  }
  bool is_first() const { return options_.ranks == nullptr || options_.ranks->rank() == 0; }
  void take_directory();
  void expect_equal_ranks() const;
  void choose_what_is_trained();
  bool has_checkpoint() const;
  const TensorTable& trained_tensors() const;
  void check_memory_fits(const StageSizes& sizes) const;
  std::vector<Sample> samples() const;
  LineageEntry provenance() const;

  const std::string stage_;
  const TrainConfig& train_;
  const DataConfig& data_;
  const StageOptions& options_;
  const TrainerEvents unheard_;  // of all ranks but the first
  const TrainerEvents& events_;
  const std::string default_config_;  // as TOML
  ConfigFields fields_;               // of the whole config
  std::optional<RunDirectory> directory_;
  mutable std::optional<ScratchDirectory> scratch_;  // for path()
  bool continues_ = false;
  std::optional<StageModel> own_;  // the starting point, unless it is the caller's
  StageModel* start_ = nullptr;
  Precision precision_before_ = Precision::kFloat;  // of the caller's model
  std::vector<ElementRange> frozen_;                // of the parameters, ascending
  std::map<std::string, std::string> hashes_;
  std::function<Metrics()> evaluate_;
  Index held_out_rows_ = 0;
  BatchSchedule* schedule_ = nullptr;  // null: steps_ prepare their own
  Index steps_ = 0;
  std::optional<Workspace> workspace_;
};

// Pretraining's and SFT's micro-step.
Contribution next_token_step(Model& model, const TokenBatch& batch, Workspace& workspace);
// Trains on the batches of such a stage's dataset.
template <typename Batches>
TrainOutcome train_on_next_tokens(StageRun& run, Batches& dataset,
                                  const std::function<void()>& preflight) {
  const Index max_rows = dataset.schedule().max_rows();
  run.plan(dataset.schedule(), {max_rows, max_rows, dataset.bytes()});
  StageTask task;
  task.micro_step = [&](Index i) {
    return next_token_step(run.model(), dataset.batch(i), run.workspace());
  };
  task.one_backward = true;
  task.preflight = preflight;
  return run.train(task);
}

}  // namespace minillm

#endif  // LIBMINILLM_STAGE_STAGE_RUN_H_
