#include "libminillm/train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>

#include "libminillm/core/check.h"
#include "libminillm/optim/grad_norm.h"
#include "libminillm/optim/schedule.h"
#include "libminillm/train/metrics_log.h"
#include "libminillm/train/resume_check.h"

namespace minillm {
namespace {

constexpr int64_t kMaxConsecutiveSkips = 10;
constexpr int64_t kMaxRollbacks = 10;  // to one checkpoint
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double unix_milliseconds() {
  using std::chrono::milliseconds, std::chrono::system_clock;
  const auto now = system_clock::now().time_since_epoch();
  return static_cast<double>(std::chrono::duration_cast<milliseconds>(now).count());
}

// What is summed between two log lines.
struct Window {
  double loss = 0, weight = 0;
  double tokens = 0, seconds = 0;
  double tokens_per_second() const { return seconds > 0 ? tokens / seconds : 0; }
};

}  // namespace

class Trainer::Session {
 public:
  Session(Trainer& trainer, const TrainingStage& stage, const TrainerEvents& events)
      : t_(trainer),
        state_(trainer.state_),
        stage_(stage),
        events_(events),
        log_(std::in_place, trainer.run_.metrics_path(), trainer.state_.metrics_offset) {}

  TrainOutcome run();

 private:
  bool train_step();
  std::optional<std::string> reason_to_skip(const Contribution& sum);
  void update(double weight);
  void skip(const std::string& reason);
  bool roll_back(const std::string& reason);
  [[noreturn]] void fail_diverged() const;
  void log_training();
  bool evaluate();
  void save(bool best);

  Metrics new_line() const;
  void append(Metrics line);
  void report_step() const;
  bool due(int64_t every) const { return every > 0 && state_.step % every == 0; }
  bool stop_requested() const { return events_.stop_requested && events_.stop_requested(); }
  void say(const std::string& text) const {
    if (events_.on_message) events_.on_message(text);
  }

  Trainer& t_;
  TrainerState& state_;
  const TrainingStage& stage_;
  const TrainerEvents& events_;
  std::optional<MetricsLog> log_;  // always there; opened anew by a rollback
  Window window_;
  StepReport report_;   // of the last step
  bool spike_ = false;  // it is a loss spike
  int64_t rollbacks_since_save_ = 0;
  Clock::time_point started_ = Clock::now();
  Index first_step_ = 0;
};

TrainOutcome Trainer::Session::run() {
  for (const std::string& note : t_.notes_) say(note);
  first_step_ = state_.step;
  if (state_.step == 0 && stage_.evaluate) evaluate();

  while (state_.step < t_.steps_) {
    if (!train_step()) continue;
    report_step();

    const bool last = state_.step == t_.steps_;
    const bool stopping = !last && stop_requested();
    const bool evaluating = stage_.evaluate && (last || due(t_.config_.eval_every));
    const bool saving = last || stopping || due(t_.config_.save_every);
    const bool diverged = state_.consecutive_skips >= kMaxConsecutiveSkips;
    if (saving || evaluating || diverged || due(t_.config_.log_every)) log_training();
    if (diverged) fail_diverged();

    const bool best = evaluating && evaluate();
    if (stage_.sample && events_.on_sample && due(t_.config_.sample_every))
      events_.on_sample(stage_.sample());
    if (saving || best) save(best);
    if (stopping) return TrainOutcome::kInterrupted;
  }
  return TrainOutcome::kFinished;
}

// Returns false if the run went back to a checkpoint instead.
bool Trainer::Session::train_step() {
  const Clock::time_point started = Clock::now();
  const std::span<Real> gradients = t_.model_.gradients();
  std::fill(gradients.begin(), gradients.end(), Real{0});
  Contribution sum;
  for (Index micro = 0; micro < t_.config_.accumulation_steps; ++micro)
    sum += stage_.micro_step(state_.step + state_.batches_left_out, micro);

  report_.steps = t_.steps_;
  report_.learning_rate = scheduled_learning_rate(t_.config_.schedule, state_.step, t_.steps_);
  if (const std::optional<std::string> reason = reason_to_skip(sum)) {
    if (spike_ && roll_back(*reason)) return false;
    skip(*reason);
  } else {
    update(sum.weight);
    window_.loss += sum.loss;
    window_.weight += sum.weight;
  }
  state_.step += 1;
  state_.tokens += sum.tokens;
  window_.tokens += static_cast<double>(sum.tokens);
  window_.seconds += seconds_since(started);
  return true;
}

// Everything is checked before the optimizer sees a number: min(1, NaN) is 1, and one NaN in a
// moment stays for ever.
std::optional<std::string> Trainer::Session::reason_to_skip(const Contribution& sum) {
  const std::span<const Real> gradients = t_.model_.gradients();
  const bool empty = sum.weight == 0 && std::isfinite(sum.loss);
  report_.loss = empty ? 0 : sum.loss / sum.weight;
  report_.grad_norm = empty ? 0 : l2_norm(gradients) / sum.weight;
  spike_ = false;
  if (empty) return "no target of its batch carries loss";
  if (!std::isfinite(report_.loss) || !std::isfinite(report_.grad_norm)) {
    state_.consecutive_skips += 1;
    const std::optional<Index> bad = first_non_finite(gradients);
    return fmt::format(
        "loss {}, gradient norm {}, {} ({} in a row)", report_.loss, report_.grad_norm,
        bad ? fmt::format("the gradient of '{}' is not finite", t_.model_.tensors().name_at(*bad))
            : "every single gradient finite",
        state_.consecutive_skips);
  }
  state_.consecutive_skips = 0;
  const SpikeGuardConfig& guard = t_.config_.spike_guard;
  const auto spike = find_spike(guard, state_.spike_window, report_.loss, report_.grad_norm);
  spike_ = spike.has_value();
  // A spike is remembered as well: a level that stays is soon no spike any more.
  remember_step(guard, state_.spike_window, report_.loss, report_.grad_norm);
  return spike;
}

void Trainer::Session::update(double weight) {
  const double max_norm = t_.config_.max_grad_norm;
  const double clip = max_norm > 0 ? std::min(1.0, max_norm / report_.grad_norm) : 1;
  const Index updates = state_.step - state_.skipped_steps;  // for the bias correction
  t_.adamw_.update(t_.model_.parameters(), t_.model_.gradients(), clip / weight,
                   report_.learning_rate, updates + 1);
}

void Trainer::Session::skip(const std::string& reason) {
  state_.skipped_steps += 1;
  say(fmt::format("step {} skipped: {}, {} skipped so far", state_.step + 1, reason,
                  state_.skipped_steps));
}

// Goes on from the last checkpoint with the data behind this step's. Returns false if the guard is
// not to do so, or if there is no checkpoint yet.
bool Trainer::Session::roll_back(const std::string& reason) {
  if (t_.config_.spike_guard.action != "rollback" || !t_.run_.has_checkpoint()) return false;
  if (rollbacks_since_save_ == kMaxRollbacks)
    throw Error(fmt::format("training: step {}: {}, after {} returns to the same checkpoint (start "
                            "again with a lower train.learning_rate or a higher "
                            "train.spike_threshold)",
                            state_.step + 1, reason, kMaxRollbacks),
                ExitCode::kDiverged);
  const Index step = state_.step;
  const int64_t rollbacks = state_.rollbacks + 1, left_out = state_.batches_left_out;
  const Checkpoint checkpoint = Checkpoint::open(t_.run_.path());
  for (const std::string& warning : checkpoint.warnings()) say(warning);
  t_.load(checkpoint);
  state_.rollbacks = rollbacks;
  state_.batches_left_out = left_out + step + 1 - state_.step;
  rollbacks_since_save_ += 1;

  log_.emplace(t_.run_.metrics_path(), state_.metrics_offset);
  if (stage_.take_step_metrics) stage_.take_step_metrics();
  window_ = {};
  started_ = Clock::now();  // the time left is told from here
  first_step_ = state_.step;
  say(fmt::format("step {}: {}: back to '{}', the batches of {} steps left out, rollback {}",
                  step + 1, reason, checkpoint.path(), step + 1 - state_.step, rollbacks));
  return true;
}

void Trainer::Session::fail_diverged() const {
  throw Error(fmt::format("training: step {}: the loss or the gradient was not finite in {} steps "
                          "in a row (start again with a lower train.learning_rate, a longer "
                          "train.warmup_ratio or a smaller train.max_grad_norm)",
                          state_.step, kMaxConsecutiveSkips),
              ExitCode::kDiverged);
}

void Trainer::Session::report_step() const {
  if (!events_.on_step) return;
  StepReport report = report_;
  report.step = state_.step;
  report.tokens_per_second = window_.tokens_per_second();
  report.seconds_left = seconds_since(started_) / static_cast<double>(state_.step - first_step_) *
                        static_cast<double>(t_.steps_ - state_.step);
  events_.on_step(report);
}

Metrics Trainer::Session::new_line() const {
  Metrics line = {{"step", static_cast<double>(state_.step)}};
  if (stage_.epoch) line.emplace_back("epoch", stage_.epoch(state_.step + state_.batches_left_out));
  return line;
}

void Trainer::Session::append(Metrics line) {
  line.emplace_back("time", unix_milliseconds());
  log_->append(line);
  if (events_.on_log) events_.on_log(line);
}

void Trainer::Session::log_training() {
  Metrics line = new_line();
  line.emplace_back("loss", window_.weight > 0 ? window_.loss / window_.weight : kNan);
  line.emplace_back("grad_norm", report_.grad_norm);
  line.emplace_back("learning_rate", report_.learning_rate);
  line.emplace_back("num_tokens", static_cast<double>(state_.tokens));
  if (stage_.take_step_metrics) {
    for (auto& metric : stage_.take_step_metrics()) line.push_back(std::move(metric));
  }
  if (state_.skipped_steps > 0)
    line.emplace_back("skipped_steps", static_cast<double>(state_.skipped_steps));
  if (state_.rollbacks > 0) line.emplace_back("rollbacks", static_cast<double>(state_.rollbacks));
  line.emplace_back("tokens_per_second", window_.tokens_per_second());
  append(std::move(line));
  window_ = {};
}

// Returns whether this is the best held-out loss so far.
bool Trainer::Session::evaluate() {
  const Clock::time_point started = Clock::now();
  const Metrics metrics = stage_.evaluate();
  Metrics line = new_line();
  line.insert(line.end(), metrics.begin(), metrics.end());
  line.emplace_back("eval_runtime", seconds_since(started));
  append(std::move(line));

  const auto loss = std::find_if(metrics.begin(), metrics.end(),
                                 [](const auto& metric) { return metric.first == "eval_loss"; });
  const double best = state_.best_eval_loss.value_or(std::numeric_limits<double>::infinity());
  if (state_.step == 0 || loss == metrics.end() || !(loss->second < best)) return false;
  state_.best_eval_loss = loss->second;
  state_.best_step = state_.step;
  return true;
}

void Trainer::Session::save(bool best) {
  if (const auto bad = first_non_finite(t_.model_.parameters()))
    throw Error(fmt::format("training: step {}: the weights of '{}' are not finite: not saved "
                            "(start again with a lower train.learning_rate)",
                            state_.step, t_.model_.tensors().name_at(*bad)),
                ExitCode::kDiverged);
  log_->sync();
  state_.metrics_offset = log_->offset();
  state_.lineage = stage_.ancestors;
  state_.lineage.push_back(stage_.provenance);
  state_.lineage.back().steps = state_.step;
  state_.lineage.back().tokens = state_.tokens;
  t_.run_.save({.model = &t_.model_,
                .tokenizer = t_.tokenizer_,
                .exp_avg = t_.adamw_.exp_avg(),
                .exp_avg_sq = t_.adamw_.exp_avg_sq(),
                .state = state_},
               t_.config_.keep_last);
  if (best) t_.run_.mark_best(state_.step);
  rollbacks_since_save_ = 0;
  say(fmt::format("saved '{}'{}", t_.run_.checkpoint_path(state_.step), best ? ", the best" : ""));
}

Trainer::Trainer(const TrainConfig& config, Index steps, Model& model, const Tokenizer* tokenizer,
                 RunDirectory& run)
    : config_(config),
      steps_(steps),
      model_(model),
      tokenizer_(tokenizer),
      run_(run),
      adamw_(model.tensors(), config.adamw) {
  config.validate();
  MINILLM_CHECK_USAGE(steps > 0, "training: nothing to do: expected at least one step, got {}",
                      steps);
}

void Trainer::resume(const TrainingStage& stage) {
  resumed_ = true;
  if (!run_.has_checkpoint()) {
    notes_.push_back(
        fmt::format("'{}' has no checkpoint: starting from the beginning", run_.path()));
    return;
  }
  const Checkpoint checkpoint = Checkpoint::open(run_.path());
  notes_ = checkpoint.warnings();
  MINILLM_CHECK(
      checkpoint.state() && !checkpoint.state()->lineage.empty() && checkpoint.has_moments(),
      "checkpoint '{}': cannot resume: expected the state of a training run, got only a "
      "model (start from it with --init-from)",
      checkpoint.path());
  check_same_run(checkpoint.state()->lineage.back(), stage.provenance, stage.default_config,
                 run_.path());
  load(checkpoint);
  // A crash may have come between a checkpoint and its being marked.
  if (state_.best_step == state_.step) run_.mark_best(state_.step);
  notes_.push_back(
      fmt::format("resumed '{}' at step {} of {}", checkpoint.path(), state_.step, steps_));
}

void Trainer::load(const Checkpoint& checkpoint) {
  checkpoint.load_parameters(model_);
  checkpoint.load_moments(model_.tensors(), adamw_.exp_avg(), adamw_.exp_avg_sq());
  state_ = *checkpoint.state();
}

TrainOutcome Trainer::run(const TrainingStage& stage, const TrainerEvents& events) {
  MINILLM_CHECK_USAGE(resumed_ || !run_.has_checkpoint(),
                      "run '{}': already holds a run: expected a new directory (continue the run "
                      "with --resume, or name another directory)",
                      run_.path());
  return Session(*this, stage, events).run();
}

}  // namespace minillm
