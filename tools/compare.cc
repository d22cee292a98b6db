// minillm-compare: the same prompts through several checkpoints, side by side.

#include <sys/ioctl.h>

#include <nlohmann/json.hpp>

#include "libminillm/core/check.h"
#include "libminillm/eval/compare.h"
#include "tools/generation_options.h"
#include "tools/print.h"
#include "tools/summary_table.h"
#include "tools/tool_main.h"

namespace {

using namespace minillm;

int terminal_width() {
  winsize size = {};
  const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 100;
}

void print_json(const Comparison& comparison) {
  using Json = nlohmann::ordered_json;
  Json rows = Json::array();
  for (const Comparison::Row& row : comparison.rows) {
    Json answers = Json::object();
    for (size_t c = 0; c < row.answers.size(); ++c) {
      const ComparedAnswer& answer = row.answers[c];
      answers[comparison.columns[c]] = {
          {"text", answer.text},
          {"tokens", answer.tokens},
          {"ended", answer.ended},
          {"mean_log_prob", answer.tokens > 0 ? Json(answer.mean_log_prob) : Json()}};
    }
    rows.push_back({{"prompt", prompt_line(row.prompt)}, {"answers", answers}});
  }
  print("{}\n", Json{{"columns", comparison.columns}, {"rows", rows}}.dump());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Asks several checkpoints the same prompts, side by side. A checkpoint that has not been "
      "taught to chat is also shown continuing the prompt as text",
      "minillm-compare");
  std::vector<std::string> checkpoints;
  AdapterOptions adapters;
  std::string prompts, summary;
  GenerationConfig config;
  config.sampling.temperature = 0;
  config.max_tokens = 64;
  int width = terminal_width();
  bool json = false;
  auto* asked =
      app.add_option("--checkpoints", checkpoints, "checkpoint or run directories, in order");
  app.add_option("--prompts", prompts,
                 "file with one prompt per line, or .jsonl with {\"prompt\": ...}")
      ->needs(asked);
  app.add_option("--summary", summary,
                 "instead, print a table of the stages' figures (the quickstart's summary.json)")
      ->excludes(asked);
  add_adapter_options(app, adapters.adapters, adapters.force,
                      "the first checkpoint, as one more column");
  add_generation_options(app, config);
  app.add_option("--width", width, "characters per line (default: the terminal's width)")
      ->check(CLI::Range(40, 1000));
  app.add_flag("--json", json, "print one JSON object on stdout");

  return run_tool(app, argc, argv, [&] {
    if (!summary.empty()) {
      print("{}", summary_table(report::read_figures(summary)));
      return 0;
    }
    MINILLM_CHECK_USAGE(!checkpoints.empty() && !prompts.empty(),
                        "expected --checkpoints and --prompts, or --summary (see --help)");
    config.validate();
    std::vector<CheckpointSource> sources;
    for (const std::string& path : checkpoints) sources.push_back({path});
    if (!adapters.adapters.empty())
      sources.push_back({checkpoints.front(), adapters.adapters, adapters.force});
    const Comparison comparison = compare_checkpoints(sources, read_prompts(prompts), config);
    if (json)
      print_json(comparison);
    else
      print("{}", format_comparison(comparison, width));
    return 0;
  });
}
