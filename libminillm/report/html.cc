// The page: page.html with the report as JSON inside.

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/version.h"
#include "libminillm/data/message_json.h"
#include "libminillm/report/report.h"

namespace minillm::report {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kPage =
#include "page.inc"
    ;

constexpr size_t kMostLines = 1500;  // of a run in the page: more than a screen has columns
constexpr size_t kMostSamples = 300;

Json number_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

// The metrics as columns: {"step": [...], "loss": [...], ...}, null where a line has none. Of a
// long log every n-th line of either kind.
Json metrics_json(const std::vector<MetricsLine>& lines) {
  const auto is_eval = [](const MetricsLine& line) {
    return std::any_of(line.values.begin(), line.values.end(),
                       [](const auto& v) { return v.first == "eval_loss"; });
  };
  size_t counts[2] = {0, 0}, seen[2] = {0, 0};
  for (const MetricsLine& line : lines) ++counts[is_eval(line)];
  Json columns = {{"step", Json::array()}};
  size_t rows = 0;
  for (const MetricsLine& line : lines) {
    const bool eval = is_eval(line);
    const size_t stride = (counts[eval] + kMostLines - 1) / kMostLines;
    const size_t index = seen[eval]++;
    if (index % stride != 0 && index + 1 != counts[eval]) continue;
    columns["step"].push_back(line.step);
    for (const auto& [name, value] : line.values) {
      Json& column = columns[name];
      while (column.size() < rows) column.push_back(nullptr);
      if (column.size() == rows) column.push_back(number_or_null(value));
    }
    ++rows;
  }
  for (auto& [name, column] : columns.items())
    while (column.size() < rows) column.push_back(nullptr);
  return columns;
}

// Of many samples those of every n-th step that has any, and of the last one.
Json samples_json(const std::vector<LoggedSample>& samples) {
  const size_t stride = samples.size() / kMostSamples + 1;
  Json list = Json::array();
  size_t number = 0;  // of the step among those that have samples
  for (size_t i = 0; i < samples.size(); ++i) {
    const auto& [step, sample] = samples[i];
    if (i > 0 && samples[i - 1].step != step) ++number;
    if (number % stride != 0 && step != samples.back().step) continue;
    list.push_back({{"step", step},
                    {"prompt", sample.prompt},
                    {"text", sample.text},
                    {"reward", sample.reward ? number_or_null(*sample.reward) : Json(nullptr)}});
  }
  return list;
}

Json lineage_json(const std::vector<LineageEntry>& lineage) {
  Json entries = Json::array();
  for (const LineageEntry& entry : lineage)
    entries.push_back({{"stage", entry.stage},
                       {"version", entry.library_version},
                       {"steps", entry.steps},
                       {"tokens", entry.tokens},
                       {"seed", std::to_string(entry.seed)},  // may exceed what a double holds
                       {"parent", entry.parent},
                       {"hashes", entry.hashes},
                       {"config", entry.config}});
  return entries;
}

Json run_json(const ReportRun& run) {
  const StageNotes& notes = stage_notes(run.stage);
  return {{"name", run.name},
          {"path", run.path},
          {"stage", run.stage},
          {"checkpoint", run.checkpoint},
          {"writes", run.writes},
          {"weights_hash", run.weights_hash},
          {"parameters", run.parameters},
          {"notes",
           {{"title", notes.title},
            {"learns", notes.learns},
            {"data", notes.data},
            {"row", notes.row},
            {"objective", notes.objective},
            {"where", notes.where},
            {"loss_unit", notes.loss_unit}}},
          {"lineage", lineage_json(run.lineage)},
          {"metrics", metrics_json(run.metrics)},
          {"samples", samples_json(run.samples)}};
}

Json prompt_json(const ReportPrompt& prompt) {
  Json answers = Json::array();
  for (const std::vector<ReportAnswer>& run : prompt.answers) {
    Json forms = Json::array();
    for (const ReportAnswer& answer : run)
      forms.push_back({{"form", answer.form},
                       {"text", answer.answer.text},
                       {"tokens", answer.answer.tokens},
                       {"ended", answer.answer.ended},
                       {"logp", number_or_null(answer.answer.mean_log_prob)},
                       {"verdict", judgement_name(answer.judgement)}});
    answers.push_back(forms);
  }
  Json failure;
  if (prompt.diagnosis.failed)
    failure = {{"stage", prompt.diagnosis.first_stage},
               {"phase", prompt.diagnosis.phase},
               {"reason", prompt.diagnosis.reason}};
  return {{"messages", messages_json(prompt.prompt)},
          {"given", prompt.given},
          {"kind", prompt.kind},
          {"expected", prompt.expected},
          {"answers", answers},
          {"failure", failure}};
}

Json figures_json(const ReportFigures& figures) {
  Json rows = Json::array();
  for (const ReportFigure& figure : figures.rows) {
    Json values = Json::array();
    for (const ReportFigure::Value& v : figure.values)
      values.push_back({{"value", number_or_null(v.value)}, {"count", v.count}, {"of", v.of}});
    rows.push_back({{"name", figure.name},
                    {"group", figure.group},
                    {"meaning", figure.meaning},
                    {"lower", figure.lower_is_better},
                    {"values", values}});
  }
  return {{"columns", figures.columns}, {"rows", rows}};
}

Json layers_json(const ReportLayers& layers) {
  Json changes = Json::array();
  for (const ReportLayers::Change& c : layers.changes)
    changes.push_back({{"layer", c.layer},
                       {"question", c.question},
                       {"alone", c.alone},
                       {"with_layer", c.with_layer},
                       {"repaired", c.repaired}});
  return {{"figures", figures_json(layers.figures)}, {"changes", changes}};
}

Json report_json(const Report& report) {
  Json runs = Json::array(), prompts = Json::array(), changes = Json::array();
  for (const ReportRun& run : report.runs) runs.push_back(run_json(run));
  for (const ReportPrompt& prompt : report.prompts) prompts.push_back(prompt_json(prompt));
  for (const ReportChange& change : report.changes)
    changes.push_back({{"from", change.from},
                       {"to", change.to},
                       {"same", change.counts.same},
                       {"reworded", change.counts.reworded},
                       {"repaired", change.counts.repaired},
                       {"broken", change.counts.broken}});
  return {{"version", kVersion},
          {"runs", runs},
          {"prompts", prompts},
          {"changes", changes},
          {"figures", figures_json(report.figures)},
          {"layers", layers_json(report.layers)}};
}

// JSON that is safe inside <script>: no character of it means anything to HTML, so no text can
// end the element. Inside JSON's strings, the only place where they occur, these are the same.
std::string for_script(const Json& json) {
  const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '<' || c == '>' || c == '&')
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else
      out += c;
  }
  return out;
}

}  // namespace

std::string report_html(const Report& report) {
  const std::string data = for_script(report_json(report));
  // The page's policy lets nothing run but its own script: no text can hold the hash of the page
  // that it is part of.
  const std::string nonce = sha256(data);
  std::string out;
  std::string_view rest = kPage;
  for (;;) {
    const size_t at = rest.find("{{");
    out += rest.substr(0, at);
    if (at == std::string_view::npos) return out;
    const size_t end = rest.find("}}", at);
    const std::string_view name = rest.substr(at + 2, end - at - 2);
    MINILLM_CHECK(name == "NONCE" || name == "REPORT", "page.html: unknown placeholder '{}'", name);
    out += name == "NONCE" ? nonce : data;
    rest.remove_prefix(end + 2);
  }
}

}  // namespace minillm::report
