// Metrics of all runs as one table.

#include <fmt/format.h>

#include <cmath>
#include <set>

#include "libminillm/core/visible.h"
#include "libminillm/report/report.h"

namespace minillm::report {
std::string csv_text(const std::string& text) {
  std::string field = visible(text);
  if (!field.empty() && std::string_view("=+-@\t\n").find(field[0]) != std::string_view::npos)
    field.insert(0, 1, '\'');
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string out = "\"";
  for (const char c : field) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

std::string report_csv(const std::vector<ReportRun>& runs) {
  std::set<std::string> names;  // sorted: the columns do not depend on which line came first
  for (const ReportRun& run : runs)
    for (const MetricsLine& line : run.metrics)
      for (const auto& [name, value] : line.values) names.insert(name);

  std::string out = "run,stage,step";
  for (const std::string& name : names) out += "," + csv_text(name);
  out += '\n';
  for (const ReportRun& run : runs) {
    for (const MetricsLine& line : run.metrics) {
      out += fmt::format("{},{},{}", csv_text(run.path), csv_text(run.stage), line.step);
      for (const std::string& name : names) {
        out += ',';
        for (const auto& [other, value] : line.values)
          if (other == name && std::isfinite(value)) out += fmt::format("{}", value);
      }
      out += '\n';
    }
  }
  return out;
}

}  // namespace minillm::report
