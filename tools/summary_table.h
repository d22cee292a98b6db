// The table of what each stage changed, from every stage's `minillm-eval world --json`.

#ifndef TOOLS_SUMMARY_TABLE_H_
#define TOOLS_SUMMARY_TABLE_H_

#include <fmt/format.h>

#include <string>

#include "libminillm/report/report.h"

namespace minillm {

// A row per figure and a column per stage: "-" for what a stage was not asked.
inline std::string summary_table(const report::ReportFigures& figures) {
  std::string table = fmt::format("{:<40}", "");
  for (const std::string& column : figures.columns) table += fmt::format("{:>12}", column);
  table += '\n';
  for (const report::ReportFigure& figure : figures.rows) {
    table += fmt::format("{:<40}", figure.name);
    for (const report::ReportFigure::Value& v : figure.values)
      table += v.of == 0 ? fmt::format("{:>12}", "-") : fmt::format("{:>12.3f}", v.value);
    table += '\n';
  }
  return table;
}

}  // namespace minillm

#endif  // TOOLS_SUMMARY_TABLE_H_
