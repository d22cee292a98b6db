// The tools that run a stage: one main(), made of the stage's entries in pipeline/stages.h and
// eval/stage_notes.h.

#ifndef TOOLS_STAGE_TOOL_H_
#define TOOLS_STAGE_TOOL_H_

#include <sys/resource.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "libminillm/core/config.h"
#include "libminillm/eval/stage_notes.h"
#include "libminillm/pipeline/stages.h"
#include "tools/adapter_option.h"
#include "tools/chat_template_option.h"
#include "tools/print.h"
#include "tools/progress.h"
#include "tools/tool_main.h"

namespace minillm {

// Options of every training tool.
struct StageArguments {
  StageOptions options;
  std::string config_path;
  std::vector<std::string> assignments;
  uint64_t seed = TrainConfig().seed;
  double rank_timeout = kRankTimeout;
  bool json = false;
};

inline void add_stage_options(CLI::App& app, const StageNotes& stage, StageArguments& arguments) {
  StageOptions& options = arguments.options;
  app.add_option("--config", arguments.config_path,
                 "recipe to follow (TOML file); without it, the defaults below apply");
  app.add_option("--set", arguments.assignments,
                 "key=value, overrides the config; may be given more than once")
      ->allow_extra_args(false);
  app.add_option("--train", options.train_files, "training files")->required();
  app.add_option("--eval", options.eval_files, "held-out files");
  app.add_option("--out", options.out, "run directory to write")->required();
  app.add_flag("--resume", options.resume,
               "continue the run in --out (starts it if there is none)");
  app.add_flag("--dry-run", options.dry_run,
               "prepare the data, print how much memory the run takes, and stop: writes nothing");
  app.add_option("--rank-timeout", arguments.rank_timeout,
                 "with several ranks (mpirun -n N): seconds that one may be silent")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--json", arguments.json, "print the outcome as one JSON object on stdout");
  app.add_option("--seed", arguments.seed, "short for --set train.seed=N");
  app.add_option("--init-from", options.init_from, stage.start)->required(!stage.from_scratch);
  add_adapter_option(app, options.adapters);
  app.add_flag("--force", options.force,
               "take adapters of another base, whose updates then mean nothing");
  if (stage.from_scratch)
    app.add_option("--tokenizer", options.tokenizer,
                   "tokenizer.model or tokenizer.json to use; without it one is trained on the "
                   "training files");
  if (stage.chat) add_chat_template_option(app, options.chat_template);
  if (!stage.replay.empty()) app.add_option("--replay", options.replay_files, stage.replay);
}

// Lists the config's keys in --help.
inline void add_config_help(CLI::App& app, const ConfigFields& fields) {
  app.footer([&] {
    return "Keys of the config file, and of --set key=value, with their defaults:\n" +
           in_flags(config_help(fields));
  });
}

// Reads --config, --set and --seed into the fields.
inline void apply_config(const CLI::App& app, const ConfigFields& fields,
                         const StageArguments& arguments) {
  if (!arguments.config_path.empty()) read_config_file(fields, arguments.config_path);
  for (const std::string& assignment : arguments.assignments) set_config_value(fields, assignment);
  if (app.count("--seed") > 0)
    set_config_value(fields, fmt::format("train.seed={}", arguments.seed));
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

// Runs the stage, showing progress and handling Ctrl-C. Returns the exit code.
inline int run_training(const StageArguments& arguments, const ConfiguredStage& stage) {
  const std::unique_ptr<Communicator> ranks = open_ranks(arguments.rank_timeout);
  StageOptions options = arguments.options;
  options.ranks = ranks.get();
  catch_stop_signals();
  Progress progress;
  if (ranks != nullptr && ranks->rank() == 0)
    if (const std::string warning = binding_warning(thread_count()); !warning.empty())
      spdlog::warn("{}", warning);
  TrainerEvents events = progress.events();
  events.stop_requested = stop_requested;
  events.save_requested = save_requested;
  events.on_progress = [draw = events.on_progress](const char* work, double done, double total) {
    internal::nothing_to_save = std::string_view(work) == kTrainingTokenizer && done < total;
    draw(work, done, total);
  };
  Metrics last;
  const auto log = events.on_log;
  events.on_log = [&](const Metrics& metrics) {
    last = metrics;
    if (log) log(metrics);
  };
  const TrainOutcome outcome = stage.run(options, events);
  const bool interrupted = outcome == TrainOutcome::kInterrupted;
  if (arguments.json) {
    nlohmann::ordered_json result = {{"outcome", outcome_name(outcome)},
                                     {"run", arguments.options.out},
                                     {"peak_memory_mb", peak_memory() * 1e-6}};
    for (const auto& [name, value] : last) result[name] = value;
    print("{}\n", result.dump());
  }
  return interrupted ? static_cast<int>(ExitCode::kInterrupted) : 0;
}

// The main() of a stage's tool.
inline int run_stage_tool(const char* name, int argc, char** argv) {
  const StageNotes& notes = stage_notes(name);
  const ConfiguredStage stage = configure_stage(name);
  CLI::App app(notes.task, fmt::format("minillm-{}", name));
  StageArguments arguments;
  add_stage_options(app, notes, arguments);
  add_config_help(app, stage.fields);
  return run_tool(app, argc, argv, [&] {
    apply_config(app, stage.fields, arguments);
    return run_training(arguments, stage);
  });
}

}  // namespace minillm

#endif  // TOOLS_STAGE_TOOL_H_
