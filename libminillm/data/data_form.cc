#include "libminillm/data/data_form.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/core/file_kind.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/byte_stream.h"
#include "libminillm/data/element_splitter.h"
#include "libminillm/data/json_records.h"

namespace minillm {
namespace {

constexpr size_t kHeadBytes = size_t{1} << 20;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
constexpr std::string_view kSpace = " \t\r\n";

// What objects that wrap a data set call it.
constexpr std::array<std::string_view, 8> kWrapperKeys = {
    "data", "rows", "examples", "train", "records", "items", "dataset", "samples"};

// The beginning of a file.
struct Head {
  const char* packing = "";
  std::string name;        // in lower case, without .gz and .zst
  std::string bytes = {};  // without a byte order mark
  size_t skipped = 0;      // of the byte order mark
  bool complete = false;   // it is the whole file

  bool named(std::initializer_list<std::string_view> endings) const {
    return std::any_of(endings.begin(), endings.end(),
                       [&](std::string_view ending) { return name.ends_with(ending); });
  }
};

Head read_head(const std::string& path) {
  ByteStream file(path);
  Head head{file.packing(), path};
  for (size_t size = size_t{1} << 14; !head.complete && size <= kHeadBytes; size *= 4) {
    const size_t filled = head.bytes.size();
    head.bytes.resize(size);
    head.bytes.resize(filled + file.read_fully(head.bytes.data() + filled, size - filled));
    head.complete = head.bytes.size() < size;
  }
  expect_not_foreign(path, std::string_view(head.bytes).substr(0, kFileKindBytes),
                     "text, JSON or CSV");
  if (head.bytes.starts_with(kByteOrderMark)) {
    head.skipped = kByteOrderMark.size();
    head.bytes.erase(0, head.skipped);
  }
  head.name = lower_case(std::move(head.name));
  for (const std::string_view packed : {".gz", ".zst"})
    if (head.name.ends_with(packed)) head.name.resize(head.name.size() - packed.size());
  return head;
}

std::optional<Json> parse(std::string_view text) {
  try {
    return parse_json_record(text);
  } catch (const BadRecord&) {
    return std::nullopt;
  }
}

bool is_message(const Json& value) {
  return value.is_object() && (value.contains("role") || value.contains("from")) &&
         (value.contains("content") || value.contains("value"));
}

// A conversation without a wrapper: [{"role": ..., "content": ...}, ...].
bool is_message_array(const Json& value) {
  return value.is_array() && !value.empty() && std::all_of(value.begin(), value.end(), is_message);
}

// Whether text that may be anything begins with records.
bool begins_with_records(const Head& head, std::string_view text) {
  const bool array = text.front() == '[';
  const size_t length = first_value_length(array ? text.substr(1) : text);
  if (length == 0) {  // longer than the head: its first key has to do
    if (head.complete) return false;
    std::string_view rest = array ? trim(text.substr(1)) : text;
    if (!rest.starts_with('{')) return false;
    rest = trim(rest.substr(1));
    const size_t quote = rest.starts_with('"') ? rest.find('"', 1) : std::string_view::npos;
    return quote != std::string_view::npos && trim(rest.substr(quote + 1)).starts_with(':');
  }
  const auto value = parse((array ? text.substr(1) : text).substr(0, length));
  if (!value || !value->is_object() || value->empty()) return false;
  const std::string_view rest = trim((array ? text.substr(1) : text).substr(length));
  if (array) return rest.starts_with(',') || rest.starts_with(']');
  return rest.empty() || rest.starts_with('{');
}

// Where the list of an object that wraps one begins; nothing if it wraps none.
std::optional<size_t> find_wrapped_list(std::string_view text) {
  size_t i = 1;
  const auto skip_space = [&] { i = std::min(text.find_first_not_of(kSpace, i), text.size()); };
  while (true) {
    skip_space();
    if (i >= text.size() || text[i] != '"') return std::nullopt;
    const size_t key_length = first_value_length(text.substr(i));
    const std::string_view key = text.substr(i + 1, key_length < 2 ? 0 : key_length - 2);
    i += key_length;
    skip_space();
    if (key_length == 0 || i >= text.size() || text[i] != ':') return std::nullopt;
    ++i;
    skip_space();
    if (std::find(kWrapperKeys.begin(), kWrapperKeys.end(), key) != kWrapperKeys.end() &&
        i < text.size() && text[i] == '[') {
      const std::string_view elements = text.substr(i + 1);
      const auto first = parse(elements.substr(0, first_value_length(elements)));
      if (first && first->is_object() && !is_message(*first)) return i;
    }
    const size_t value_length = first_value_length(text.substr(i));
    if (value_length == 0) return std::nullopt;
    i += value_length;
    skip_space();
    if (i >= text.size() || text[i] != ',') return std::nullopt;
    ++i;
  }
}

DataForm json_form(const Head& head, std::string_view text, size_t offset) {
  const size_t line_end = text.find('\n');
  const std::string_view first = trim(text.substr(0, line_end));
  const bool more =
      line_end != std::string_view::npos && (!head.complete || !is_blank(text.substr(line_end)));
  const bool opens_value = first == "[" || first == "{";
  if (more && !opens_value) {
    if (parse(first)) return {.kind = DataForm::kLines};
    // A broken first line does not change what a file called .jsonl is.
    const size_t length = first_value_length(text);
    const bool spans_lines = length > 0 ? length > first.size() && parse(text.substr(0, length))
                                        : !head.complete && begins_with_records(head, text);
    if (head.named({".jsonl", ".ndjson"}) && !spans_lines) return {.kind = DataForm::kLines};
  }
  if (text.starts_with('[')) {
    const auto whole = head.complete ? parse(trim(text)) : std::nullopt;
    if (whole && is_message_array(*whole)) return {.kind = DataForm::kValues};
    return {.kind = DataForm::kArray, .begin = offset};
  }
  if (text.starts_with('{')) {
    if (const auto list = find_wrapped_list(text))
      return {.kind = DataForm::kArray, .begin = offset + *list, .wrapped = true};
  }
  return {.kind = DataForm::kValues};
}

DataForm table_form(const Head& head) {
  const std::string_view header = std::string_view(head.bytes).substr(0, head.bytes.find('\n'));
  const auto count = [&](char c) { return std::count(header.begin(), header.end(), c); };
  DataForm form{.kind = DataForm::kTable, .container = "CSV"};
  form.delimiter = head.named({".tsv"}) ? '\t' : ',';
  if (count(form.delimiter) > 0) return form;
  // Where the comma divides decimals, tables are written with semicolons.
  for (const char other : {';', '\t', ','}) {
    if (count(other) == 0) continue;
    form.delimiter = other;
    break;
  }
  return form;
}

DataForm form_of(const Head& head) {
  const bool json_name = head.named({".json", ".jsonl", ".ndjson"});
  const bool table_name = head.named({".csv", ".tsv"});
  const size_t begin = head.bytes.find_first_not_of(kSpace);
  if (begin == std::string::npos)
    return {.kind = json_name ? DataForm::kLines : table_name ? DataForm::kTable : DataForm::kText};
  const std::string_view text = std::string_view(head.bytes).substr(begin);
  const bool may_be_json = text.front() == '{' || text.front() == '[';
  if (json_name || (may_be_json && begins_with_records(head, text))) {
    DataForm form = json_form(head, text, head.skipped + begin);
    form.container = form.wrapped ? "a list in an object" : json_name ? "" : "JSON";
    return form;
  }
  if (table_name) return table_form(head);
  DataForm form;
  if (text.starts_with("{\"") || text.starts_with("[{\""))
    form.notice = "it begins like JSON, but with no whole JSON value: read as plain text";
  return form;
}

}  // namespace

DataForm detect_data_form(const std::string& path) {
  const Head head = read_head(path);
  DataForm form = form_of(head);
  if (*head.packing != '\0')
    form.container = head.packing + (form.container.empty() ? "" : ", " + form.container);
  return form;
}

}  // namespace minillm
