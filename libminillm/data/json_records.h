// The records of a data file: the lines of a JSONL file, the elements of a JSON array, JSON values
// in sequence, or the rows of a table. Internal: not included by public headers.

#ifndef LIBMINILLM_DATA_JSON_RECORDS_H_
#define LIBMINILLM_DATA_JSON_RECORDS_H_

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace minillm {

using Json = nlohmann::json;

// A longer record is a bad record.
inline constexpr size_t kMaxRecordBytes = size_t{64} << 20;

// Parses one record. NaN and infinities, which Python writes for what is missing, count as null;
// "tools", "functions" and "arguments" that are lists or objects are their texts (build_json).
// Throws BadRecord on what is not JSON (invalid UTF-8 and lone surrogates included), on duplicate
// keys, on nesting deeper than 32, and on text longer than kMaxRecordBytes.
Json parse_json_record(std::string_view text);

// One record as it lies in the file.
struct RawRecord {
  int64_t line = 0;  // where it starts
  std::string_view text;
  std::function<Json(std::string_view text)> parser = parse_json_record;
  Json parse() const { return parser(text); }  // throws BadRecord
};
using RecordVisitor = std::function<void(const RawRecord& record)>;

// Calls `visit` with every record of a file that holds some (data/data_form.h), in order, in
// bounded memory. Throws Error if the file cannot be read, or is not divided into records.
void for_each_record(const std::string& path, const RecordVisitor& visit);

// Without white space at its ends.
std::string_view trim(std::string_view text);
std::string lower_case(std::string text);  // ASCII letters; others stay
inline bool is_blank(std::string_view text) { return trim(text).empty(); }

}  // namespace minillm

#endif  // LIBMINILLM_DATA_JSON_RECORDS_H_
