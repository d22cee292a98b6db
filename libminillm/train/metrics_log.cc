#include "libminillm/train/metrics_log.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"

namespace minillm {
namespace {

FileDescriptor open_at(const std::string& path, uint64_t offset) {
  if (file_exists(path) && file_size(path) > offset)
    write_file_atomic(path, std::string_view(read_file(path)).substr(0, offset));
  return FileDescriptor::to_append(path);
}

}  // namespace

MetricsLog::MetricsLog(const std::string& path, uint64_t offset)
    : file_(open_at(path, offset)), offset_(file_.size()) {}

void MetricsLog::append(std::string_view json) {
  waiting_ += json;
  waiting_ += '\n';
  write_waiting();
}

void MetricsLog::write_waiting() {
  while (!waiting_.empty()) {
    const size_t count = file_.write(waiting_);
    offset_ += count;
    waiting_.erase(0, count);
  }
}

void MetricsLog::sync() {
  write_waiting();
  file_.sync();
}

std::string metrics_to_json(const Metrics& metrics) {
  std::string json = "{";
  for (const auto& [name, value] : metrics) {
    if (json.size() > 1) json += ",";
    json += nlohmann::json(name).dump() + ":";
    json += std::isfinite(value) ? fmt::format("{}", value) : "null";
  }
  return json + "}";
}

}  // namespace minillm
