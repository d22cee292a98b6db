#include "libminillm/data/dataset_reader.h"

#include <optional>
#include <type_traits>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/data_form.h"
#include "libminillm/data/record_formats.h"

namespace minillm {
namespace {

enum class EmptyFile { kError, kReport };

// What differs between conversations and preferences: how a row's records are found.
void append_records(const Json& row, std::vector<Conversation>& records, std::string& format) {
  const ConversationFormat& found = *find_conversation_format(row);
  format = found.name;
  for (Conversation& conversation : found.parse(row)) records.push_back(std::move(conversation));
}
void append_records(const Json& row, std::vector<PreferencePair>& records, std::string& format) {
  const PreferenceFormat& found = *find_preference_format(row);
  format = found.name;
  records.push_back(found.parse(row));
}

// `alpaca`, or `mixed: alpaca (12), sharegpt (3)`.
std::string describe_formats(const std::map<std::string, int64_t>& formats) {
  if (formats.empty()) return "unknown";
  if (formats.size() == 1) return formats.begin()->first;
  std::string text;
  for (const auto& [name, count] : formats)
    text += fmt::format("{}{} ({})", text.empty() ? "mixed: " : ", ", name, count);
  return text;
}

template <typename Record>
void read_one_file(Dataset<Record>& dataset, const std::string& path, BadRecordPolicy policy,
                   EmptyFile empty_file) {
  constexpr RowKind kExpected =
      std::is_same_v<Record, Conversation> ? RowKind::kConversation : RowKind::kPreference;
  DatasetReport& report = dataset.reports.emplace_back();
  report.path = path;
  if (empty_file == EmptyFile::kReport)
    report.format = "unknown";  // so that rows of another kind are only counted
  std::map<std::string, int64_t> formats;
  for_each_record(path, [&](const RawRecord& record) {
    ++report.rows;
    std::string format;
    try {
      const Json row = record.parse();
      check_row_kind(report, row, kExpected);
      report.format = "known";
      append_records(row, dataset.records, format);
      ++report.used;
    } catch (const BadRecord& bad) {
      report_bad_record(report, record.line, bad, policy);
    }
    if (!format.empty()) ++formats[format];
  });
  report.format = describe_formats(formats);
  MINILLM_CHECK(report.used > 0 || empty_file == EmptyFile::kReport,
                "'{}': no usable record in it: {}", path, dropped_summary(report));
}

template <typename Record>
Dataset<Record> read_files(const std::vector<std::string>& paths, BadRecordPolicy policy,
                           EmptyFile empty_file) {
  Dataset<Record> dataset;
  Sha256 hash;
  for (const std::string& path : paths) {
    read_one_file(dataset, path, policy, empty_file);
    const MappedFile file(path);
    hash.update({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()});
  }
  dataset.hash = hash.hex();
  return dataset;
}

}  // namespace

BadRecordPolicy parse_bad_record_policy(const std::string& text) {
  if (text == "error") return BadRecordPolicy::kError;
  if (text == "skip") return BadRecordPolicy::kSkip;
  throw Error(fmt::format("on_bad_record: expected 'error' or 'skip', got '{}'", text),
              ExitCode::kUsage);
}

Dataset<Conversation> read_conversations(const std::vector<std::string>& paths,
                                         BadRecordPolicy policy) {
  return read_files<Conversation>(paths, policy, EmptyFile::kError);
}

Dataset<PreferencePair> read_preferences(const std::vector<std::string>& paths,
                                         BadRecordPolicy policy) {
  return read_files<PreferencePair>(paths, policy, EmptyFile::kError);
}

Dataset<Conversation> inspect_conversations(const std::string& path) {
  return read_files<Conversation>({path}, BadRecordPolicy::kSkip, EmptyFile::kReport);
}

Dataset<PreferencePair> inspect_preferences(const std::string& path) {
  return read_files<PreferencePair>({path}, BadRecordPolicy::kSkip, EmptyFile::kReport);
}

DatasetKind detect_dataset_kind(const std::string& path) {
  if (!holds_records(path)) return DatasetKind::kText;
  std::optional<RowKind> kind;
  for_each_record(path, [&](const RawRecord& record) {
    if (kind) return;
    try {
      const RowKind found = row_kind(record.parse());
      if (found != RowKind::kUnknown) kind = found;
    } catch (const BadRecord&) {  // counted when the file is read
    }
  });
  if (kind == RowKind::kText) return DatasetKind::kText;
  if (kind == RowKind::kPreference || kind == RowKind::kUnpaired) return DatasetKind::kPreferences;
  return DatasetKind::kConversations;
}

}  // namespace minillm
