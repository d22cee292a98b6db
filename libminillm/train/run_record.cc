#include "libminillm/train/run_record.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

double unix_milliseconds() {
  using std::chrono::milliseconds, std::chrono::system_clock;
  const auto now = system_clock::now().time_since_epoch();
  return static_cast<double>(std::chrono::duration_cast<milliseconds>(now).count());
}

}  // namespace

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

RunRecord::RunRecord(std::string metrics_path, const TrainerState& state, const TrainingTask& task,
                     const TrainerEvents& events)
    : path_(std::move(metrics_path)), state_(state), task_(task), events_(events) {
  if (!path_.empty()) log_.emplace(path_, state_.metrics_offset);
}

void RunRecord::add(const Contribution& sum, bool skipped, double seconds) {
  if (!skipped) {
    loss_ += sum.loss;
    weight_ += sum.weight;
  }
  tokens_ += static_cast<double>(sum.tokens);
  seconds_ += seconds;
}

Metrics RunRecord::new_line(std::optional<double> epoch) const {
  Metrics line = {{"step", static_cast<double>(state_.step)}};
  if (epoch) line.emplace_back("epoch", *epoch);
  return line;
}

void RunRecord::append(Metrics line) {
  line.emplace_back("time", unix_milliseconds());
  write(metrics_to_json(line));
  if (events_.on_log) events_.on_log(line);
}

void RunRecord::write(const std::string& json) {
  try {
    if (log_) log_->append(json);
    log_fails_ = false;
  } catch (const SystemError& error) {  // no reason to lose the run; a checkpoint needs the lines
    if (!log_fails_ && events_.on_message)
      events_.on_message(fmt::format(
          "warning: {} (training goes on; log lines are kept until they can be written)",
          error.what()));
    log_fails_ = true;
  }
}

void RunRecord::log_training(const StepReport& last_step, std::optional<double> epoch) {
  Metrics line = new_line(epoch);
  line.emplace_back("loss",
                    weight_ > 0 ? loss_ / weight_ : std::numeric_limits<double>::quiet_NaN());
  line.emplace_back("grad_norm", last_step.grad_norm);
  line.emplace_back("learning_rate", last_step.learning_rate);
  line.emplace_back("num_tokens", static_cast<double>(state_.tokens));
  if (task_.take_step_metrics)
    std::ranges::move(task_.take_step_metrics(), std::back_inserter(line));
  if (state_.skipped_steps > 0)
    line.emplace_back("skipped_steps", static_cast<double>(state_.skipped_steps));
  if (state_.rollbacks > 0) line.emplace_back("rollbacks", static_cast<double>(state_.rollbacks));
  line.emplace_back("tokens_per_second", tokens_per_second());
  append(std::move(line));
  clear_sums();
}

void RunRecord::log_samples(const std::vector<Sample>& samples, std::optional<double> epoch) {
  constexpr size_t kMostBytes = 4000;  // a line has its limit where it is read
  for (const Sample& sample : samples) {
    nlohmann::ordered_json json = {{"prompt", sample.prompt.substr(0, kMostBytes)},
                                   {"text", sample.text.substr(0, kMostBytes)}};
    if (sample.reward) json["reward"] = *sample.reward;
    std::string line = metrics_to_json(new_line(epoch));
    line.pop_back();
    using Json = nlohmann::ordered_json;
    write(fmt::format(R"({},"sample":{},"time":{}}})", line,
                      json.dump(-1, ' ', false, Json::error_handler_t::replace),
                      unix_milliseconds()));
  }
}

std::optional<double> RunRecord::evaluate(std::optional<double> epoch) {
  const auto started = std::chrono::steady_clock::now();
  const Metrics metrics = task_.evaluate();
  Metrics line = new_line(epoch);
  line.insert(line.end(), metrics.begin(), metrics.end());
  line.emplace_back("eval_runtime", seconds_since(started));
  append(std::move(line));
  const auto found = std::ranges::find(metrics, task_.best_metric, &Metrics::value_type::first);
  return found == metrics.end() ? std::nullopt : std::optional(found->second);
}

uint64_t RunRecord::sync() {
  if (!log_) return 0;
  log_->sync();
  return log_->offset();
}

void RunRecord::reopen() {
  if (log_) log_.emplace(path_, state_.metrics_offset);
  if (task_.take_step_metrics) task_.take_step_metrics();
  clear_sums();
}

}  // namespace minillm
