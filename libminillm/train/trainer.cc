#include "libminillm/train/trainer.h"

#include <algorithm>
#include <cmath>

#include "libminillm/core/check.h"
#include "libminillm/optim/schedule.h"

namespace minillm {
namespace {

constexpr int64_t kMaxConsecutiveSkips = 10;

}  // namespace

Trainer::Trainer(const TrainConfig& config, Index steps, TrainingTask task, RunDirectory* run,
                 Communicator* ranks)
    : config_(config), steps_(steps), task_(std::move(task)), run_(run), ranks_(ranks) {
  config.validate();
  MINILLM_CHECK_USAGE(task_.prepare || config.slots <= config.accumulation_steps,
                      "config: train.slots: expected at most train.accumulation_steps = {}, as a "
                      "slot has micro-batches of its own, got {}",
                      config.accumulation_steps, config.slots);
  MINILLM_CHECK_USAGE(steps > 0, "training: nothing to do: expected at least one step, got {}",
                      steps);
  method_ = StepMethod::make(task_, config_, ranks);
}

TrainOutcome Trainer::run(const TrainerEvents& events) {
  MINILLM_CHECK_USAGE(resumed_ || !has_checkpoint(),
                      "run '{}': already holds a run: expected a new directory (set "
                      "options.resume to continue it, or choose another options.out)",
                      run_->path());
  events_ = events;
  if (run_ != nullptr) run_->remove_leftovers();
  record_.emplace(run_ != nullptr ? run_->metrics_path() : "", state_, task_, events_);
  for (const std::string& note : notes_) say(note);
  started_ = std::chrono::steady_clock::now();
  first_step_ = state_.step;
  last_save_ = started_;
  if (state_.step == 0 && task_.evaluate) evaluate();

  while (state_.step < steps_ && !out_of_patience()) {
    if (!train_step()) continue;
    report_step();

    const bool last = state_.step == steps_;
    const bool between = !last && (state_.step % task_.steps_per_preparation != 0 ||
                                   state_.step % method_->stride() != 0);
    const Requests requests = last || between ? Requests{} : asked();
    const bool evaluating = task_.evaluate && !between && (last || due(config_.eval_every));
    const bool saving = last || requests.stop || requests.save || requests.save_is_overdue ||
                        (!between && due(config_.save_every));
    const bool diverged = state_.consecutive_skips >= kMaxConsecutiveSkips;
    if (saving || evaluating || diverged || due(config_.log_every))
      record_->log_training(report_, epoch());
    if (diverged)
      throw Error(fmt::format("training: step {}: the loss or the gradient was not finite in {} "
                              "steps in a row (start again with a lower train.learning_rate, a "
                              "longer train.warmup_ratio or a smaller train.max_grad_norm)",
                              state_.step, kMaxConsecutiveSkips),
                  ExitCode::kDiverged);

    const bool best = evaluating && evaluate_or_save();
    if (due(config_.sample_every)) sample();
    if (saving || best || out_of_patience()) save(best);
    if (requests.stop) return TrainOutcome::kInterrupted;
  }
  method_->settle();
  if (state_.step < steps_)
    say(fmt::format("stopped at step {} of {}: {} evaluations without a better {} than step {}'s",
                    state_.step, steps_, state_.stale_evaluations, task_.best_metric,
                    state_.best_step));
  return TrainOutcome::kFinished;
}

// Returns false if the run went back to a checkpoint instead.
bool Trainer::train_step() {
  const auto started = std::chrono::steady_clock::now();
  const Index first = next_micro_batch(), end = first + step_size(first);
  if (task_.begin_step) task_.begin_step(first, end);
  const Contribution sum =
      method_->add_gradients(end - first, [&](Index i) { return task_.micro_step(first + i); });
  if (task_.prepare || state_.micro_batches > 0 || end - first < config_.accumulation_steps)
    state_.micro_batches = end;  // no longer a multiple

  report_.steps = steps_;
  report_.learning_rate = scheduled_learning_rate(config_.schedule, state_.step, steps_);
  const std::optional<std::string> skipped = reason_to_skip(sum);
  if (skipped) {
    if (spike_ && roll_back(*skipped)) return false;
    state_.skipped_steps += 1;
    say(fmt::format("step {} skipped: {}, {} skipped so far", state_.step + 1, *skipped,
                    state_.skipped_steps));
  } else {
    const Index updates = state_.step - state_.skipped_steps;  // for the bias correction
    method_->update(sum.weight, report_.learning_rate, updates + 1);
  }
  state_.step += 1;
  method_->end_step(state_.step, state_.step == steps_);
  state_.tokens += sum.tokens;
  record_->add(sum, skipped.has_value(), seconds_since(started));
  return true;
}

// Everything is checked before the optimizer sees a number: min(1, NaN) is 1, and a NaN in a moment
// stays there for good.
std::optional<std::string> Trainer::reason_to_skip(const Contribution& sum) {
  const bool empty = sum.weight == 0 && std::isfinite(sum.loss);
  report_.loss = empty ? 0 : sum.loss / sum.weight;
  report_.grad_norm = empty ? 0 : method_->mean_gradient_norm(sum.weight);
  spike_ = false;
  if (empty) return "no target of its batch carries loss";
  if (!std::isfinite(report_.loss) || !std::isfinite(report_.grad_norm)) {
    state_.consecutive_skips += 1;
    const std::optional<Index> bad = method_->first_non_finite_gradient();
    return fmt::format("loss {}, gradient norm {}, {} ({} in a row)", report_.loss,
                       report_.grad_norm,
                       bad ? fmt::format("the gradient of '{}' is not finite",
                                         task_.trainable.tensors->name_at(*bad))
                           : "every single gradient finite",
                       state_.consecutive_skips);
  }
  state_.consecutive_skips = 0;
  const SpikeGuardConfig& guard = config_.spike_guard;
  const auto spike = find_spike(guard, state_.spike_window, report_.loss, report_.grad_norm);
  spike_ = spike.has_value();
  // A spike enters the window as well: a level that lasts soon stops being a spike.
  remember_step(guard, state_.spike_window, report_.loss, report_.grad_norm);
  return spike;
}

Index Trainer::next_micro_batch() const {
  return task_.prepare || state_.micro_batches > 0
             ? state_.micro_batches
             : (state_.step + state_.batches_left_out) * config_.accumulation_steps;
}

// How many micro-batches the next step takes, from `first` on.
Index Trainer::step_size(Index first) const {
  const Index whole = config_.accumulation_steps;
  if (task_.prepare) method_->settle();
  if (task_.prepare) return task_.prepare(state_.step + state_.batches_left_out);
  if (task_.micro_batches == 0) return whole;
  const Index end = task_.micro_batches + state_.batches_left_out * whole;
  return std::clamp<Index>(end - first, 1, whole);
}

std::optional<double> Trainer::epoch() const {
  return task_.epoch ? std::optional(task_.epoch(next_micro_batch())) : std::nullopt;
}

void Trainer::report_step() {
  report_.step = state_.step;
  report_.tokens_per_second = record_->tokens_per_second();
  report_.seconds_left = seconds_since(started_) / static_cast<double>(state_.step - first_step_) *
                         static_cast<double>(steps_ - state_.step);
  if (events_.on_step) events_.on_step(report_);
}

bool Trainer::out_of_patience() const {
  return config_.patience > 0 && state_.stale_evaluations >= config_.patience;
}

// Of any rank, in one message.
Trainer::Requests Trainer::asked() const {
  const Requests own = {.stop = events_.stop_requested && events_.stop_requested(),
                        .save = events_.save_requested && events_.save_requested(),
                        .save_is_overdue = save_is_overdue()};
  if (count_of(ranks_) == 1) return own;
  Requests all;
  for (const Requests& some : all_gather_values(*ranks_, std::span(&own, 1))) {
    all.stop |= some.stop;
    all.save |= some.save;
    all.save_is_overdue |= some.save_is_overdue;
  }
  return all;
}

bool Trainer::save_is_overdue() const {
  return run_ != nullptr && config_.save_minutes > 0 && config_.spike_guard.action != "rollback" &&
         seconds_since(last_save_) >= 60 * config_.save_minutes;
}

// What only shows the model must not end the run.
void Trainer::sample() {
  method_->settle();
  if (!task_.sample || (!events_.on_sample && run_ == nullptr)) return;
  try {
    const std::vector<Sample> samples = task_.sample();
    record_->log_samples(samples, epoch());
    if (events_.on_sample) events_.on_sample(to_text(samples));
  } catch (const std::exception& error) {
    say(fmt::format("warning: no sample at step {}: {}", state_.step, error.what()));
  }
}

// An evaluation that fails ends the run, as it would fail again, but takes no step with it.
bool Trainer::evaluate_or_save() {
  try {
    return evaluate();
  } catch (const std::exception& error) {
    say(fmt::format("the evaluation after step {} failed, saving before the run ends: {}",
                    state_.step, error.what()));
    save(false);
    throw;
  }
}

// Returns whether this is the best checkpoint so far; that of an untrained model is not saved.
bool Trainer::evaluate() {
  method_->settle();
  const std::optional<double> metric = record_->evaluate(epoch());
  if (state_.step == 0 || !metric || !std::isfinite(*metric)) return false;
  const std::optional<double> best = state_.best_eval_loss;
  if (best && !(task_.smaller_is_better ? *metric < *best : *metric > *best)) {
    if (config_.patience > 0) state_.stale_evaluations += 1;
    return false;
  }
  state_.stale_evaluations = 0;
  state_.best_eval_loss = metric;
  state_.best_step = state_.step;
  return true;
}

}  // namespace minillm
