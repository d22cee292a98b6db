// Reads runs from disk: checkpoint, lineage, metrics.

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/checkpoint/run_directory.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/strict_json.h"
#include "libminillm/data/line_reader.h"
#include "libminillm/generate/chat.h"
#include "libminillm/report/report.h"

namespace minillm::report {
namespace {

using nlohmann::ordered_json;

constexpr char kMetricsName[] = "metrics.jsonl";

MetricsLine parse_metrics_line(std::string_view text) {
  ordered_json j;
  try {
    j = parse_ordered_json(text, "line", /*max_depth=*/2);
  } catch (const Error& error) {
    throw Error(
        fmt::format("{} (remove the line, or continue the run with options.resume, which "
                    "drops what was cut short)",
                    error.what()));
  }
  MINILLM_CHECK(j.is_object(), "expected an object, got {}", j.type_name());
  MINILLM_CHECK(j.contains("step"), "expected a 'step'");
  MetricsLine line;
  for (const auto& [name, value] : j.items()) {
    MINILLM_CHECK(value.is_number() || value.is_null(), "'{}': expected a number or null, got {}",
                  name, value.type_name());
    if (name == "step") {
      MINILLM_CHECK(value.is_number_integer() && value.get<int64_t>() >= 0,
                    "'step': expected a whole number from 0, got {}", value.dump());
      line.step = value;
    } else {
      line.values.emplace_back(
          name, value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>());
    }
  }
  return line;
}

// Where the run keeps its log, even if `path` is one of its checkpoints.
std::string metrics_path(const std::string& path, const std::string& checkpoint) {
  const std::string own = join_path(path, kMetricsName);
  if (file_exists(own) || checkpoint.empty() || !is_in_run_directory(checkpoint)) return own;
  return join_path(checkpoint, std::string("../") + kMetricsName);
}

ReportRun read_run(const std::string& path) {
  MINILLM_CHECK(is_directory(path), "run '{}': there is no such directory", path);
  ReportRun run;
  run.path = path;
  // A run that has just begun has a log but no checkpoint.
  const bool begun = file_exists(join_path(path, kMetricsName)) && checkpoints_to_try(path).empty();
  if (!begun) {
    const Checkpoint checkpoint = Checkpoint::open(path);
    run.checkpoint = checkpoint.path();
    run.weights_hash = checkpoint.weights_hash();
    run.parameters = checkpoint.model_config().parameter_count();
    run.taught_to_chat = !taught_chat_template(checkpoint.state()).empty();
    run.writes = checkpoint.model_config().has_lm_head();
    if (checkpoint.state()) run.lineage = checkpoint.state()->lineage;
    if (!run.lineage.empty()) run.stage = run.lineage.back().stage;
  }
  const std::string log = metrics_path(path, run.checkpoint);
  if (file_exists(log)) run.metrics = read_metrics(log);
  return run;
}

}  // namespace

std::vector<MetricsLine> read_metrics(const std::string& path) {
  std::vector<MetricsLine> lines;
  constexpr size_t kMaxLineBytes = 1 << 16;
  constexpr size_t kMaxNames = 256;  // each becomes a column over all lines
  std::set<std::string> names;
  LineReader reader(path, kMaxLineBytes);
  std::string_view text;
  while (reader.next(text)) {
    try {
      lines.push_back(parse_metrics_line(text));
      for (const auto& [name, value] : lines.back().values) names.insert(name);
      MINILLM_CHECK(names.size() <= kMaxNames, "expected at most {} different metrics", kMaxNames);
    } catch (const Error& error) {
      throw Error(fmt::format("'{}':{}: not a line of metrics: {}", path, reader.line_number(),
                              error.what()));
    }
  }
  return lines;
}

std::vector<ReportRun> read_runs(const std::vector<std::string>& paths) {
  std::vector<ReportRun> runs;
  for (const std::string& path : paths) runs.push_back(read_run(path));
  for (ReportRun& run : runs) {
    const auto alike = std::count_if(
        runs.begin(), runs.end(), [&](const ReportRun& other) { return other.stage == run.stage; });
    run.name = run.stage.empty() || alike > 1 ? run.path : run.stage;
  }
  return runs;
}

}  // namespace minillm::report
