// MetricsLog: metrics.jsonl, one JSON object per line, only ever appended to.

#ifndef LIBMINILLM_TRAIN_METRICS_LOG_H_
#define LIBMINILLM_TRAIN_METRICS_LOG_H_

#include <cstdint>
#include <string>

#include "libminillm/core/file_descriptor.h"
#include "libminillm/core/metrics.h"

namespace minillm {

class MetricsLog {
 public:
  // Opens `path` for appending at `offset`; what a killed run wrote after it is dropped. Throws
  // Error if the file cannot be opened or shortened.
  MetricsLog(const std::string& path, uint64_t offset);

  // Writes one line with a single write(). Numbers that are not finite become null. Throws Error.
  void append(const Metrics& metrics);
  // Makes all lines durable: before a checkpoint records offset().
  void sync() { file_.sync(); }
  uint64_t offset() const { return offset_; }  // bytes in the file

 private:
  FileDescriptor file_;
  uint64_t offset_;
};

// `{"step":10,"loss":1.25,"grad_norm":null}`: shortest digits that read back as the same double.
std::string metrics_to_json(const Metrics& metrics);

}  // namespace minillm

#endif  // LIBMINILLM_TRAIN_METRICS_LOG_H_
