#include "tools/progress.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "tools/option_names.h"
#include "tools/tool_main.h"

namespace minillm {
namespace {

constexpr int kBarWidth = 30;

std::string duration(double seconds) {
  const long s = std::lround(seconds);
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

// "loss 2.3461  grad_norm 0.52": what is not of interest to a watching person is left to
// metrics.jsonl.
std::string describe(const Metrics& metrics) {
  std::string line;
  for (const auto& [name, value] : metrics) {
    if (name == "time" || name == "eval_runtime") continue;
    const bool whole = value == std::floor(value) && std::abs(value) < 1e15;
    line +=
        whole ? fmt::format("{} {:.0f}  ", name, value) : fmt::format("{} {:.4g}  ", name, value);
  }
  return line.substr(0, line.size() - std::min<size_t>(2, line.size()));
}

}  // namespace

void WorkBar::draw(const std::string& work, double done, double total) {
  const Clock::time_point now = Clock::now();
  // The same work, done again from its beginning, is another one.
  if (work != work_ || done < done_ || begun_ == Clock::time_point()) {
    work_ = work;
    begun_ = last_ = now;
  }
  done_ = done;
  if (now - last_ < (terminal_ ? std::chrono::milliseconds(200) : std::chrono::seconds(10))) return;
  const double share = total > 0 ? std::min(1.0, done / total) : 1;
  const double passed = std::chrono::duration<double>(now - begun_).count();
  const std::string left = share > 0 ? duration(passed * (1 - share) / share) : "?";
  if (terminal_) {
    show(share, fmt::format("{}  {:.0f} %  ETA {}", work, 100 * share, left));
  } else {
    spdlog::info("{}: {:.0f} %, ETA {}", work, 100 * share, left);
  }
  last_ = now;
}

void WorkBar::draw(const StepReport& report) {
  if (!terminal_) return;
  const Clock::time_point now = Clock::now();
  if (now - last_ < std::chrono::milliseconds(100) && report.step != report.steps) return;
  show(static_cast<double>(report.step) / static_cast<double>(std::max<Index>(report.steps, 1)),
       fmt::format("{}/{}  loss {:.4f}  {:.0f} tok/s  ETA {}", report.step, report.steps,
                   report.loss, report.tokens_per_second, duration(report.seconds_left)));
  last_ = now;
}

void WorkBar::show(double share, const std::string& text) {
  const auto filled = static_cast<size_t>(kBarWidth * share);
  internal::write_error_text(fmt::format("\r\x1b[K[{}{}] {}", std::string(filled, '#'),
                                         std::string(kBarWidth - filled, '.'), text));
  drawn_ = true;
}

void WorkBar::clear() {
  if (drawn_) internal::write_error_text("\r\x1b[K");
  drawn_ = false;
  work_.clear();
}

TrainerEvents Progress::events() {
  TrainerEvents events;
  events.on_step = [this](const StepReport& report) { bar_.draw(report); };
  events.on_log = [this](const Metrics& metrics) { print(describe(metrics)); };
  events.on_message = [this](const std::string& message) { print(in_flags(message)); };
  events.on_sample = [this](const std::string& sample) { print(sample); };
  events.on_progress = [this](const char* work, double done, double total) {
    bar_.draw(work, done, total);
    if (done >= total) bar_.clear();
  };
  return events;
}

void Progress::print(const std::string& line) {
  bar_.clear();
  spdlog::info("{}", line);
}

}  // namespace minillm
