// minillm-report: a training pipeline's runs as one page, as Markdown, as CSV, or for TensorBoard.

#include "libminillm/report/report.h"

#include "libminillm/checkpoint/output_path.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "tools/generation_options.h"
#include "tools/print.h"
#include "tools/tool_main.h"

namespace {

using namespace minillm;

// To the file, or to stdout if none is named.
void deliver(const std::string& text, const std::string& out) {
  if (!out.empty()) check_output_path(out, {});
  if (out.empty())
    print_text(text);
  else
    write_output(out, text);
  if (!out.empty()) spdlog::info("wrote {}", out);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Writes one page about training runs: the same prompts through every stage, curves, what "
      "each stage changed, which prompts fail since which stage, and lineage. The page needs no "
      "network",
      "minillm-report");
  report::ReportOptions options;
  options.generation.sampling.temperature = 0;
  options.generation.max_tokens = 72;
  std::string prompts, world, out, tensorboard;
  bool markdown = false, csv = false;
  app.add_option("runs", options.runs, "run or checkpoint directories, in the order of training")
      ->required();
  app.add_option(
      "--prompts", prompts,
      "file with one prompt per line, or .jsonl with {\"prompt\": ..., \"expect\": ...}, "
      "to ask every run; an answer that contains what is expected is right");
  app.add_option(
      "--world", world,
      "directory written by minillm-world, whose test questions tell which answers are right");
  app.add_option("--questions", options.questions_per_kind,
                 "number of the world's test questions to ask per kind (needs --world)")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  app.add_option(
      "--summary", options.figures,
      "JSON {stage: figures of minillm-eval world --json}, for the table of what changed");
  app.add_option("--layers", options.layers,
                 "what minillm-eval world --layers --json wrote: which answers notes, tools and a "
                 "policy repaired or broke");
  app.add_option("--out", out,
                 "file to write (default: report.html; Markdown and CSV go to stdout)");
  auto* markdown_flag = app.add_flag("--markdown", markdown, "write Markdown instead of a page");
  auto* csv_flag = app.add_flag("--csv", csv, "instead, write the metrics of all runs as CSV")
                       ->excludes(markdown_flag);
  app.add_option(
         "--tensorboard", tensorboard,
         "instead, write event files for TensorBoard into this directory, a subdirectory per run")
      ->excludes(markdown_flag)
      ->excludes(csv_flag);
  add_adapter_options(app, options.adapters, options.force, "the first run, as one more run");
  add_generation_options(app, options.generation);

  return run_tool(app, argc, argv, [&] {
    options.generation.validate();
    if (csv) {
      deliver(report::report_csv(report::read_runs(options)), out);
      return 0;
    }
    if (!tensorboard.empty()) {
      const auto written = report::write_tensorboard(report::read_runs(options), tensorboard);
      MINILLM_CHECK(!written.empty(), "tensorboard: no run has a metrics.jsonl");
      for (const std::string& path : written) spdlog::info("wrote {}", path);
      return 0;
    }
    if (!prompts.empty()) options.prompts = read_expecting_prompts(prompts);
    if (!world.empty()) options.world_eval = join_path(world, "eval.jsonl");
    const report::Report report = report::gather_report(options);
    if (markdown)
      deliver(report::report_markdown(report), out);
    else
      deliver(report::report_html(report), out.empty() ? "report.html" : out);
    return 0;
  });
}
