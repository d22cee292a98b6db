#include "libminillm/data/dataset_reader.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <type_traits>
#include <unordered_set>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/control_texts.h"
#include "libminillm/data/data_form.h"
#include "libminillm/data/record_formats.h"

namespace minillm {
namespace {

// How strictly files are read.
struct Strictness {
  BadRecordPolicy policy;
  bool empty_is_error = true;   // a file without a usable record
  bool takes_unpaired = false;  // rows of one judged answer, among pairs
};

const ConversationFormat* find_format(const Row& row, const std::vector<Conversation>&) {
  return find_conversation_format(row);
}
const PreferenceFormat* find_format(const Row& row, const std::vector<PreferencePair>&) {
  return find_preference_format(row);
}

std::string content_of(const Conversation& conversation) {
  std::string content;
  for (const Message& m : conversation.messages) {
    content += m.content + '\n';
    for (const ToolCall& call : m.calls) content += call.name + call.arguments + '\n';
  }
  return content;
}
std::string content_of(const PreferencePair& pair) {
  return content_of(Conversation{pair.prompt}) + pair.chosen + '\n' + pair.rejected;
}

// What is told of the records of a file, beside their rows.
template <typename Record>
class RecordNotes {
 public:
  void add(const Record& record) {
    const std::string content = content_of(record);
    ++records_;
    repeated_ += !seen_.insert(std::hash<std::string>()(content)).second;
    controls_.add(content);
  }
  void report(DatasetReport& report, const char* unit) const {
    constexpr int64_t kMany = 3;  // one in so many
    if (repeated_ > 0)
      (repeated_ * kMany > records_ ? report.warnings : report.notes)
          .push_back(
              fmt::format("{} of {} {} are duplicates of earlier ones", repeated_, records_, unit));
    if (const std::string warning = controls_.warning(records_, unit); !warning.empty())
      report.warnings.push_back(warning);
  }

 private:
  std::unordered_set<size_t> seen_;
  int64_t records_ = 0, repeated_ = 0;
  ControlTextCounter controls_;
};

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
void read_one_file(Dataset<Record>& dataset, const std::string& path, const RowMapping& mapping,
                   const Strictness& strictness) {
  constexpr RowKind kExpected =
      std::is_same_v<Record, Conversation> ? RowKind::kConversation : RowKind::kPreference;
  DatasetReport& report = dataset.reports.emplace_back();
  report.path = path;
  report.container = detect_data_form(path).container;
  if (!strictness.empty_is_error)
    report.format = "unknown";  // so that rows of another kind are only counted
  std::map<std::string, int64_t> formats;
  std::set<std::string> mapped;
  RowNotes row_notes;
  RecordNotes<Record> record_notes;
  for_each_record(path, [&](const RawRecord& record) {
    ++report.rows;
    std::string format;
    RowReading reading{mapping};
    try {
      const Json value = with_known_names(record.parse(), reading);
      mapped.merge(reading.mapped);
      const Row row(value, reading);
      check_row_kind(report, row, kExpected, strictness.takes_unpaired);
      report.format = "known";
      const auto* found = find_format(row, dataset.records);
      format = found->name;
      for (Record& parsed : found->parse(row)) {
        record_notes.add(parsed);
        dataset.records.push_back(std::move(parsed));
      }
      row_notes.add(reading);
      ++report.used;
    } catch (const BadRecord& bad) {
      report_bad_record(report, record.line, bad, strictness.policy);
    }
    if (!format.empty()) ++formats[format];
  });
  report.format = describe_formats(formats);
  warn_of_many_dropped(report);
  row_notes.report(report);
  record_notes.report(report, kExpected == RowKind::kConversation ? "conversations" : "pairs");
  for (const auto& [known, own] : mapping.columns) {
    MINILLM_CHECK_USAGE(mapped.contains(known),
                        "data.columns.{} = \"{}\": no record of '{}' has such a column", known, own,
                        path);
  }
  MINILLM_CHECK(report.used > 0 || !strictness.empty_is_error, "'{}': no usable record in it: {}",
                path, dropped_summary(report));
}

template <typename Record>
Dataset<Record> read_files(const std::vector<std::string>& paths, const RowMapping& mapping,
                           const Strictness& strictness) {
  Dataset<Record> dataset;
  Sha256 hash;
  for (const std::string& path : paths) {
    read_one_file(dataset, path, mapping, strictness);
    const MappedFile file(path);
    hash.update(file.text());
    file.expect_whole();
  }
  dataset.hash = hash.hex();
  return dataset;
}

}  // namespace

template <typename Record>
int64_t count_shared(const std::vector<Record>& train, const std::vector<Record>& held_out) {
  std::unordered_set<size_t> held;
  const auto hash = [](const Record& record) {
    return std::hash<std::string>()(content_of(record));
  };
  if (held_out.empty()) return 0;
  for (const Record& record : train) held.insert(hash(record));
  return std::count_if(held_out.begin(), held_out.end(),
                       [&](const Record& record) { return held.contains(hash(record)); });
}
template int64_t count_shared(const std::vector<Conversation>&, const std::vector<Conversation>&);
template int64_t count_shared(const std::vector<PreferencePair>&,
                              const std::vector<PreferencePair>&);

BadRecordPolicy parse_bad_record_policy(const std::string& text) {
  if (text == "error") return BadRecordPolicy::kError;
  if (text == "skip") return BadRecordPolicy::kSkip;
  throw Error(fmt::format("on_bad_record: expected 'error' or 'skip', got '{}'", text),
              ExitCode::kUsage);
}

void check_row_mapping(const RowMapping& mapping) {
  constexpr std::array<std::string_view, 16> kColumns = {
      "text",     "messages", "prompt",  "instruction", "input",    "context",
      "system",   "history",  "output",  "completion",  "response", "chosen",
      "rejected", "role",     "content", "weight"};
  for (const auto& [known, own] : mapping.columns) {
    MINILLM_CHECK_USAGE(std::find(kColumns.begin(), kColumns.end(), known) != kColumns.end(),
                        "data.columns: expected one of {}, got '{}'", fmt::join(kColumns, ", "),
                        known);
  }
  for (const auto& [own, role] : mapping.roles) {
    MINILLM_CHECK_USAGE(role == "system" || role == "user" || role == "assistant" || role == "tool",
                        "data.roles.{}: expected 'system', 'user', 'assistant' or 'tool', got '{}'",
                        own, role);
  }
}

Dataset<Conversation> read_conversations(const std::vector<std::string>& paths,
                                         BadRecordPolicy policy, const RowMapping& mapping) {
  return read_files<Conversation>(paths, mapping, {policy});
}

Dataset<PreferencePair> read_preferences(const std::vector<std::string>& paths,
                                         BadRecordPolicy policy, const RowMapping& mapping) {
  return read_files<PreferencePair>(paths, mapping, {policy});
}

Dataset<PreferencePair> read_judged_answers(const std::vector<std::string>& paths,
                                            BadRecordPolicy policy, const RowMapping& mapping) {
  return read_files<PreferencePair>(paths, mapping, {policy, true, /*takes_unpaired=*/true});
}

Dataset<Conversation> inspect_conversations(const std::string& path, const RowMapping& mapping) {
  return read_files<Conversation>({path}, mapping, {BadRecordPolicy::kSkip, false});
}

Dataset<PreferencePair> inspect_preferences(const std::string& path, const RowMapping& mapping) {
  return read_files<PreferencePair>({path}, mapping, {BadRecordPolicy::kSkip, false, true});
}

DatasetKind detect_dataset_kind(const std::string& path, const RowMapping& mapping) {
  if (!holds_records(path)) return DatasetKind::kText;
  std::optional<RowKind> kind;
  for_each_record(path, [&](const RawRecord& record) {
    if (kind) return;
    try {
      RowReading reading{mapping};
      const Json value = with_known_names(record.parse(), reading);
      const RowKind found = row_kind(Row(value, reading));
      if (found != RowKind::kUnknown) kind = found;
    } catch (const BadRecord&) {  // counted when the file is read
    }
  });
  if (kind == RowKind::kText) return DatasetKind::kText;
  if (kind == RowKind::kPreference || kind == RowKind::kUnpaired) return DatasetKind::kPreferences;
  return DatasetKind::kConversations;
}

}  // namespace minillm
