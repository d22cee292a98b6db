#include "libminillm/data/json_records.h"

#include <algorithm>
#include <set>
#include <vector>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/utf8.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/line_reader.h"

namespace minillm {
namespace {

constexpr int kMaxDepth = 32;
constexpr size_t kMaxJsonFileBytes = size_t{4} << 30;

// Follows nested values and strings through JSON text without checking it: enough to find where
// an element ends.
class NestingScanner {
 public:
  void push(char c) {
    if (in_string_) {
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
      }
    } else if (c == '"') {
      in_string_ = true;
    } else if (c == '[' || c == '{') {
      ++depth_;
    } else if (c == ']' || c == '}') {
      --depth_;
    }
  }
  int64_t depth() const { return depth_; }
  bool in_string() const { return in_string_; }

 private:
  int64_t depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
};

// The elements of `text`, an array, and the lines they start at.
void for_each_element(std::string_view text, const std::string& path, const RecordVisitor& visit) {
  NestingScanner scanner;
  int64_t line = 1, element_line = 0;
  size_t element_begin = 0;
  bool inside = false;  // of an element
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool ends_element =
        !scanner.in_string() && scanner.depth() == 1 && (c == ',' || c == ']');
    if (ends_element) {
      if (inside) visit(element_line, trim(text.substr(element_begin, i - element_begin)));
      inside = false;
    } else if (scanner.depth() == 1 && !inside &&
               std::string_view(" \t\r\n").find(c) == std::string_view::npos) {
      inside = true;
      element_begin = i;
      element_line = line;
    }
    if (c == '\n') ++line;
    scanner.push(c);
    if (scanner.depth() == 0 && ends_element) {
      MINILLM_CHECK(trim(text.substr(i + 1)).empty(), "{}:{}: text after the end of the JSON array",
                    path, line);
      return;
    }
  }
  if (inside) visit(element_line, trim(text.substr(element_begin)));
  throw Error(fmt::format(
      "{}:{}: the JSON array is not closed: expected ']', got the end of the file", path, line));
}

// A conversation without a wrapper: [{"role": ..., "content": ...}, ...].
bool is_message_array(const Json& value) {
  return value.is_array() && !value.empty() &&
         std::all_of(value.begin(), value.end(), [](const Json& element) {
           return element.is_object() && (element.contains("role") || element.contains("from"));
         });
}

bool is_json(std::string_view text) {
  try {
    parse_json_record(text);
    return true;
  } catch (const BadRecord&) {
    return false;
  }
}

// A file that is one JSON value: an array of records, or a single record.
void for_each_record_of_value(const std::string& path, const RecordVisitor& visit) {
  MINILLM_CHECK(file_size(path) <= kMaxJsonFileBytes,
                "'{}': too large for a JSON array: expected at most {} bytes "
                "(write one record per line, as .jsonl)",
                path, kMaxJsonFileBytes);
  const std::string content = read_file(path);
  std::string_view text = content;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  const std::string_view trimmed = trim(text);
  const auto first_line = 1 + std::count(text.data(), trimmed.data(), '\n');
  bool single = !trimmed.starts_with('[');
  if (!single && trimmed.size() <= kMaxLineBytes && is_json(trimmed))
    single = is_message_array(parse_json_record(trimmed));
  if (single) {
    visit(first_line, trimmed);
  } else {
    for_each_element(text, path, visit);
  }
}

}  // namespace

std::string_view trim(std::string_view text) {
  constexpr const char* kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

bool is_json_path(const std::string& path) {
  return path.ends_with(".json") || path.ends_with(".jsonl") || path.ends_with(".ndjson");
}

void for_each_json_record(const std::string& path, const RecordVisitor& visit) {
  // The file is JSONL if its first line is a whole value and more lines follow; a broken first line
  // does not change that in a file called .jsonl, unless it merely opens a value.
  std::string first;
  bool more = false;
  {
    LineReader lines(path);
    for (std::string_view line; !more && lines.next(line);) {
      line = trim(line);
      if (line.empty()) continue;
      more = !first.empty();
      if (!more) first = line;
    }
  }
  if (first.empty()) return;
  const bool opens_value = first == "[" || first == "{";
  const bool is_lines = more && !opens_value && (is_json(first) || !path.ends_with(".json"));
  if (!is_lines) {
    for_each_record_of_value(path, visit);
    return;
  }
  LineReader lines(path);
  for (std::string_view line; lines.next(line);) {
    line = trim(line);
    if (!line.empty()) visit(lines.line_number(), line);
  }
}

Json parse_json_record(std::string_view text) {
  // The parser would take a NUL for the end of the text.
  if (text.find('\0') != std::string_view::npos)
    throw BadRecord{"invalid JSON", "it contains a NUL byte"};
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  int depth = 0;
  const auto watch = [&](int, Json::parse_event_t event, const Json& value) {
    using Event = Json::parse_event_t;
    if (event == Event::object_start || event == Event::array_start) {
      if (++depth > kMaxDepth) {
        throw BadRecord{"nested too deeply", fmt::format("expected at most {} levels", kMaxDepth)};
      }
    }
    if (event == Event::object_end || event == Event::array_end) --depth;
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key && !keys.back().insert(value.get<std::string>()).second) {
      throw BadRecord{"duplicate key", fmt::format("'{}' appears twice", value.get<std::string>())};
    }
    return true;
  };
  try {
    return Json::parse(text, watch);
  } catch (const Json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 17: syntax error ..."
    std::string what = error.what();
    const size_t column = what.find("column ");
    what = what.substr(column != std::string::npos ? column : what.find("] ") + 2);
    if (what.size() > 160) what = what.substr(0, 160) + "...";
    throw BadRecord{"invalid JSON", replace_invalid_utf8(what)};
  }
}

}  // namespace minillm
