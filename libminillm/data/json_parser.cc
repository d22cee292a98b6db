// Parses one JSON record strictly, in time proportional to its length.

#include <array>
#include <string>

#include "libminillm/core/check.h"
#include "libminillm/core/strict_json.h"
#include "libminillm/core/utf8.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/json_records.h"

namespace minillm {
namespace {

constexpr size_t kMaxDepth = 32;
// What tools are and what they are called with: a template writes it as the row does.
constexpr std::array<std::string_view, 3> kKeptAsText = {"tools", "functions", "arguments"};

Json parse_strictly(std::string_view text) {
  try {
    return build_json(text, kMaxDepth, kKeptAsText);
  } catch (const JsonFault& fault) {
    if (fault.kind == JsonFault::kDuplicateKey)
      throw BadRecord{"duplicate key", fmt::format("'{}' appears twice", fault.detail)};
    if (fault.kind == JsonFault::kDepth)
      throw BadRecord{"nested too deeply", fmt::format("expected at most {} levels", kMaxDepth)};
    // "[json.exception.parse_error.101] parse error at line 1, column 17: syntax error ..."
    std::string what = fault.detail;
    const size_t column = what.find("column ");
    what = what.substr(column != std::string::npos ? column : what.find("] ") + 2);
    if (what.size() > 160) what = what.substr(0, 160) + "...";
    throw BadRecord{"invalid JSON", replace_invalid_utf8(what)};
  }
}

}  // namespace

Json parse_json_record(std::string_view text) {
  if (text.size() > kMaxRecordBytes)
    throw BadRecord{"record is too long",
                    fmt::format("expected at most {} bytes", kMaxRecordBytes)};
  // The parser would take a NUL for the end of the text.
  if (text.find('\0') != std::string_view::npos)
    throw BadRecord{"invalid JSON", "it contains a NUL byte"};
  try {
    return parse_strictly(text);
  } catch (const BadRecord&) {
    const std::string repaired = null_for_nonfinite(text);
    if (repaired == text) throw;
    return parse_strictly(repaired);
  }
}

}  // namespace minillm
