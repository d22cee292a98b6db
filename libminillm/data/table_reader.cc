#include "libminillm/data/table_reader.h"

#include <unordered_set>
#include <vector>

#include "libminillm/core/check.h"
#include "libminillm/core/utf8.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/line_reader.h"

namespace minillm {
namespace {

// Divides rows into cells, line by line, as a quoted cell may go on over many.
class RowReader {
 public:
  RowReader(const std::string& path, char delimiter)
      : lines_(path, kMaxRecordBytes, /*cut=*/true), delimiter_(delimiter) {}

  // The next row that is not blank; false at the end of the file.
  bool next() {
    std::string_view line;
    do {
      if (!lines_.next(line)) return false;
    } while (line.empty());
    line_ = lines_.line_number();
    cells.assign(1, "");
    bad = {};
    quoted_ = false;
    size_ = 0;
    add_line(line);
    while (quoted_) {
      if (!lines_.next(line)) {
        bad = {"quote is not closed", "expected '\"' before the end of the file"};
        break;
      }
      cells.back() += '\n';
      add_line(line);
    }
    return true;
  }

  int64_t line() const { return line_; }  // where the row starts

  std::vector<std::string> cells;
  BadRecord bad;  // without a reason: the row is sound

 private:
  void add_line(std::string_view line) {
    size_ += line.size() + 1;
    if (size_ > kMaxRecordBytes) {
      bad = {"record is too long", fmt::format("expected at most {} bytes", kMaxRecordBytes)};
      cells.assign(1, "");
    }
    for (size_t i = 0; i < line.size(); ++i) {
      const char c = line[i];
      if (quoted_) {
        if (c != '"') {
          cells.back() += c;
        } else if (i + 1 < line.size() && line[i + 1] == '"') {
          cells.back() += line[++i];
        } else {
          quoted_ = false;
          closed_ = true;
        }
      } else if (c == delimiter_) {
        cells.emplace_back();
        closed_ = false;
      } else if (c == '"' && cells.back().empty() && !closed_) {
        quoted_ = true;
      } else if (closed_) {
        bad = {"text after a quoted cell",
               fmt::format("expected '{}' or the end of the line after '\"'", delimiter_)};
      } else {
        cells.back() += c;
      }
    }
    if (!quoted_) closed_ = false;
  }

  LineReader lines_;
  const char delimiter_;
  int64_t line_ = 0;
  size_t size_ = 0;      // of the row so far
  bool quoted_ = false;  // inside of a quoted cell
  bool closed_ = false;  // after one
};

// The names of the columns; one without a name, as of an index that a data frame writes, is its
// number.
std::vector<std::string> column_names(const RowReader& header, const std::string& path) {
  if (!header.bad.reason.empty())
    throw Error(fmt::format("{}:{}: header: {}", path, header.line(), header.bad.reason));
  std::vector<std::string> names;
  std::unordered_set<std::string> seen;
  for (const std::string& cell : header.cells) {
    std::string name(trim(cell));
    if (name.empty()) name = fmt::format("column {}", names.size() + 1);
    MINILLM_CHECK(is_valid_utf8(name), "{}:{}: header: column {} is not UTF-8", path, header.line(),
                  names.size() + 1);
    MINILLM_CHECK(seen.insert(name).second, "{}:{}: header: two columns are called '{}'", path,
                  header.line(), name);
    names.push_back(std::move(name));
  }
  return names;
}

Json to_record(const RowReader& row, const std::vector<std::string>& names) {
  if (!row.bad.reason.empty()) throw BadRecord(row.bad);
  if (row.cells.size() != names.size()) {
    throw BadRecord{"wrong number of cells", fmt::format("expected {} as in the header, got {}",
                                                         names.size(), row.cells.size())};
  }
  Json record = Json::object();
  for (size_t i = 0; i < names.size(); ++i) {
    if (row.cells[i].empty()) continue;
    if (!is_valid_utf8(row.cells[i]))
      throw BadRecord{"invalid UTF-8", fmt::format("column '{}'", names[i])};
    record[names[i]] = row.cells[i];
  }
  return record;
}

}  // namespace

void for_each_table_row(const std::string& path, char delimiter, const RecordVisitor& visit) {
  RowReader row(path, delimiter);
  if (!row.next()) return;
  const std::vector<std::string> names = column_names(row, path);
  while (row.next())
    visit({row.line(), "", [&](std::string_view) { return to_record(row, names); }});
}

}  // namespace minillm
