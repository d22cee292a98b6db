// minillm-lab: tries claims about training on the embedded world.

#include <algorithm>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/sha256.h"
#include "libminillm/lab/diagnosis_trial.h"
#include "libminillm/lab/laboratory.h"
#include "tools/lab_proxies.h"
#include "tools/lab_scaling.h"
#include "tools/print.h"
#include "tools/progress.h"
#include "tools/tool_main.h"

namespace {

using namespace minillm;
using lab::Experiment;

struct LabArguments {
  lab::LabOptions options;
  std::vector<std::string> names, files;
  bool quick = false, validation = false, json = false;
};

void add_lab_options(CLI::App& app, LabArguments& arguments) {
  app.add_option("--out", arguments.options.directory, "directory of cells, tables and the page")
      ->capture_default_str();
  app.add_option("--seeds", arguments.options.seeds, "seeds of worlds and of training")
      ->delimiter(',')
      ->capture_default_str();
  app.add_flag("--quick", arguments.quick,
               "one seed, the first, and only the cells that a verdict needs");
  app.add_flag("--validation", arguments.validation,
               "ask about validation people, to tune settings; verdicts are for test people");
  app.add_option("--build", arguments.options.build,
                 "what cells are kept under instead of the program's hash: for who builds it anew "
                 "without changing what it trains");
}

void add_run_options(CLI::App& app, LabArguments& arguments) {
  add_lab_options(app, arguments);
  app.add_option("--experiment", arguments.files, "files of experiments of your own");
}

lab::LabOptions lab_options(const LabArguments& arguments) {
  lab::LabOptions options = arguments.options;
  if (arguments.quick && !options.seeds.empty()) options.seeds.resize(1);
  if (arguments.validation) options.split = world::Split::kValidation;
  if (options.build.empty()) options.build = sha256_file("/proc/self/exe");
  return options;
}

lab::LabEvents lab_events(Progress& progress) {
  lab::LabEvents events;
  events.on_message = [](const std::string& message) { spdlog::info("{}", message); };
  events.training.on_progress = progress.events().on_progress;
  events.training.on_step = progress.events().on_step;
  events.training.stop_requested = stop_requested;
  return events;
}

lab::Laboratory open_lab(const LabArguments& arguments, Progress& progress) {
  return {lab_options(arguments), lab_events(progress)};
}

std::vector<Experiment> chosen(const LabArguments& arguments, bool all) {
  std::vector<Experiment> experiments;
  for (const std::string& file : arguments.files)
    experiments.push_back(lab::parse_experiment(read_file(file), file));
  for (const std::string& name : arguments.names) {
    const auto own = std::ranges::find(experiments, name, &Experiment::name);
    if (own == experiments.end()) experiments.push_back(lab::find_experiment(name));
  }
  if (all)
    experiments.insert(experiments.end(), lab::all_experiments().begin(),
                       lab::all_experiments().end());
  if (arguments.quick)
    std::ranges::transform(experiments, experiments.begin(), lab::with_deciding_cells);
  return experiments;
}

void tell(const lab::ExperimentResult& result) {
  const lab::Difference& difference = result.difference;
  print("{:<20} {:<10} {:+.3f} [{:+.3f}, {:+.3f}] {}\n", result.experiment.name,
        lab::verdict_name(result.verdict), difference.mean, difference.interval.low,
        difference.interval.high, result.experiment.measure.metric);
}

int run(const LabArguments& arguments, bool all) {
  MINILLM_CHECK_USAGE(all || !arguments.names.empty() || !arguments.files.empty(),
                      "lab: expected the name of an experiment (minillm-lab list), got none");
  catch_stop_signals();
  Progress progress;
  lab::Laboratory laboratory = open_lab(arguments, progress);
  for (const Experiment& experiment : chosen(arguments, all)) tell(laboratory.run(experiment));
  return 0;
}

// The other trials that have been run into the same directory.
std::vector<lab::TrialFiles> trials_of(const std::string& directory) {
  std::vector<lab::TrialFiles> trials;
  for (const auto& [name, title] :
       {std::pair("scaling", "Scaling"), std::pair("proxies", "Are benchmarks proxies?"),
        std::pair("diagnosis", "Is the diagnosis right?")}) {
    const std::string own = join_path(directory, name), table = join_path(own, "table.md"),
                      figure = join_path(own, "figure.svg");
    if (!file_exists(table)) continue;
    trials.push_back({name, title, read_file(table), file_exists(figure) ? read_file(figure) : ""});
  }
  return trials;
}

int report(const LabArguments& arguments) {
  Progress progress;
  lab::Laboratory laboratory = open_lab(arguments, progress);
  const std::vector<lab::ExperimentResult> results =
      laboratory.results(chosen(arguments, arguments.names.empty()));
  for (const lab::ExperimentResult& result : results) tell(result);
  create_directories(arguments.options.directory);
  std::vector<lab::TrialFiles> trials;
  if (arguments.names.empty()) trials = trials_of(arguments.options.directory);
  std::string tables;
  for (const lab::ExperimentResult& result : results) tables += lab::result_markdown(result) + "\n";
  for (const auto& [name, content] :
       {std::pair("lab.html", lab::lab_page(results, trials)), std::pair("lab.md", tables)}) {
    const std::string path = join_path(arguments.options.directory, name);
    write_output(path, content);
    spdlog::info("wrote {}, of {} experiments", path, results.size());
  }
  return 0;
}

int diagnose(const LabArguments& arguments) {
  catch_stop_signals();
  Progress progress;
  lab::Laboratory laboratory = open_lab(arguments, progress);
  const std::string table = lab::diagnosis_markdown(lab::try_diagnosis(laboratory));
  const std::string directory = join_path(arguments.options.directory, "diagnosis");
  create_directories(directory);
  write_output(join_path(directory, "table.md"), table);
  print_text(table);
  return 0;
}

int proxies(const LabArguments& arguments) {
  Progress progress;
  lab::Laboratory laboratory = open_lab(arguments, progress);
  return run_proxies(laboratory, chosen(arguments, true));
}

int scaling(const LabArguments& arguments) {
  catch_stop_signals();
  Progress progress;
  return run_scaling(lab_options(arguments), lab_events(progress), arguments.quick);
}

int list(const LabArguments& arguments) {
  for (const Experiment& experiment : chosen(arguments, true))
    print("{:<20} {} cells  {}\n", experiment.name, experiment.cells.size(), experiment.claim);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Tries claims about training on the embedded world: each is an experiment with cells that "
      "are trained once, an interval, a picture, and a verdict by a rule written beforehand",
      "minillm-lab");
  app.require_subcommand(1);
  LabArguments arguments;
  CLI::App* const list_command = app.add_subcommand("list", "the experiments and their claims");
  list_command->add_option("--experiment", arguments.files, "files of experiments of your own");
  CLI::App* const run_command = app.add_subcommand("run", "try some; goes on where it stopped");
  run_command->add_option("names", arguments.names, "experiments");
  CLI::App* const all_command = app.add_subcommand("all", "try all of them");
  CLI::App* const report_command = app.add_subcommand(
      "report",
      "one page, lab.html, and its tables as lab.md, of what has been run; trains nothing");
  report_command->add_option("names", arguments.names, "experiments; without any, all");
  CLI::App* const diagnosis_command = app.add_subcommand(
      "diagnosis", "damage a stage on purpose, and count which phase the report's diagnosis names");
  CLI::App* const proxies_command = app.add_subcommand(
      "proxies",
      "how figures that are easily had rank all checkpoints that have been asked, against right "
      "answers in new wordings (Kendall's tau); trains nothing");
  for (CLI::App* command :
       {run_command, all_command, report_command, diagnosis_command, proxies_command})
    add_run_options(*command, arguments);
  CLI::App* const scaling_command = app.add_subcommand(
      "scaling",
      "base models of several sizes under several budgets of compute (IsoFLOP): the best "
      "size of each, and which skills emerge first");
  add_lab_options(*scaling_command, arguments);
  return run_tool(app, argc, argv, [&] {
    if (list_command->parsed()) return list(arguments);
    if (report_command->parsed()) return report(arguments);
    if (diagnosis_command->parsed()) return diagnose(arguments);
    if (proxies_command->parsed()) return proxies(arguments);
    if (scaling_command->parsed()) return scaling(arguments);
    return run(arguments, all_command->parsed());
  });
}
