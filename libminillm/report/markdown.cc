// The report as Markdown: everything but the curves.

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "libminillm/core/visible.h"
#include "libminillm/report/report.h"

namespace minillm::report {
namespace {

// Text inside a table's cell or a paragraph: nothing of it is markup. Line ends become <br>.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : visible(text)) {
    if (c == '\n')
      out += "<br>";
    else if (c == '<' || c == '>' || c == '&')
      out += fmt::format("&#{};", static_cast<int>(c));
    else if (std::string_view("\\`*_{}[]()#+-.!|~$:@").find(c) != std::string_view::npos)
      out += fmt::format("\\{}", c);
    else if (static_cast<unsigned char>(c) < 0x20)
      out += ' ';
    else
      out += c;
  }
  return out;
}

// A hash comes from a file that anybody may have written.
std::string short_hash(const std::string& hash) {
  if (hash.empty()) return "none";
  const bool plain = std::ranges::all_of(hash, [](unsigned char c) { return std::isalnum(c); });
  return plain ? fmt::format("`{}`", hash.substr(0, 12)) : escaped(hash);
}

const char* mark(Judgement judgement) {
  return judgement == Judgement::kRight ? "right" : judgement == Judgement::kWrong ? "wrong" : "";
}

void append_stages(std::string& out, const Report& report) {
  out += "\n## The stages\n";
  for (const ReportRun& run : report.runs) {
    const StageNotes& notes = stage_notes(run.stage);
    out += fmt::format("\n### {}\n\n", escaped(notes.title.empty() ? run.name : notes.title));
    if (!notes.title.empty())
      out += fmt::format("{}\n\n{}\n\n```\n{}\n```\n\n`{}`\n\n{}\n", notes.learns, notes.data,
                         notes.row, notes.objective, notes.where);
  }
}

void append_prompts(std::string& out, const Report& report) {
  if (report.prompts.empty()) return;
  out += "\n## The same prompts through every stage\n";
  for (const ReportPrompt& prompt : report.prompts) {
    out += fmt::format("\n**{}**\n\n", escaped(prompt_line(prompt.prompt)));
    if (!prompt.expected.empty()) out += fmt::format("Expected: {}\n\n", escaped(prompt.expected));
    out += "| stage | answer | verdict | tokens | ended | log p |\n|---|---|---|---:|---|---:|\n";
    for (size_t r = 0; r < report.runs.size(); ++r) {
      for (const ReportAnswer& a : prompt.answers[r]) {
        const std::string form =
            prompt.answers[r].size() > 1 ? fmt::format(" ({})", a.form) : std::string();
        out += fmt::format("| {}{} | {} | {} | {} | {} | {:.3f} |\n", escaped(report.runs[r].name),
                           form, escaped(a.answer.text), mark(a.judgement), a.answer.tokens,
                           a.answer.ended ? "yes" : "no", a.answer.mean_log_prob);
      }
    }
  }
}

void append_failures(std::string& out, const Report& report) {
  if (report.prompts.empty()) return;
  out += "\n## What fails, and since when\n\n";
  std::string rows;
  for (const ReportPrompt& prompt : report.prompts) {
    const Diagnosis& d = prompt.diagnosis;
    if (!d.failed) continue;
    rows += fmt::format("| {} | {} | {} | {} |\n", escaped(prompt_line(prompt.prompt)),
                        d.first_stage < 0
                            ? "none that is here"
                            : escaped(report.runs[static_cast<size_t>(d.first_stage)].name),
                        escaped(d.phase), escaped(d.reason));
  }
  out += rows.empty()
             ? "No prompt is known to fail at the last stage.\n"
             : "| prompt | first failing stage | points to | why |\n|---|---|---|---|\n" + rows;
}

void append_figures(std::string& out, const char* heading, const ReportFigures& figures) {
  if (figures.rows.empty()) return;
  out += fmt::format("\n## {}\n\n| figure |", heading);
  for (const std::string& column : figures.columns) out += fmt::format(" {} |", escaped(column));
  out += "\n|---|";
  for (size_t i = 0; i < figures.columns.size(); ++i) out += "---:|";
  out += '\n';
  for (const ReportFigure& figure : figures.rows) {
    out += fmt::format("| {} |", escaped(figure.name));
    for (const ReportFigure::Value& v : figure.values)
      out += v.of == 0 ? " |" : fmt::format(" {:.3f} ({:.0f}/{:.0f}) |", v.value, v.count, v.of);
    out += '\n';
  }
}

void append_changes(std::string& out, const Report& report) {
  if (!report.changes.empty()) {
    out +=
        "\n## What each stage changed\n\n"
        "| from | to | repaired | broken | reworded | same |\n|---|---|---:|---:|---:|---:|\n";
    for (const ReportChange& c : report.changes)
      out += fmt::format("| {} | {} | {} | {} | {} | {} |\n", escaped(c.from), escaped(c.to),
                         c.counts.repaired, c.counts.broken, c.counts.reworded, c.counts.same);
  }
  append_figures(out, "Figures", report.figures);
  append_figures(out, "Figures with each layer around the model", report.layers.figures);
  if (report.layers.changes.empty()) return;
  out += "\n| layer | question | alone | with the layer | |\n|---|---|---|---|---|\n";
  for (const ReportLayers::Change& c : report.layers.changes)
    out += fmt::format("| {} | {} | {} | {} | {} |\n", escaped(c.layer), escaped(c.question),
                       escaped(c.alone), escaped(c.with_layer), c.repaired ? "repaired" : "broken");
}

void append_lineage(std::string& out, const Report& report) {
  out += "\n## Lineage\n";
  for (const ReportRun& run : report.runs) {
    out += fmt::format("\n**{}**: {}, weights {}\n", escaped(run.name),
                       escaped(run.checkpoint.empty() ? run.path : run.checkpoint),
                       short_hash(run.weights_hash));
    if (run.lineage.empty()) {
      out += "\nIts lineage is not known.\n";
      continue;
    }
    out += "\n| stage | steps | tokens | seed | parent | data |\n|---|---:|---:|---:|---|---|\n";
    for (const LineageEntry& entry : run.lineage) {
      std::string hashes;
      for (const auto& [name, hash] : entry.hashes)
        hashes +=
            fmt::format("{}{} {}", hashes.empty() ? "" : ", ", escaped(name), short_hash(hash));
      out += fmt::format("| {} | {} | {} | {} | {} | {} |\n", escaped(entry.stage), entry.steps,
                         entry.tokens, entry.seed, short_hash(entry.parent), hashes);
    }
  }
}

// First and last of what is watched while training.
void append_metrics(std::string& out, const Report& report) {
  out += "\n## Training\n\n| run | metric | first | last | lines |\n|---|---|---:|---:|---:|\n";
  for (const ReportRun& run : report.runs) {
    for (const char* name :
         {"loss", "eval_loss", "grad_norm", "rewards/margins", "rewards/accuracies", "accuracy",
          "eval_accuracy", "reward", "eval_reward", "kl_per_answer"}) {
      std::vector<double> values;
      for (const MetricsLine& line : run.metrics)
        for (const auto& [other, value] : line.values)
          if (other == name && std::isfinite(value)) values.push_back(value);
      if (values.empty()) continue;
      out += fmt::format("| {} | {} | {:.4f} | {:.4f} | {} |\n", escaped(run.name), escaped(name),
                         values.front(), values.back(), values.size());
    }
  }
}

void append_samples(std::string& out, const Report& report) {
  std::string rows;
  for (const ReportRun& run : report.runs)
    for (const auto& [step, sample] : run.samples)
      rows += fmt::format("| {} | {} | {} | {} | {} |\n", escaped(run.name), step,
                          escaped(sample.prompt), escaped(sample.text),
                          sample.reward ? fmt::format("{:.3g}", *sample.reward) : std::string());
  if (rows.empty()) return;
  out += "\n## Samples while training\n\n| run | step | prompt | text | reward |\n";
  out += "|---|---:|---|---|---:|\n" + rows;
}

}  // namespace

std::string report_markdown(const Report& report) {
  std::string out = "# Training report\n";
  append_prompts(out, report);
  append_failures(out, report);
  append_changes(out, report);
  append_stages(out, report);
  append_metrics(out, report);
  append_samples(out, report);
  append_lineage(out, report);
  return out;
}

}  // namespace minillm::report
