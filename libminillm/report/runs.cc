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

std::string text_of(const ordered_json& j, const char* name) {
  MINILLM_CHECK(j.contains(name) && j[name].is_string(), "'sample': expected a text '{}'", name);
  return j[name];
}

Sample parse_sample(const ordered_json& j) {
  MINILLM_CHECK(j.is_object(), "'sample': expected an object, got {}", j.type_name());
  Sample sample = {text_of(j, "prompt"), text_of(j, "text")};
  if (!j.contains("reward")) return sample;
  MINILLM_CHECK(j["reward"].is_number(), "'reward': expected a number, got {}",
                j["reward"].type_name());
  sample.reward = j["reward"].get<double>();
  return sample;
}

void parse_line(std::string_view text, RunLog& log) {
  ordered_json j;
  try {
    j = parse_ordered_json(text, "line", /*max_depth=*/3);
  } catch (const Error& error) {
    throw Error(
        fmt::format("{} (remove the line, or continue the run with options.resume, which "
                    "drops what was cut short)",
                    error.what()));
  }
  MINILLM_CHECK(j.is_object(), "expected an object, got {}", j.type_name());
  MINILLM_CHECK(j.contains("step"), "expected a 'step'");
  MINILLM_CHECK(j["step"].is_number_integer() && j["step"].get<int64_t>() >= 0,
                "'step': expected a whole number from 0, got {}", j["step"].dump());
  const int64_t step = j["step"];
  if (j.contains("sample")) {
    log.samples.push_back({step, parse_sample(j["sample"])});
    return;
  }
  log.metrics.push_back({step, {}});
  MetricsLine& line = log.metrics.back();
  for (const auto& [name, value] : j.items()) {
    if (name == "step") continue;
    MINILLM_CHECK(value.is_number() || value.is_null(), "'{}': expected a number or null, got {}",
                  name, value.type_name());
    line.values.emplace_back(
        name, value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>());
  }
}

// Where the run keeps its log, even if `path` is one of its checkpoints.
std::string metrics_path(const std::string& path, const std::string& checkpoint) {
  const std::string own = join_path(path, kMetricsName);
  if (file_exists(own) || checkpoint.empty() || !is_in_run_directory(checkpoint)) return own;
  return join_path(checkpoint, std::string("../") + kMetricsName);
}

ReportRun read_run(const CheckpointSource& source) {
  const std::string& path = source.path;
  MINILLM_CHECK(is_directory(path), "run '{}': there is no such directory", path);
  ReportRun run;
  run.path = source.name();
  run.source = source;
  // A run that has just begun has a log but no checkpoint.
  const bool begun = file_exists(join_path(path, kMetricsName)) && checkpoints_to_try(path).empty();
  if (!begun) {
    const Checkpoint checkpoint = source.open();
    run.checkpoint = checkpoint.path();
    run.weights_hash = checkpoint.weights_hash();
    run.parameters = checkpoint.model_config().parameter_count();
    run.taught_to_chat = !taught_chat_template(checkpoint.state()).empty();
    run.writes = checkpoint.model_config().has_lm_head();
    if (checkpoint.state()) run.lineage = checkpoint.state()->lineage;
    if (!run.lineage.empty()) run.stage = run.lineage.back().stage;
  }
  if (!source.adapters.empty()) return run;
  const std::string log = metrics_path(path, run.checkpoint);
  if (file_exists(log)) {
    RunLog lines = read_run_log(log);
    run.metrics = std::move(lines.metrics);
    run.samples = std::move(lines.samples);
  }
  return run;
}

}  // namespace

RunLog read_run_log(const std::string& path) {
  RunLog log;
  constexpr size_t kMaxLineBytes = 1 << 16;
  constexpr size_t kMaxNames = 256;  // each becomes a column over all lines
  std::set<std::string> names;
  LineReader reader(path, kMaxLineBytes);
  std::string_view text;
  while (reader.next(text)) {
    try {
      const size_t before = log.metrics.size();
      parse_line(text, log);
      if (log.metrics.size() == before) continue;  // a sample
      for (const auto& [name, value] : log.metrics.back().values) names.insert(name);
      MINILLM_CHECK(names.size() <= kMaxNames, "expected at most {} different metrics", kMaxNames);
    } catch (const Error& error) {
      throw Error(fmt::format("'{}':{}: not a line of metrics: {}", path, reader.line_number(),
                              error.what()));
    }
  }
  return log;
}

std::vector<ReportRun> read_runs(const std::vector<std::string>& paths) {
  ReportOptions options;
  options.runs = paths;
  return read_runs(options);
}

std::vector<ReportRun> read_runs(const ReportOptions& options) {
  std::vector<ReportRun> runs;
  for (const std::string& path : options.runs) runs.push_back(read_run({path}));
  if (!options.adapters.empty())
    runs.push_back(read_run({options.runs.front(), options.adapters, options.force}));
  for (ReportRun& run : runs) {
    const auto alike = std::count_if(
        runs.begin(), runs.end(), [&](const ReportRun& other) { return other.stage == run.stage; });
    const bool adapted = !run.source.adapters.empty();
    run.name = run.stage.empty() || adapted || alike > 1 ? run.path : run.stage;
  }
  return runs;
}

}  // namespace minillm::report
