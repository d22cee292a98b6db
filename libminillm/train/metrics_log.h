// MetricsLog: metrics.jsonl, one JSON object per line, only ever appended to.

#ifndef LIBMINILLM_TRAIN_METRICS_LOG_H_
#define LIBMINILLM_TRAIN_METRICS_LOG_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "libminillm/core/file_descriptor.h"
#include "libminillm/core/metrics.h"

namespace minillm {

class MetricsLog {
 public:
  // Opens `path` for appending at `offset`; what a killed run wrote after it is dropped. Throws
  // Error if the file cannot be opened or shortened.
  MetricsLog(const std::string& path, uint64_t offset);

  // Writes one line, a JSON object, with a single write(). Throws Error if it cannot be written:
  // then it is kept, and written before the next one.
  void append(std::string_view json);
  // Makes all lines durable: before a checkpoint records offset(). Throws Error.
  void sync();
  uint64_t offset() const { return offset_; }  // bytes in the file

 private:
  void write_waiting();

  FileDescriptor file_;
  uint64_t offset_;
  std::string waiting_;  // what has to be written; the file may end within one of its lines
};

// `{"step":10,"loss":1.25,"grad_norm":null}`: shortest digits that read back as the same double;
// null for what is not finite.
std::string metrics_to_json(const Metrics& metrics);

}  // namespace minillm

#endif  // LIBMINILLM_TRAIN_METRICS_LOG_H_
