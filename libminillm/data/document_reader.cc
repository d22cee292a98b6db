#include "libminillm/data/document_reader.h"

#include <algorithm>

#include "libminillm/core/check.h"
#include "libminillm/core/utf8.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/control_texts.h"
#include "libminillm/data/data_form.h"
#include "libminillm/data/json_records.h"
#include "libminillm/data/line_reader.h"
#include "libminillm/data/record_formats.h"

namespace minillm {
namespace {

constexpr size_t kLargeDocumentBytes = size_t{16} << 20;
constexpr size_t kMaxDocumentBytes = size_t{256} << 20;  // takes about four times as much memory

// Passes documents on, and notes what a user should be told about them.
class DocumentSink {
 public:
  DocumentSink(DatasetReport& report, const std::function<void(std::string_view)>& visit)
      : report_(report), visit_(visit) {}

  void add(std::string_view document) {
    controls_.add(document);
    largest_ = std::max(largest_, document.size());
    ++documents_;
    visit_(document);
  }

  void finish() {
    if (const std::string warning = controls_.warning(documents_, "documents"); !warning.empty())
      report_.warnings.push_back(warning);
    if (largest_ > kLargeDocumentBytes) {
      report_.warnings.push_back(fmt::format(
          "its largest document has {:.0f} MB, which are held in memory: data.document_split says "
          "what ends a document",
          static_cast<double>(largest_) / 1e6));
    }
  }

 private:
  DatasetReport& report_;
  const std::function<void(std::string_view)>& visit_;
  ControlTextCounter controls_;
  int64_t documents_ = 0;
  size_t largest_ = 0;
};

// Calls `add` with the text between the marks, and `end` at each of them.
template <typename Add, typename End>
void divide_at_marks(std::string_view text, const Add& add, const End& end) {
  for (size_t mark; (mark = text.find(kEndOfText)) != std::string_view::npos;
       text.remove_prefix(mark + kEndOfText.size())) {
    add(text.substr(0, mark));
    end();
  }
  add(text);
}

// Collects the lines of a plain text file into documents.
class TextDocuments {
 public:
  TextDocuments(DatasetReport& report, BadRecordPolicy policy, DocumentSink& sink)
      : report_(report), policy_(policy), sink_(sink) {}

  void add_line(std::string_view line, const LineReader& reader) {
    if (text_.empty() && is_blank(line)) return;
    if (text_.empty()) first_line_ = reader.line_number();
    MINILLM_CHECK(text_.size() + line.size() < kMaxDocumentBytes,
                  "'{}':{}: the document that begins here has more than {} MiB: expected documents "
                  "that fit into memory (data.document_split says what ends one)",
                  report_.path, first_line_, kMaxDocumentBytes >> 20);
    size_t bad_byte = 0;
    if (!is_valid_utf8(line, &bad_byte) && bad_.reason.empty()) {
      bad_line_ = reader.line_number();
      bad_ = {"invalid UTF-8",
              fmt::format("byte {} of the file is 0x{:02X} (convert it with iconv -t UTF-8)",
                          reader.offset() + bad_byte, static_cast<uint8_t>(line[bad_byte]))};
    }
    text_ += line;
    text_ += '\n';
  }

  // White space beside a mark belongs to the mark.
  void add_marked_line(std::string_view line, const LineReader& reader) {
    divide_at_marks(
        line,
        [&](std::string_view part) {
          if (!is_blank(part)) add_line(trim(part), reader);
        },
        [&] {
          end_document();
          ++marks_;
        });
  }

  void end_document() {
    if (text_.empty()) return;
    ++report_.rows;
    if (!bad_.reason.empty()) {
      report_bad_record(report_, bad_line_, bad_, policy_);
    } else {
      ++report_.used;
      text_.resize(text_.find_last_not_of('\n') + 1);
      sink_.add(text_);
    }
    bad_ = {};
    text_.clear();
  }

  void end_at_blank_line() {
    divided_ += !text_.empty();
    end_document();
  }

  void finish() {
    const bool open = !text_.empty();
    end_document();
    // A blank line before a mark divides nothing.
    if (marks_ > 0 && report_.rows > marks_ + open && divided_ > 0) {
      report_.warnings.push_back(fmt::format(
          "{} marks {} end documents, and blank lines do, too: {} documents (document_split = "
          "\"file\" ends them at the marks only)",
          marks_, kEndOfText, report_.rows));
    }
  }

 private:
  DatasetReport& report_;
  BadRecordPolicy policy_;
  DocumentSink& sink_;
  std::string text_;
  BadRecord bad_;  // without a reason: none so far
  int64_t bad_line_ = 0, first_line_ = 0;
  int64_t marks_ = 0, divided_ = 0;
};

void read_text_file(DatasetReport& report, DocumentSplit split, BadRecordPolicy policy,
                    DocumentSink& sink) {
  report.format = "plain text";
  TextDocuments documents(report, policy, sink);
  LineReader lines(report.path);
  for (std::string_view line; lines.next(line);) {
    if (line.find(kEndOfText) != std::string_view::npos) {
      documents.add_marked_line(line, lines);
    } else if (split == DocumentSplit::kBlankLine && is_blank(line)) {
      documents.end_at_blank_line();
    } else {
      documents.add_line(line, lines);
    }
    if (split == DocumentSplit::kLine) documents.end_document();
  }
  documents.finish();
}

// The text of a record; throws BadRecord.
std::string text_of(const DatasetReport& report, const Row& row) {
  const Json& value = row.value();
  if (value.is_string()) return value.get<std::string>();
  if (value.is_object() && value.contains("text") && value["text"].is_null())
    throw BadRecord{"text is null", "", /*harmless=*/true};
  check_row_kind(report, row, RowKind::kText);
  const char* key = row.first_of({"text", "content"});
  const Json& text = *row.use(key);
  if (!text.is_string()) {
    throw BadRecord{"wrong type",
                    fmt::format("'{}': expected a string, got {}", key, text.type_name())};
  }
  return text.get<std::string>();
}

void read_records(DatasetReport& report, BadRecordPolicy policy, const RowMapping& mapping,
                  DocumentSink& sink) {
  RowNotes notes;
  for_each_record(report.path, [&](const RawRecord& record) {
    ++report.rows;
    try {
      RowReading reading{mapping};
      const Json value = with_known_names(record.parse(), reading);
      const std::string text = text_of(report, Row(value, reading));
      notes.add(reading);
      report.format = "text records";
      if (is_blank(text)) throw BadRecord{"text is empty", "", /*harmless=*/true};
      ++report.used;
      if (text.find(kEndOfText) == std::string::npos) {
        sink.add(text);
      } else {
        divide_at_marks(
            text,
            [&](std::string_view part) {
              if (!is_blank(part)) sink.add(trim(part));
            },
            [] {});
      }
    } catch (const BadRecord& bad) {
      report_bad_record(report, record.line, bad, policy);
    }
  });
  notes.report(report);
}

}  // namespace

DocumentSplit parse_document_split(const std::string& text) {
  for (const auto split : {DocumentSplit::kBlankLine, DocumentSplit::kLine, DocumentSplit::kFile}) {
    if (text == document_split_name(split)) return split;
  }
  throw Error(
      fmt::format("document split: expected 'blank_line', 'line' or 'file', got '{}'", text),
      ExitCode::kUsage);
}

const char* document_split_name(DocumentSplit split) {
  switch (split) {
    case DocumentSplit::kBlankLine:
      return "blank_line";
    case DocumentSplit::kLine:
      return "line";
    case DocumentSplit::kFile:
      return "file";
  }
  return "";
}

std::vector<DatasetReport> for_each_document(const std::vector<std::string>& paths,
                                             DocumentSplit split, BadRecordPolicy policy,
                                             const std::function<void(std::string_view)>& visit,
                                             const RowMapping& mapping) {
  std::vector<DatasetReport> reports;
  for (const std::string& path : paths) {
    DatasetReport& report = reports.emplace_back();
    report.path = path;
    DocumentSink sink(report, visit);
    const DataForm form = detect_data_form(path);
    report.container = form.container;
    if (!form.notice.empty()) report.warnings.push_back(form.notice);
    if (form.kind == DataForm::kText) {
      read_text_file(report, split, policy, sink);
    } else {
      read_records(report, policy, mapping, sink);
    }
    sink.finish();
    warn_of_many_dropped(report);
    MINILLM_CHECK(report.used > 0, "'{}': no document in it: {}", path, dropped_summary(report));
  }
  return reports;
}

}  // namespace minillm
