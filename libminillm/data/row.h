// Row: a JSON object while it is read. It remembers which keys were used, so that none which
// carries a meaning is dropped in silence. Internal: not included by public headers.

#ifndef LIBMINILLM_DATA_ROW_H_
#define LIBMINILLM_DATA_ROW_H_

#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "libminillm/data/dataset_reader.h"  // RowMapping
#include "libminillm/data/json_records.h"

namespace minillm {

// What is noted while one record is read.
struct RowReading {
  const RowMapping& mapping;
  std::map<const Json*, std::set<std::string, std::less<>>> used = {};  // keys of every object read
  std::set<std::string> notes = {};   // what a user should be told of it, counted per file
  std::set<std::string> mapped = {};  // columns of the mapping that it has
  std::map<std::string, std::string> written = {};  // a key's name in the file, where it differs
};

class Row {
 public:
  // `value` may be anything; what is no object has no keys. Both must outlive the row.
  Row(const Json& value, RowReading& reading) : value_(value), reading_(reading) {
    if (value.is_object()) reading.used.try_emplace(&value);
  }
  Row child(const Json& value) const { return {value, reading_}; }

  const Json& value() const { return value_; }
  RowReading& reading() const { return reading_; }
  void note(std::string text) const { reading_.notes.insert(std::move(text)); }

  // Looking does not use a key. A null counts as absent everywhere.
  bool has(const char* key) const;
  // The first key of the list that the row has, or nullptr.
  const char* first_of(std::initializer_list<const char*> keys) const;
  // The value, and its key is used; nullptr if there is none.
  const Json* use(const char* key) const;

  // A field's text; numbers and truth values as they are written. Throws BadRecord if it is
  // missing, or a list or an object.
  std::string text(const char* key) const;
  std::string optional_text(const char* key) const;  // "" if missing

 private:
  const Json& value_;
  RowReading& reading_;
};

// The record with its columns named as the mapping says, and names in lower case where that makes
// none ambiguous.
Json with_known_names(Json record, RowReading& reading);

// What is told about a file's rows, once they are read.
class RowNotes {
 public:
  void add(const RowReading& reading);
  // Fills in unused_keys and warnings.
  void report(DatasetReport& report) const;

 private:
  struct Unused {
    int64_t rows = 0, with_text = 0;
  };
  std::map<std::string, Unused> unused_;
  std::map<std::string, int64_t> notes_;
};

}  // namespace minillm

#endif  // LIBMINILLM_DATA_ROW_H_
