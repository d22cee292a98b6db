#include "libminillm/stage/stage_run.h"

#include <algorithm>
#include <cmath>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/sha256.h"
#include "libminillm/core/version.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/eval/batch_scorer.h"
#include "libminillm/eval/stage_notes.h"
#include "libminillm/generate/chat.h"
#include "libminillm/generate/generator.h"
#include "libminillm/objectives/next_token.h"
#include "libminillm/train/preflight.h"

namespace minillm {
namespace {

// How long a run is: train.steps, or as many as train.epochs needs, the last of which takes only
// the micro-batches that are left.
struct RunLength {
  Index steps = 0, micro_batches = 0;  // 0: steps of train.accumulation_steps each
};
RunLength run_length(const TrainConfig& config, Index micro_batches_per_epoch) {
  if (config.steps > 0) return {config.steps, 0};
  const double exact = config.epochs * static_cast<double>(micro_batches_per_epoch);
  const Index micro_batches = std::max<Index>(1, static_cast<Index>(std::ceil(exact)));
  const Index each = config.accumulation_steps;
  return {(micro_batches + each - 1) / each, micro_batches};
}

// The weights' hash: the checkpoint's, if there is one.
std::string hash_of_weights(const Model& model, const std::string& directory) {
  if (!directory.empty()) return Checkpoint::open(directory).weights_hash();
  Sha256 hash;
  const auto add = [&](std::span<const Real> parameters) {
    hash.update({reinterpret_cast<const char*>(parameters.data()), parameters.size_bytes()});
  };
  std::vector<Real> values;
  for (const TensorInfo& tensor : model.tensors().tensors())
    for_each_part(tensor, [&](Index first, Index count) {
      values.resize(static_cast<size_t>(count));
      model.store().read(tensor, first, values);
      add(values);
    });
  if (const Adapter* adapter = model.adapter()) add(adapter->parameters());
  return hash.hex();
}

}  // namespace

StageRun::~StageRun() {
  if (start_ != nullptr) start_->model.set_precision(precision_before_);
}

void StageRun::take_directory() {
  train_.validate();
  expect_in_range("data.sample_tokens", data_.sample_tokens, 1, kMaxConfigCount);
  if (options_.out.empty()) {
    MINILLM_CHECK_USAGE(!options_.resume,
                        "options.resume: there is no run directory to resume from");
    return;
  }
  MINILLM_CHECK(!file_exists(options_.out) || is_directory(options_.out),
                "run '{}': is a file: expected a directory, or nothing (choose another "
                "options.out)",
                options_.out);
  if (!options_.dry_run && is_first()) directory_.emplace(options_.out);
  continues_ = is_first() && has_checkpoint();
  if (options_.ranks != nullptr) continues_ = any(*options_.ranks, continues_);
  MINILLM_CHECK_USAGE(options_.resume || !continues_,
                      "run '{}': it already holds a run (options.resume continues it; a new run "
                      "needs another options.out)",
                      options_.out);
}

// As RunDirectory has it, of a directory that need not exist.
bool StageRun::has_checkpoint() const {
  if (!is_directory(options_.out) || checkpoints_to_try(options_.out).empty()) return false;
  Checkpoint::open(options_.out);
  return true;
}

void StageRun::expect_files() const {
  MINILLM_CHECK_USAGE(!options_.train_files.empty(),
                      "options.train_files: expected at least one file");
  MINILLM_CHECK_USAGE(!options_.out.empty(), "options.out: expected a run directory to write");
}

void StageRun::start_from(StageModel&& model) {
  own_.emplace(std::move(model));
  start_from(*own_);
}

void StageRun::start_from(StageModel& model) {
  start_ = &model;
  precision_before_ = model.model.weights().head.precision;
  for (const std::string& warning : model.warnings) say("warning: " + warning);
  choose_what_is_trained();
  model.model.set_precision(precision_of(train_));
}

std::string StageRun::path(const std::string& file) const {
  if (options_.out.empty()) return "";
  if (!options_.dry_run && is_first()) return join_path(options_.out, file);
  if (!scratch_) scratch_.emplace();
  return join_path(scratch_->path(), file);
}

ProgressFunction StageRun::progress(const char* work) const {
  if (!events_.on_progress) return {};
  return [tell = events_.on_progress, work](double done, double total) { tell(work, done, total); };
}

ProgressFunction StageRun::preparation(const char* work) const {
  return [this, work](double done, double total) {
    heed_stop(work);
    if (events_.on_progress) events_.on_progress(work, done, total);
  };
}

void StageRun::heed_stop(const char* work) const {
  if (events_.stop_requested && events_.stop_requested())
    throw Error(fmt::format("{}: interrupted before any step ({}): there was nothing to save",
                            stage_, work),
                ExitCode::kInterrupted);
}

void StageRun::warn_of_shared(Index shared, Index held_out) const {
  if (shared == 0) return;
  constexpr Index kMany = 10;  // one in so many
  say(fmt::format(
      "{}{} of {} held-out records overlap with the training data: they are in it, too, and "
      "what is measured on them is memory",
      shared * kMany > held_out ? "warning: " : "", shared, held_out));
}

void StageRun::evaluate_on(const std::string& hash, Index rows, std::function<Metrics()> evaluate) {
  depends_on("eval", hash);
  held_out_rows_ = rows;
  evaluate_ = [evaluate = std::move(evaluate)] {
    Metrics metrics = evaluate();
    for (auto& [name, value] : metrics) name.insert(0, "eval_");
    return metrics;
  };
}

void StageRun::plan(BatchSchedule& schedule, const StageSizes& sizes) {
  plan(0, sizes);
  schedule_ = &schedule;
}

void StageRun::plan(Index steps, const StageSizes& sizes) {
  check_memory_fits(sizes);
  workspace_.emplace(start_->model.config(), sizes.max_rows, sizes.max_targets,
                     workspace_mode(train_), start_->model.inner_states());
  steps_ = steps;
}

void StageRun::check_memory_fits(const StageSizes& sizes) const {
  const ModelConfig& config = start_->model.config();
  const Adapter* const adapter = start_->model.adapter();
  MemoryNeed need = memory_need(
      config, sizes.max_rows, sizes.max_targets, static_cast<double>(sizes.data_bytes),
      workspace_mode(train_), adapter,
      step_memory(train_, trained_tensors(), number_of(options_.ranks), count_of(options_.ranks)));
  if (adapter != nullptr) need.frozen = start_->model.store().bytes();
  if (held_out_rows_ > 0)
    need.evaluation = evaluation_bytes(config, held_out_rows_, start_->model.inner_states());
  need.evaluation += sizes.sampling_bytes;
  release_unused_memory();
  need.program = std::max(0.0, resident_memory() - need.parameters - need.frozen - need.data);
  if (options_.dry_run) say(memory_table(need, available_memory()));
  // What is already resident no longer counts as available.
  need.program = 0;
  say(check_memory(need, available_memory()));
}

const TensorTable& StageRun::trained_tensors() const {
  const Adapter* const adapter = start_->model.adapter();
  return adapter != nullptr ? adapter->tensors() : start_->model.tensors();
}

// Greedy continuations of the prompts; where the stage is about conversations, answers to user
// messages.
std::vector<Sample> StageRun::samples() const {
  std::vector<Sample> samples;
  if (data_.sample_prompts.empty()) return samples;
  const bool chat = stage_notes(stage_).chat;
  GenerationConfig generation;
  generation.sampling.temperature = 0;
  generation.max_tokens = data_.sample_tokens;
  std::vector<std::vector<Token>> prompts;
  for (const std::string& prompt : data_.sample_prompts)
    prompts.push_back(chat ? render_prompt(tokenizer(), {{Role::kUser, prompt}})
                           : encode_raw_prompt(tokenizer(), prompt));
  const auto answers = Generator(start_->model, tokenizer()).generate_all(prompts, generation);
  for (size_t i = 0; i < answers.size(); ++i) {
    const std::string& text = answers[i].text;
    samples.push_back(
        {data_.sample_prompts[i], chat ? std::string(strip_template_space(text)) : text, chat});
  }
  return samples;
}

LineageEntry StageRun::provenance() const {
  LineageEntry entry;
  entry.stage = stage_;
  entry.library_version = kVersion;
  entry.config = config_to_toml(fields_);
  entry.hashes = hashes_;
  entry.hashes["tokenizer"] = tokenizer().hash();
  entry.parent = start_->weights_hash;
  entry.seed = train_.seed;
  return entry;
}

// Ranks that differ in what they train on, or from, would not be one run.
void StageRun::expect_equal_ranks() const {
  if (options_.ranks == nullptr) return;
  const LineageEntry own = provenance();
  std::string all = own.config + own.parent + own.library_version;
  for (const auto& [name, hash] : own.hashes) all += name + hash;
  const std::string digest = sha256(all);
  const std::vector<char> digests =
      all_gather_values(*options_.ranks, std::span<const char>(digest));
  for (Index rank = 1; rank < options_.ranks->ranks(); ++rank) {
    const auto begin = digests.begin() + rank * std::ssize(digest);
    MINILLM_CHECK(std::equal(digests.begin(), digests.begin() + std::ssize(digest), begin),
                  "ranks: rank {} has another config, other files or another starting point than "
                  "rank 0: expected the same on all",
                  rank);
  }
}

TrainOutcome StageRun::train(const StageTask& task) {
  if (!options_.out.empty() && is_first()) {
    const auto existing = is_directory(options_.out)
                              ? static_cast<int64_t>(checkpoints_to_try(options_.out).size())
                              : 0;
    say(check_disk(disk_need(trained_tensors().size(), train_.keep_last, bool{evaluate_},
                             optimizer_arrays(train_, trained_tensors())),
                   existing, free_disk_bytes(options_.out), options_.out));
  }
  if (options_.dry_run) return TrainOutcome::kDryRun;
  TrainingTask loop = model_task(model(), &tokenizer());
  loop.trainable.frozen = frozen_;
  loop.prepare = task.prepare;
  loop.steps_per_preparation = task.steps_per_preparation;
  loop.begin_step = task.begin_step;
  loop.micro_step = task.micro_step;
  if (schedule_ != nullptr) loop.epoch = [this](Index i) { return schedule_->epoch_at(i); };
  loop.take_step_metrics = task.take_step_metrics;
  loop.sums = task.sums;
  loop.one_backward = task.one_backward;
  loop.evaluate = evaluate_;
  loop.best_metric = task.best_metric;
  loop.smaller_is_better = task.smaller_is_better;
  if (task.sample || !data_.sample_prompts.empty())
    loop.sample = [&] {
      std::vector<Sample> all = samples();
      if (task.sample) std::ranges::move(task.sample(), std::back_inserter(all));
      return all;
    };
  loop.provenance = provenance();
  loop.default_config = default_config_;
  loop.ancestors = start_->lineage;

  const RunLength length = schedule_ != nullptr
                               ? run_length(train_, schedule_->batches_in_first_epoch())
                               : RunLength{steps_, 0};
  loop.micro_batches = length.micro_batches;
  expect_equal_ranks();
  Trainer trainer(train_, length.steps, loop, directory_ ? &*directory_ : nullptr, options_.ranks);
  if (options_.resume) trainer.resume();
  if (trainer.step() == 0 && task.preflight) task.preflight();
  const TrainOutcome outcome = trainer.run(events_);
  if (own_) return outcome;  // nobody asks for it
  loop.provenance.steps = trainer.step();
  loop.provenance.tokens = trainer.state().tokens;
  start_->lineage.push_back(loop.provenance);
  start_->weights_hash = hash_of_weights(model(), is_first() ? options_.out : "");
  return outcome;
}

Contribution next_token_step(Model& model, const TokenBatch& batch, Workspace& workspace) {
  model.forward(batch, workspace);
  HeadPass head = model.head_pass(batch, workspace);
  next_token_gradient(head.dlogp(), batch.targets);
  head.finish();
  model.backward(batch, workspace);
  Contribution loss = next_token_loss(head.logp(), batch.targets);
  loss.tokens = batch.rows();
  return loss;
}

}  // namespace minillm
