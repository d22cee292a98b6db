// The table of what each stage changed, from every stage's `minillm-eval world --json`.

#ifndef TOOLS_SUMMARY_TABLE_H_
#define TOOLS_SUMMARY_TABLE_H_

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "libminillm/core/error.h"
#include "libminillm/core/file.h"

namespace minillm {

// Reads {"pretrain": {metric: {"value", "count", "of"}}, "sft": ..., ...} and lays out a row per
// metric and a column per stage: "-" for what a stage was not asked ("of" is 0, or it has no such
// metric). Counts of single cloze wordings ("cloze/...") are left out. Throws Error on anything
// else.
inline std::string format_summary(const std::string& path) {
  try {
    const auto summary = nlohmann::ordered_json::parse(read_file(path));
    if (!summary.is_object() || summary.empty())
      throw Error(fmt::format("summary '{}': expected an object with at least one stage", path));
    std::string table = fmt::format("{:<40}", "");
    for (const auto& [stage, metrics] : summary.items()) table += fmt::format("{:>12}", stage);
    table += '\n';
    for (const auto& [name, first] : summary.front().items()) {
      if (name.starts_with("cloze/")) continue;
      table += fmt::format("{:<40}", name);
      for (const auto& [stage, metrics] : summary.items()) {
        const auto metric = metrics.value(name, nlohmann::ordered_json{{"of", 0}});
        table += metric.at("of") == 0
                     ? fmt::format("{:>12}", "-")
                     : fmt::format("{:>12.3f}", metric.at("value").template get<double>());
      }
      table += '\n';
    }
    return table;
  } catch (const nlohmann::json::exception& e) {
    throw Error(fmt::format(
        "summary '{}': expected the figures of minillm-eval world --json by stage, got: {}", path,
        e.what()));
  }
}

}  // namespace minillm

#endif  // TOOLS_SUMMARY_TABLE_H_
