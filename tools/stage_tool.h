// What the training tools share: their options, and how a run ends.

#ifndef TOOLS_STAGE_TOOL_H_
#define TOOLS_STAGE_TOOL_H_

#include <sys/resource.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "libminillm/core/config.h"
#include "libminillm/stage/stage.h"
#include "tools/progress.h"
#include "tools/tool_main.h"

namespace minillm {

// Options of every training tool.
struct StageArguments {
  StageOptions options;
  std::string config_path;
  std::vector<std::string> assignments;
  bool json = false;
};

inline void add_stage_options(CLI::App& app, StageArguments& arguments) {
  app.add_option("--config", arguments.config_path,
                 "recipe to follow (TOML file); without it, the defaults below apply");
  app.add_option("--set", arguments.assignments,
                 "key=value, overrides the config; may be given more than once")
      ->allow_extra_args(false);
  app.add_option("--train", arguments.options.train_files, "training files")->required();
  app.add_option("--eval", arguments.options.eval_files, "held-out files");
  app.add_option("--out", arguments.options.out, "run directory to write")->required();
  app.add_flag("--resume", arguments.options.resume,
               "continue the run in --out (starts it if there is none)");
  app.add_flag("--dry-run", arguments.options.dry_run,
               "prepare the data, print how much memory the run takes, and stop before training");
  app.add_flag("--json", arguments.json, "print the outcome as one JSON object on stdout");
}

// Lists the config's keys in --help.
inline void add_config_help(CLI::App& app, const ConfigFields& fields) {
  app.footer([&] {
    return "Keys of the config file, and of --set key=value, with their defaults:\n" +
           in_flags(config_help(fields));
  });
}

// Reads --config and --set into the fields; --seed is short for train.seed.
inline void apply_config(const ConfigFields& fields, const StageArguments& arguments) {
  if (!arguments.config_path.empty()) read_config_file(fields, arguments.config_path);
  for (const std::string& assignment : arguments.assignments) set_config_value(fields, assignment);
}

inline const char* outcome_name(TrainOutcome outcome) {
  return outcome == TrainOutcome::kInterrupted ? "interrupted"
         : outcome == TrainOutcome::kDryRun    ? "dry_run"
                                               : "finished";
}

// The most memory this process has had so far, in bytes.
inline double peak_memory() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024;
}

// Runs a stage, `train(events)`, showing progress and handling Ctrl-C. Returns the exit code.
template <typename Train>
int run_training(const StageArguments& arguments, const Train& train) {
  catch_stop_signals();
  Progress progress;
  TrainerEvents events = progress.events();
  events.stop_requested = stop_requested;
  Metrics last;
  const auto log = events.on_log;
  events.on_log = [&](const Metrics& metrics) {
    last = metrics;
    if (log) log(metrics);
  };
  const TrainOutcome outcome = train(events);
  const bool interrupted = outcome == TrainOutcome::kInterrupted;
  if (arguments.json) {
    nlohmann::ordered_json result = {{"outcome", outcome_name(outcome)},
                                     {"run", arguments.options.out},
                                     {"peak_memory_mb", peak_memory() * 1e-6}};
    for (const auto& [name, value] : last) result[name] = value;
    fmt::print("{}\n", result.dump());
  }
  return interrupted ? static_cast<int>(ExitCode::kInterrupted) : 0;
}

}  // namespace minillm

#endif  // TOOLS_STAGE_TOOL_H_
