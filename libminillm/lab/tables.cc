// A result as tables: Markdown to read, CSV and JSON to compute with.

#include <fmt/format.h>

#include <cctype>
#include <cmath>
#include <nlohmann/json.hpp>

#include "libminillm/core/visible.h"
#include "libminillm/lab/forms.h"
#include "libminillm/report/report.h"

namespace minillm::lab {
namespace {

using Json = nlohmann::ordered_json;

// Text within a line of Markdown: nothing of it is markup. A name like `answer_format`, whose
// underscores mean nothing between letters, stays as it is.
std::string markdown_text(std::string_view raw) {
  const std::string text = visible(raw);
  const auto in_word = [&](size_t i) {
    return i < text.size() && std::isalnum(static_cast<unsigned char>(text[i])) != 0;
  };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n')
      out += "<br>";
    else if (c == '\t')
      out += ' ';
    else if (c == '<' || c == '>' || c == '&')
      out += fmt::format("&#{};", static_cast<int>(c));
    else if (c == '_' && i > 0 && in_word(i - 1) && in_word(i + 1))
      out += c;
    else if (std::string_view("\\`*_[]|~$@#").find(c) != std::string_view::npos)
      out += fmt::format("\\{}", c);
    else
      out += c;
  }
  return out;
}

// "0.861 (0.850 - 0.872)"
std::string table_entry(const std::vector<SeedFigure>& figures) {
  const std::optional<double> mean = mean_of(figures);
  if (!mean) return "-";
  std::string seeds;
  for (const SeedFigure& figure : figures)
    seeds += (seeds.empty() ? "" : " ") + number_text(value_of(figure));
  return fmt::format("{} ({})", number_text(mean), seeds);
}

std::string difference_seeds(const ExperimentResult& result) {
  std::string out;
  for (size_t s = 0; s < result.seeds.size(); ++s) {
    std::optional<double> value;
    if (s < result.difference.seeds.size())
      value = difference_part(result.difference, result.difference.seeds[s]);
    out += fmt::format("{}{} (seed {})", s == 0 ? "" : ", ", signed_text(value), result.seeds[s]);
  }
  return out;
}

Json json_number(std::optional<double> value) {
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

Json cell_json(const ExperimentResult& result, const CellResult& cell) {
  Json metrics = Json::object();
  for (const std::string& metric : shown_metrics(result.experiment)) {
    const std::vector<SeedFigure> figures = seed_figures(result, cell, metric);
    Json seeds = Json::array();
    for (const SeedFigure& figure : figures)
      seeds.push_back(
          {{"value", json_number(value_of(figure))}, {"count", figure.count}, {"of", figure.of}});
    metrics[metric] = {{"mean", json_number(mean_of(figures))}, {"seeds", seeds}};
  }
  return {{"name", cell.name}, {"metrics", metrics}};
}

Json difference_json(const Difference& difference) {
  const auto part = [&](double value) { return json_number(difference_part(difference, value)); };
  Json seeds = Json::array();
  for (const double seed : difference.seeds) seeds.push_back(part(seed));
  return {{"mean", part(difference.mean)},
          {"low", part(difference.interval.low)},
          {"high", part(difference.interval.high)},
          {"seeds", seeds},
          {"questions", difference.questions}};
}

}  // namespace

std::string result_markdown(const ExperimentResult& result) {
  const Experiment& experiment = result.experiment;
  const Measure& measure = experiment.measure;
  std::string out = fmt::format("# {}\n\n**Claim:** {}\n\n", markdown_text(experiment.name),
                                markdown_text(experiment.claim));
  if (!experiment.says.empty())
    out += fmt::format("**Who says so:** {}\n\n", markdown_text(experiment.says));
  out += fmt::format("**Verdict:** {}\n\n", verdict_name(result.verdict));
  out += fmt::format("**Measure:** {}; expected: {}\n\n", markdown_text(compared_text(measure)),
                     expectation_text(measure));
  out += fmt::format("**Difference:** {}; {} questions\n\n", difference_text(result.difference),
                     result.difference.questions);
  out += fmt::format("**Of each seed:** {}\n\n", difference_seeds(result));

  const std::vector<std::string> metrics = shown_metrics(experiment);
  out += "| cell |";
  for (const std::string& metric : metrics) out += fmt::format(" {} |", markdown_text(metric));
  out += "\n|---|";
  for (size_t i = 0; i < metrics.size(); ++i) out += "---:|";
  out += '\n';
  for (const CellResult& cell : result.cells) {
    out += fmt::format("| {} |", markdown_text(cell.name));
    for (const std::string& metric : metrics)
      out += fmt::format(" {} |", table_entry(seed_figures(result, cell, metric)));
    out += '\n';
  }
  out += "\nMeans over seeds, and each seed's figure in brackets; \"-\": not asked.\n";

  if (!experiment.refuted_by.empty())
    out += fmt::format("\n**What would refute it:** {}\n", markdown_text(experiment.refuted_by));
  if (!experiment.found.empty())
    out += fmt::format("\n**What others found:** {}\n", markdown_text(experiment.found));
  if (!experiment.literature.empty()) {
    out += "\n**Literature:** ";
    for (size_t i = 0; i < experiment.literature.size(); ++i)
      out += (i == 0 ? "" : "; ") + markdown_text(experiment.literature[i]);
    out += '\n';
  }
  return out;
}

std::string result_csv(const ExperimentResult& result) {
  std::string out = "experiment,cell,seed,metric,value,count,of\n";
  for (const CellResult& cell : result.cells) {
    for (const std::string& metric : shown_metrics(result.experiment)) {
      const std::vector<SeedFigure> figures = seed_figures(result, cell, metric);
      for (size_t s = 0; s < figures.size(); ++s) {
        const std::optional<double> value = value_of(figures[s]);
        out += fmt::format("{},{},{},{},{},{},{}\n", report::csv_text(result.experiment.name),
                           report::csv_text(cell.name), result.seeds[s], report::csv_text(metric),
                           value ? fmt::format("{}", *value) : std::string(), figures[s].count,
                           figures[s].of);
      }
    }
  }
  return out;
}

std::string result_json(const ExperimentResult& result) {
  const Experiment& experiment = result.experiment;
  const Measure& measure = experiment.measure;
  Json cells = Json::array();
  for (const CellResult& cell : result.cells) cells.push_back(cell_json(result, cell));
  const Json json = {{"experiment", experiment.name},
                     {"verdict", verdict_name(result.verdict)},
                     {"measure",
                      {{"metric", measure.metric},
                       {"cell", measure.cell},
                       {"against", measure.against},
                       {"against_metric", against_metric(measure)},
                       {"margin", json_number(measure.margin)},
                       {"expects", expectation_name(measure.expects)}}},
                     {"difference", difference_json(result.difference)},
                     {"seeds", result.seeds},
                     {"cells", cells},
                     {"claim", experiment.claim},
                     {"says", experiment.says},
                     {"refuted_by", experiment.refuted_by},
                     {"literature", experiment.literature},
                     {"seconds", json_number(result.seconds)},
                     {"version", result.version}};
  return visible(json.dump(2, ' ', false, Json::error_handler_t::replace)) + '\n';
}

}  // namespace minillm::lab
