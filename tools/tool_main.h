// What the main() of every tool shares: --threads, errors on one line, exit codes, Ctrl-C.
//
//   int main(int argc, char** argv) {
//     CLI::App app("Supervised fine-tuning", "minillm-sft");
//     std::string out;
//     app.add_option("--out", out, "run directory")->required();
//     return minillm::run_tool(app, argc, argv, [&] {
//       minillm::catch_stop_signals();                     // only if the tool can stop and save
//       ... events.stop_requested = minillm::stop_requested;
//       return 0;                                          // the exit code
//     });
//   }
//
// Results go to stdout; logs (spdlog) and errors to stderr.

#ifndef TOOLS_TOOL_MAIN_H_
#define TOOLS_TOOL_MAIN_H_

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <functional>
#include <iostream>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "libminillm/core/error.h"
#include "libminillm/core/mapped_file.h"
#include "libminillm/core/threads.h"
#include "libminillm/core/version.h"
#include "libminillm/core/visible.h"
#include "tools/completion.h"
#include "tools/option_names.h"
#include "tools/ranks.h"

namespace minillm {

namespace internal {

inline volatile std::sig_atomic_t stop_signals = 0;
inline volatile std::sig_atomic_t save_signals = 0;
inline volatile std::sig_atomic_t nothing_to_save = 0;  // ... and nobody to heed a request
inline std::string_view stop_text;                      // set before the handler is
inline constexpr std::string_view kNothingToSave = "\ninterrupted: there was nothing to save\n";

// Standard error may be closed, full, or a terminal that is gone: that ends nothing.
inline void write_error_text(std::string_view text) {
  [[maybe_unused]] const auto written = write(STDERR_FILENO, text.data(), text.size());
}

// The first signal asks, a second one from the keyboard ends the process at once: checkpoints are
// written in such a way that nothing is lost.
inline void on_stop_signal(int signal) {
  const std::string_view text = nothing_to_save != 0 ? kNothingToSave : stop_text;
  if (stop_signals > 0 && (signal == SIGINT || signal == SIGTERM))
    _exit(static_cast<int>(ExitCode::kInterrupted));
  stop_signals = stop_signals + 1;
  write_error_text(text);
  if (nothing_to_save != 0) _exit(static_cast<int>(ExitCode::kInterrupted));
}

inline void on_save_signal(int) { save_signals = 1; }

inline int report_error(const std::string& text, ExitCode code) {
  let_first_rank_speak();
  std::string message = rank_prefix() + in_flags(text);
  std::replace(message.begin(), message.end(), '\n', ' ');
  message = visible(message);
  write_error_text(fmt::format("error: {}\n", message));
  return static_cast<int>(code);
}

inline bool flush_standard_output() {
  if (std::cout.flush() && std::fflush(stdout) == 0) return true;
  report_error("standard output: cannot be written", ExitCode::kError);
  return false;
}

// A daemon may start us without them: then the next files would get their numbers, and log lines
// would land in them.
inline void open_standard_descriptors() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(descriptor, F_GETFD) == -1 && errno == EBADF) [[maybe_unused]]
      const int opened = open("/dev/null", O_RDWR);  // the lowest one that is free
}

// %* in a pattern: the message, which may quote a file or a model.
class VisibleMessage : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& to) override {
    const std::string text = visible({message.payload.data(), message.payload.size()});
    to.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<VisibleMessage>();
  }
};

inline void log_visibly() {
  spdlog::set_default_logger(spdlog::stderr_color_st("minillm"));
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<VisibleMessage>('*').set_pattern("%*");
  spdlog::set_formatter(std::move(formatter));
  spdlog::set_error_handler([](const std::string&) {});  // of a terminal that is gone
}

inline void handle_signal(int signal, void (*handler)(int)) {
  struct sigaction action = {}, before = {};
  sigaction(signal, nullptr, &before);
  if (signal == SIGHUP && before.sa_handler == SIG_IGN) return;  // by nohup
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;  // a write under way is finished, not failed
  sigaction(signal, &action, nullptr);
}

}  // namespace internal

// From here on no signal that can be caught loses a run: SIGINT, SIGTERM, SIGHUP (the terminal is
// gone) and SIGXCPU set stop_requested(), SIGUSR1 and SIGUSR2 set save_requested(). Under a
// launcher of several ranks SIGUSR1 stops, too: mpirun passes it on and waits, while it kills what
// has not ended a second after SIGTERM. A pipe without a reader and a file at its size limit fail
// the write instead. `text`, a constant, says what stopping does.
inline void catch_stop_signals(
    std::string_view text = "\nstopping: saving after this step (once more to quit at once)\n") {
  internal::stop_text = text;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGXCPU})
    internal::handle_signal(signal, internal::on_stop_signal);
  for (const int signal : {SIGUSR1, SIGUSR2})
    internal::handle_signal(signal, internal::on_save_signal);
  if (launched_ranks() > 1) internal::handle_signal(SIGUSR1, internal::on_stop_signal);
  for (const int signal : {SIGPIPE, SIGXFSZ}) internal::handle_signal(signal, SIG_IGN);
}

inline bool stop_requested() { return internal::stop_signals > 0; }
// Once for every request.
inline bool save_requested() { return std::exchange(internal::save_signals, 0) != 0; }

// Parses the command line, runs `body` and returns the process's exit code: the body's, or that of
// what it threw. Adds --threads and --completion to `app`.
inline int run_tool(CLI::App& app, int argc, char** argv, const std::function<int()>& body) {
  internal::open_standard_descriptors();
  // A write beyond the file size limit fails like any other, instead of ending the process.
  internal::handle_signal(SIGXFSZ, SIG_IGN);
  internal::log_visibly();
  guard_mapped_files();
  int threads = 0;
  app.add_option("--threads", threads, "threads (default: one per processor)")
      ->check(CLI::Range(1, kMaxThreads));
  add_completion_option(app);
  app.set_version_flag("--version", fmt::format("{} {}", app.get_name(), kVersion));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) {  // --help: prints it
      app.exit(e);
      return internal::flush_standard_output() ? 0 : static_cast<int>(ExitCode::kError);
    }
    return internal::report_error(fmt::format("{} (see {} --help)", e.what(), app.get_name()),
                                  ExitCode::kUsage);
  }
  if (threads > 0) set_thread_count(threads);

  const auto run = [&] {
    try {
      thread_count();  // an environment that is wrong is told before any work
      const int code = body();
      return internal::flush_standard_output() ? code : static_cast<int>(ExitCode::kError);
    } catch (const Error& e) {
      return internal::report_error(e.what(), e.exit_code());
    } catch (const std::bad_alloc&) {
      return internal::report_error("out of memory (try a smaller batch or a smaller model)",
                                    ExitCode::kError);
    } catch (const std::exception& e) {
      return internal::report_error(e.what(), ExitCode::kError);
    }
  };
  const int code = run();
  abort_ranks(code);  // where others still wait for this one
  return code;
}

}  // namespace minillm

#endif  // TOOLS_TOOL_MAIN_H_
