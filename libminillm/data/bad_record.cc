#include "libminillm/data/bad_record.h"

#include <numeric>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

constexpr size_t kMaxExamples = 10;
constexpr int64_t kMaxExamplesPerReason = 2;

}  // namespace

void report_bad_record(DatasetReport& report, int64_t line, const BadRecord& bad,
                       BadRecordPolicy policy) {
  std::string message = fmt::format("{}:{}: {}", report.path, line, bad.reason);
  if (!bad.detail.empty()) message += ": " + bad.detail;
  if (policy == BadRecordPolicy::kError && !bad.harmless) {
    throw Error(message + " (on_bad_record = \"skip\" leaves such records out)");
  }
  const int64_t count = ++report.dropped[bad.reason];
  if (count <= kMaxExamplesPerReason && report.examples.size() < kMaxExamples) {
    report.examples.push_back(std::move(message));
  }
}

void warn_of_many_dropped(DatasetReport& report) {
  constexpr int64_t kMany = 20;  // one in so many
  if (report.used == 0 || (report.rows - report.used) * kMany <= report.rows) return;
  report.warnings.push_back(dropped_summary(report));
}

std::string dropped_summary(const DatasetReport& report) {
  const int64_t total =
      std::accumulate(report.dropped.begin(), report.dropped.end(), int64_t{0},
                      [](int64_t sum, const auto& entry) { return sum + entry.second; });
  if (report.rows == 0) return "it is empty";
  std::string summary = fmt::format("{} of {} rows dropped", total, report.rows);
  const char* separator = ": ";
  for (const auto& [reason, count] : report.dropped) {
    summary += fmt::format("{}{} ({})", separator, reason, count);
    separator = ", ";
  }
  return summary;
}

}  // namespace minillm
