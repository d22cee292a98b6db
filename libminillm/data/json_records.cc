#include "libminillm/data/json_records.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "libminillm/core/check.h"
#include "libminillm/data/byte_stream.h"
#include "libminillm/data/data_form.h"
#include "libminillm/data/element_splitter.h"
#include "libminillm/data/line_reader.h"
#include "libminillm/data/table_reader.h"

namespace minillm {
namespace {

constexpr size_t kBlockBytes = size_t{1} << 16;
using Splitter = ElementSplitter;

void for_each_line(const std::string& path, const RecordVisitor& visit) {
  LineReader lines(path, kMaxRecordBytes, /*cut=*/true);
  for (std::string_view line; lines.next(line);) {
    line = trim(line);
    if (!line.empty()) visit({lines.line_number(), line});
  }
}

// The blocks of a file's text.
template <typename Take>
void for_each_block(const std::string& path, const Take& take) {
  ByteStream file(path);
  std::string block(kBlockBytes, '\0');
  while (const size_t count = file.read(block.data(), block.size()))
    take(std::string_view(block).substr(0, count));
}

void for_each_value(const std::string& path, const RecordVisitor& visit) {
  Splitter splitter(Splitter::Of::kSequence, kMaxRecordBytes, 1,
                    [&](int64_t line, std::string_view text) {
                      visit({line, text});
                    });
  bool first = true;
  for_each_block(path, [&](std::string_view block) {
    if (first && block.starts_with("\xef\xbb\xbf")) block.remove_prefix(3);
    first = false;
    splitter.push(block);
  });
  splitter.finish();
}

// Hugging Face's server of data sets hands out {"rows": [{"row_idx": 0, "row": {...}}, ...]}.
Json parse_wrapped(std::string_view text) {
  Json value = parse_json_record(text);
  if (value.is_object() && value.contains("row_idx") && value.contains("row"))
    return std::move(value["row"]);
  return value;
}

// The elements of the array whose `[` is byte `form.begin`.
void for_each_element(const std::string& path, const DataForm& form, const RecordVisitor& visit) {
  RecordVisitor pass = visit;
  if (form.wrapped)
    pass = [&](const RawRecord& record) { visit({record.line, record.text, parse_wrapped}); };
  uint64_t skip = form.begin + 1;
  int64_t line = 1;
  std::optional<Splitter> splitter;
  for_each_block(path, [&](std::string_view block) {
    const size_t skipped = std::min<uint64_t>(skip, block.size());
    line += std::count(block.begin(), block.begin() + static_cast<ptrdiff_t>(skipped), '\n');
    skip -= skipped;
    block.remove_prefix(skipped);
    if (skip > 0) return;
    if (!splitter) {
      splitter.emplace(Splitter::Of::kArray, kMaxRecordBytes, line,
                       [&](int64_t at, std::string_view text) {
                         pass({at, text});
                       });
    }
    if (!splitter->array_ended()) block.remove_prefix(splitter->push(block));
    MINILLM_CHECK(!splitter->array_ended() || form.wrapped || is_blank(block),
                  "{}:{}: text after the end of the JSON array", path, splitter->line());
  });
  if (splitter && !splitter->array_ended()) splitter->finish();
  MINILLM_CHECK(splitter && splitter->array_ended(),
                "{}:{}: the JSON array is not closed: expected ']', got the end of the file", path,
                splitter ? splitter->line() : line);
}

}  // namespace

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::string_view trim(std::string_view text) {
  constexpr const char* kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

void for_each_record(const std::string& path, const RecordVisitor& visit) {
  const DataForm form = detect_data_form(path);
  switch (form.kind) {
    case DataForm::kText:
      throw Error(
          fmt::format("'{}': expected records (JSON lines, a JSON array, or a .csv or .tsv "
                      "table), got plain text",
                      path));
    case DataForm::kLines:
      return for_each_line(path, visit);
    case DataForm::kValues:
      return for_each_value(path, visit);
    case DataForm::kArray:
      return for_each_element(path, form, visit);
    case DataForm::kTable:
      return for_each_table_row(path, form.delimiter, visit);
  }
}

}  // namespace minillm
