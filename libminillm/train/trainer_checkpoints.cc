// The Trainer's checkpoints: saved, resumed from, and gone back to.

#include <algorithm>

#include "libminillm/core/check.h"
#include "libminillm/optim/grad_norm.h"  // first_non_finite
#include "libminillm/optim/schedule.h"
#include "libminillm/train/resume_check.h"
#include "libminillm/train/trainer.h"

namespace minillm {
namespace {

constexpr int64_t kMaxRollbacks = 10;  // to one checkpoint

std::string held_out_hash(const LineageEntry& run) {
  const auto found = run.hashes.find("eval");
  return found == run.hashes.end() ? "" : found->second;
}

// The part of the other ranks in what the first one writes and reads.
enum class Part { kHandOver, kReceive };
void take_part(Part part, const TensorTable& tensors, const OptimizerState& optimizer) {
  std::vector<Real> unused;
  for (const OptimizerArray& array : optimizer)
    for_each_piece(tensors, array, [&](const OptimizerPiece& piece) {
      unused.resize(static_cast<size_t>(piece.end - piece.begin));
      part == Part::kHandOver ? array.read(piece.begin, unused) : array.take(piece.begin, unused);
    });
}

}  // namespace

void Trainer::save(bool best) {
  method_->settle();
  expect_equal_on_all(ranks_, task_.trainable.parameters, "weights");
  if (const auto bad = first_non_finite(task_.trainable.parameters))
    throw Error(fmt::format("training: step {}: the weights of '{}' are not finite: not saved "
                            "(start again with a lower train.learning_rate)",
                            state_.step, task_.trainable.tensors->name_at(*bad)),
                ExitCode::kDiverged);
  if (!any_of(ranks_, run_ != nullptr)) return;
  const OptimizerState optimizer = method_->state();
  if (number_of(ranks_) > 0) return take_part(Part::kHandOver, *task_.trainable.tensors, optimizer);
  state_.metrics_offset = record_->sync();
  state_.planned_steps = steps_;
  state_.lineage = task_.ancestors;
  state_.lineage.push_back(task_.provenance);
  state_.lineage.back().steps = state_.step;
  state_.lineage.back().tokens = state_.tokens;
  CheckpointContents contents = task_.contents();
  contents.optimizer = optimizer;
  contents.state = state_;
  run_->save(contents, config_.keep_last);
  if (best) run_->mark_best(state_.step);
  rollbacks_since_save_ = 0;
  last_save_ = std::chrono::steady_clock::now();
  say(fmt::format("saved '{}'{}", run_->checkpoint_path(state_.step), best ? ", the best" : ""));
}

void Trainer::resume() {
  MINILLM_CHECK_USAGE(run_ != nullptr || number_of(ranks_) > 0,
                      "training: a run without a directory cannot be resumed");
  resumed_ = true;
  if (!any_of(ranks_, has_checkpoint())) {
    if (run_ == nullptr) return;
    notes_.push_back(
        fmt::format("'{}' has no checkpoint: starting from the beginning", run_->path()));
    return;
  }
  if (number_of(ranks_) > 0) {
    load(nullptr);
    return share_state();
  }
  const Checkpoint checkpoint = Checkpoint::open(run_->path());
  notes_ = checkpoint.warnings();
  MINILLM_CHECK(
      checkpoint.state() && !checkpoint.state()->lineage.empty() && checkpoint.has_moments(),
      "checkpoint '{}': cannot resume: expected the state of a training run, got only a "
      "model (start from it with options.init_from)",
      checkpoint.path());
  const LineageEntry& before = checkpoint.state()->lineage.back();
  check_same_run(before, task_.provenance, task_.default_config, run_->path(),
                 may_be_longer(*checkpoint.state()));
  load(&checkpoint);
  if (held_out_hash(before) != held_out_hash(task_.provenance)) {
    notes_.push_back(fmt::format(
        "other held-out data: the best checkpoint is chosen anew from step {} on", state_.step));
    state_.best_eval_loss.reset();
    state_.best_step = -1;
    state_.stale_evaluations = 0;
  }
  share_state();
  // A crash may have fallen between saving a checkpoint and marking it as the best.
  if (state_.best_step == state_.step) run_->mark_best(state_.step);
  notes_.push_back(
      fmt::format("resumed '{}' at step {} of {}", checkpoint.path(), state_.step, steps_));
}

// Whether more steps, or fewer, leave every step so far as it was: a constant rate, or a decay that
// had not begun. The last step of an epoch may be short, and then no other can follow it.
bool Trainer::may_be_longer(const TrainerState& before) const {
  if (before.planned_steps == 0 || before.step > steps_) return false;
  if (before.step == before.planned_steps && config_.accumulation_steps > 1) return false;
  if (before.step % method_->stride() != 0) return false;  // replicas have met at the end
  for (Index step = 0; step < before.step; ++step)
    if (scheduled_learning_rate(config_.schedule, step, before.planned_steps) !=
        scheduled_learning_rate(config_.schedule, step, steps_))
      return false;
  return true;
}

// Of all ranks together; `checkpoint`: on the first one.
void Trainer::load(const Checkpoint* checkpoint) {
  const TensorTable& tensors = *task_.trainable.tensors;
  const OptimizerState optimizer = method_->state();
  if (checkpoint != nullptr) {
    task_.load(*checkpoint);
    state_ = *checkpoint->state();
  }
  broadcast(ranks_, std::as_writable_bytes(task_.trainable.parameters));
  if (checkpoint != nullptr)
    checkpoint->load_optimizer(tensors, optimizer);
  else
    take_part(Part::kReceive, tensors, optimizer);
  method_->parameters_taken();
}

// What the first rank has, to all others.
void Trainer::share_state() {
  if (count_of(ranks_) == 1) return;
  std::string state = number_of(ranks_) == 0 ? trainer_state_to_json(state_) : "";
  uint64_t size = state.size();
  broadcast(ranks_, std::as_writable_bytes(std::span(&size, 1)));
  state.resize(size);
  broadcast(ranks_, std::as_writable_bytes(std::span(state)));
  if (number_of(ranks_) > 0) state_ = parse_trainer_state(state, "state of the first rank");
}

// Continues from the last checkpoint with the data that follow this step's. Returns false if the
// guard is not to do so, or if there is no checkpoint yet.
bool Trainer::roll_back(const std::string& reason) {
  if (config_.spike_guard.action != "rollback" || !any_of(ranks_, has_checkpoint())) return false;
  if (rollbacks_since_save_ == kMaxRollbacks)
    throw Error(fmt::format("training: step {}: {}, after {} returns to the same checkpoint (start "
                            "again with a lower train.learning_rate or a higher "
                            "train.spike_threshold)",
                            state_.step + 1, reason, kMaxRollbacks),
                ExitCode::kDiverged);
  const TrainerState failed = state_;
  std::string path;
  method_->settle();
  if (number_of(ranks_) == 0) {
    const Checkpoint checkpoint = Checkpoint::open(run_->path());
    for (const std::string& warning : checkpoint.warnings()) say(warning);
    load(&checkpoint);
    path = checkpoint.path();
  } else {
    load(nullptr);
  }
  share_state();
  const Index left_out = failed.step + 1 - state_.step;
  state_.rollbacks = failed.rollbacks + 1;
  state_.batches_left_out = failed.batches_left_out + left_out;
  state_.micro_batches = failed.micro_batches;
  rollbacks_since_save_ += 1;

  record_->reopen();
  started_ = std::chrono::steady_clock::now();  // the time left is estimated from here on
  first_step_ = state_.step;
  say(fmt::format("step {}: {}: back to '{}', the batches of {} steps left out, rollback {}",
                  failed.step + 1, reason, path, left_out, state_.rollbacks));
  return true;
}

}  // namespace minillm
