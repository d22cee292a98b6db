// All results on one page. page.html and section.html say what stands where.

#include <fmt/format.h>

#include <map>
#include <set>

#include "libminillm/core/check.h"
#include "libminillm/core/sha256.h"
#include "libminillm/core/version.h"
#include "libminillm/lab/forms.h"
#include "libminillm/lab/trial_section.h"

namespace minillm::lab {
namespace {

constexpr char kPage[] =
#include "lab_page.inc"
    ;
constexpr char kSection[] =
#include "lab_section.inc"
    ;

// What is filled in is not looked at again: a text with braces stays a text.
std::string filled(std::string_view form, const std::map<std::string_view, std::string>& values) {
  std::string out;
  for (;;) {
    const size_t at = form.find("{{");
    out += form.substr(0, at);
    if (at == std::string_view::npos) return out;
    const size_t end = form.find("}}", at);
    const auto value = values.find(form.substr(at + 2, end - at - 2));
    MINILLM_CHECK(value != values.end(), "lab page: unknown placeholder at '{}'",
                  form.substr(at, 20));
    out += value->second;
    form.remove_prefix(end + 2);
  }
}

std::string badge(Verdict verdict) {
  return fmt::format("<span class=\"badge {0}\">{0}</span>", verdict_name(verdict));
}

// A table that scrolls by itself where it is too wide, also by keyboard.
std::string scrolling(const std::string& label, const std::string& table) {
  return fmt::format(
      "<div class=\"card scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{}\">\n<table>\n{}"
      "</table>\n</div>",
      markup_text(label), table);
}

// A metric's name as a heading, which may be broken after underscores.
std::string heading(const std::string& metric) {
  std::string out;
  for (const char c : markup_text(metric)) {
    out += c;
    if (c == '_' || c == '/') out += "<wbr>";
  }
  return out;
}

// Addresses within the page: the names' letters, each once.
std::vector<std::string> section_ids(const std::vector<ExperimentResult>& results) {
  std::vector<std::string> ids;
  std::set<std::string> taken;
  for (const ExperimentResult& result : results) {
    std::string id = "claim-";
    for (const char c : result.experiment.name) {
      const bool plain = ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || ('0' <= c && c <= '9');
      if (plain || c == '_')
        id += c;
      else if (id.back() != '-')
        id += '-';
    }
    const std::string stem = id;
    for (int i = 2; !taken.insert(id).second; ++i) id = fmt::format("{}-{}", stem, i);
    ids.push_back(id);
  }
  return ids;
}

std::string summary(const std::vector<ExperimentResult>& results,
                    const std::vector<std::string>& ids) {
  if (results.empty()) return "<p>Nothing was tried.</p>";
  std::map<Verdict, int> counts;
  std::string rows;
  for (size_t i = 0; i < results.size(); ++i) {
    const ExperimentResult& result = results[i];
    const Difference& difference = result.difference;
    ++counts[result.verdict];
    rows += fmt::format(
        "<tr><th scope=\"row\" class=\"claim\"><a href=\"#{}\">{}</a><small>{}</small></th>"
        "<td>{}</td><td class=\"number\">{}<small>{} to {}</small></td><td>{}</td></tr>\n",
        ids[i], markup_text(result.experiment.claim), markup_text(result.experiment.name),
        badge(result.verdict), signed_text(difference_part(difference, difference.mean)),
        signed_text(difference_part(difference, difference.interval.low)),
        signed_text(difference_part(difference, difference.interval.high)),
        expectation_text(result.experiment.measure));
  }
  return fmt::format("<p>{} claim{}: {} supported, {} refuted, {} undecided.</p>\n", results.size(),
                     results.size() == 1 ? "" : "s", counts[Verdict::kSupported],
                     counts[Verdict::kRefuted], counts[Verdict::kUndecided]) +
         scrolling("The verdicts",
                   "<thead><tr><th scope=\"col\">Claim</th><th scope=\"col\">Verdict</th>"
                   "<th scope=\"col\" class=\"number\">Difference, 95 % interval</th>"
                   "<th scope=\"col\">Expected</th></tr></thead>\n<tbody>\n" +
                       rows + "</tbody>\n");
}

// What a cell came to under a metric with one seed; nothing if there is no such cell.
std::optional<double> seed_value(const ExperimentResult& result, const std::string& name,
                                 const std::string& metric, size_t seed) {
  for (const CellResult& cell : result.cells)
    if (cell.name == name) return value_of(seed_figures(result, cell, metric)[seed]);
  return std::nullopt;
}

std::string difference_table(const ExperimentResult& result) {
  const Measure& measure = result.experiment.measure;
  const Difference& difference = result.difference;
  const bool two = against_metric(measure) != measure.metric;
  std::string table = fmt::format(
      "<caption>{}, {} questions</caption>\n<thead><tr><th scope=\"col\">Seed</th>"
      "<th scope=\"col\" class=\"number\">{}</th><th scope=\"col\" class=\"number\">{}</th>"
      "<th scope=\"col\" class=\"number\">Difference</th></tr></thead>\n<tbody>\n",
      markup_text(compared_text(measure)), difference.questions,
      markup_text(two ? measure.metric : measure.cell),
      markup_text(two ? against_metric(measure) : measure.against));
  for (size_t s = 0; s < result.seeds.size(); ++s) {
    std::optional<double> value;
    if (s < difference.seeds.size()) value = difference_part(difference, difference.seeds[s]);
    table += fmt::format(
        "<tr><th scope=\"row\">{}</th><td class=\"number\">{}</td><td class=\"number\">{}</td>"
        "<td class=\"number\">{}</td></tr>\n",
        result.seeds[s], number_text(seed_value(result, measure.cell, measure.metric, s)),
        number_text(seed_value(result, measure.against, against_metric(measure), s)),
        signed_text(value));
  }
  table += "</tbody>\n";
  return "<div class=\"few\">\n" + scrolling("Difference by seed", table) + "\n</div>" +
         fmt::format("\n<p>Mean: {}</p>", difference_text(difference));
}

std::string table(const ExperimentResult& result) {
  const Measure& measure = result.experiment.measure;
  const std::vector<std::string> metrics = shown_metrics(result.experiment);
  std::string out = "<thead><tr><th scope=\"col\">Trained</th>";
  for (const std::string& metric : metrics)
    out += fmt::format("<th scope=\"col\" class=\"number\">{}</th>", heading(metric));
  out += "</tr></thead>\n<tbody>\n";
  for (const CellResult& cell : result.cells) {
    const char* role = cell.name == measure.cell      ? " class=\"cell\""
                       : cell.name == measure.against ? " class=\"against\""
                                                      : "";
    out += fmt::format("<tr{}><th scope=\"row\">{}{}</th>", role, markup_text(cell.name),
                       *role == '\0' ? "" : "<small>compared</small>");
    for (const std::string& metric : metrics) {
      const std::vector<SeedFigure> figures = seed_figures(result, cell, metric);
      const std::optional<double> mean = mean_of(figures);
      out += fmt::format("<td class=\"number\">{}", number_text(mean));
      if (mean) {
        out += "<small>";
        for (size_t s = 0; s < figures.size(); ++s)
          out += (s == 0 ? "" : " ") + number_text(value_of(figures[s]));
        out += "</small>";
      }
      out += "</td>";
    }
    out += "</tr>\n";
  }
  return "<p class=\"soft\">Means over the seeds, and below them each seed's figure; -: not asked. "
         "The "
         "first measure decides.</p>\n" +
         scrolling("All measures of " + result.experiment.name, out + "</tbody>\n");
}

std::string literature(const std::vector<std::string>& all) {
  if (all.empty()) return "<p>None is known for this.</p>";
  std::string out = "<ul>\n";
  for (const std::string& one : all) out += fmt::format("<li>{}</li>\n", markup_text(one));
  return out + "</ul>";
}

std::string section(const ExperimentResult& result, const std::string& id) {
  const Experiment& experiment = result.experiment;
  const Measure& measure = experiment.measure;
  const std::string expected = fmt::format(
      "Expected of {}: {}.", markup_text(compared_text(measure)), expectation_text(measure));
  std::string says;
  if (!experiment.says.empty())
    says = fmt::format("<p>Who says so: {}</p>\n", markup_text(experiment.says));
  return filled(kSection, {{"ID", id},
                           {"NAME", markup_text(experiment.name)},
                           {"CLAIM", markup_text(experiment.claim)},
                           {"VERDICT", badge(result.verdict)},
                           {"EXPECTED", expected},
                           {"SAYS", says},
                           {"FIGURE", figure_without_style(result)},
                           {"DIFFERENCE", difference_table(result)},
                           {"REFUTED_BY", markup_text(experiment.refuted_by)},
                           {"FOUND", markup_text(experiment.found)},
                           {"LITERATURE", literature(experiment.literature)},
                           {"TOOK", fmt::format("Seeds {}. Training took {:.1f} minutes, steps "
                                                "that other experiments share counted in.",
                                                seeds_text(result), result.seconds / 60)},
                           {"TABLE", table(result)}});
}

}  // namespace

std::string lab_page(const std::vector<ExperimentResult>& results,
                     const std::vector<TrialFiles>& trials) {
  const std::vector<std::string> ids = section_ids(results);
  std::string sections;
  std::set<std::string> versions;
  for (size_t i = 0; i < results.size(); ++i) {
    sections += section(results[i], ids[i]);
    versions.insert(results[i].version);
  }
  if (versions.empty()) versions.insert(kVersion);
  const std::string about = fmt::format("Tried with libminillm {}.",
                                        markup_text(fmt::format("{}", fmt::join(versions, ", "))));
  // The page's policy allows no style but its own: no text can hold the hash of the page that it
  // is part of.
  std::string hashed = sections, links;
  for (const TrialFiles& trial : trials) hashed += trial.markdown + trial.figure;
  const std::string nonce = sha256(hashed);
  for (const TrialFiles& trial : trials) {
    sections += trial_section(trial, nonce);
    links += fmt::format("{}<a href=\"#trial-{}\">{}</a>", links.empty() ? "" : ", ",
                         markup_text(trial.name), markup_text(trial.title));
  }
  if (!links.empty()) links = fmt::format("<p>Other trials: {}.</p>\n", links);
  return filled(
      kPage,
      {{"NONCE", nonce},
       {"FIGURE_STYLE", std::string(figure_style())},
       {"DRAWS", fmt::format("{}", kBootstrapDraws)},
       {"SUMMARY", results.empty() && !trials.empty() ? links : summary(results, ids) + links},
       {"EXPERIMENTS", sections},
       {"ABOUT", about}});
}

}  // namespace minillm::lab
