// The records of a JSON data set: the lines of a JSONL file, the elements of a JSON array, or one
// JSON value. Internal: not included by public headers.

#ifndef LIBMINILLM_DATA_JSON_RECORDS_H_
#define LIBMINILLM_DATA_JSON_RECORDS_H_

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace minillm {

using Json = nlohmann::json;

// ".json", ".jsonl" and ".ndjson" files hold JSON records; all others are plain text.
bool is_json_path(const std::string& path);

// Calls `visit(line, text)` with every record, in order, `line` being where it starts. The file's
// form is told by its content. JSONL is streamed; other files are read whole. The text need not be
// valid JSON. Throws Error if the file cannot be read, or is not divided into records.
using RecordVisitor = std::function<void(int64_t line, std::string_view text)>;
void for_each_json_record(const std::string& path, const RecordVisitor& visit);

// Parses one record. Throws BadRecord on what is not JSON (NaN, invalid UTF-8 and lone surrogates
// included), on duplicate keys, and on nesting deeper than 32.
Json parse_json_record(std::string_view text);

// Without white space at its ends.
std::string_view trim(std::string_view text);
inline bool is_blank(std::string_view text) { return trim(text).empty(); }

}  // namespace minillm

#endif  // LIBMINILLM_DATA_JSON_RECORDS_H_
