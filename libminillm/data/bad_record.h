// BadRecord: why a record of a data set cannot be used, and how that is reported. Internal.

#ifndef LIBMINILLM_DATA_BAD_RECORD_H_
#define LIBMINILLM_DATA_BAD_RECORD_H_

#include <cstdint>
#include <string>

#include "libminillm/data/dataset_reader.h"  // BadRecordPolicy, DatasetReport

namespace minillm {

// Thrown by what reads one record, caught by what reads the file. Records are counted by `reason`;
// `detail` is what was expected and found in this one.
struct BadRecord {
  std::string reason;
  std::string detail;
  bool harmless = false;  // left out and counted also under BadRecordPolicy::kError
};

// Counts the record at `line` in `report`, or throws Error: `path:line: reason: detail`.
void report_bad_record(DatasetReport& report, int64_t line, const BadRecord& bad,
                       BadRecordPolicy policy);

// Warns where so many rows were dropped that a data set is probably not what it was taken for.
void warn_of_many_dropped(DatasetReport& report);

// `3 of 3 rows dropped: assistant message is empty (2), unknown role (1)`.
std::string dropped_summary(const DatasetReport& report);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_BAD_RECORD_H_
