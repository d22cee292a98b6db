// What a data file holds: plain text, JSON records, or a table. Told by its content; its name
// decides only where the content may be either. Internal: not included by public headers.

#ifndef LIBMINILLM_DATA_DATA_FORM_H_
#define LIBMINILLM_DATA_DATA_FORM_H_

#include <cstdint>
#include <string>

namespace minillm {

// A file is JSON if it is called .json, .jsonl or .ndjson, in any case, or if it begins with a JSON
// object, or with an array of them, which ends the file or is followed by another one. `[Enter
// HAMLET]` and a program that begins with a brace are plain text. A file called .csv or .tsv is a
// table, unless it is JSON by content. All else is plain text. An ending .gz or .zst is not looked
// at.
struct DataForm {
  enum Kind {
    kText,
    kLines,   // one JSON value per line
    kValues,  // JSON values in sequence, over any lines: pretty-printed objects, or a single value
    kArray,   // the elements of one JSON array
    kTable    // rows of cells under a header
  };
  Kind kind = kText;
  uint64_t begin = 0;          // kArray: where `[` is, in the unpacked file
  bool wrapped = false;        // kArray: it is a member of an object, {"data": [...]}
  char delimiter = ',';        // kTable
  std::string container = {};  // "gzip, CSV", ...: what the file's name need not say
  std::string notice = {};     // what a user should be told; may be empty
};

// Throws Error if the file cannot be read, or holds none of these (core/file_kind.h).
DataForm detect_data_form(const std::string& path);
// Whether it holds records, not plain text.
inline bool holds_records(const std::string& path) {
  return detect_data_form(path).kind != DataForm::kText;
}

}  // namespace minillm

#endif  // LIBMINILLM_DATA_DATA_FORM_H_
