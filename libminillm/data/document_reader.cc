#include "libminillm/data/document_reader.h"

#include "libminillm/core/check.h"
#include "libminillm/core/utf8.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/json_records.h"
#include "libminillm/data/line_reader.h"
#include "libminillm/data/record_formats.h"

namespace minillm {
namespace {

using DocumentVisitor = std::function<void(std::string_view)>;

constexpr std::string_view kEndOfText = "<|endoftext|>";

// Collects the lines of a plain text file into documents.
class TextDocuments {
 public:
  TextDocuments(DatasetReport& report, BadRecordPolicy policy, const DocumentVisitor& visit)
      : report_(report), policy_(policy), visit_(visit) {}

  void add_line(std::string_view line, const LineReader& reader) {
    if (text_.empty() && is_blank(line)) return;
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

  void end_document() {
    if (text_.empty()) return;
    ++report_.rows;
    if (!bad_.reason.empty()) {
      report_bad_record(report_, bad_line_, bad_, policy_);
    } else {
      ++report_.used;
      text_.resize(text_.find_last_not_of('\n') + 1);
      visit_(text_);
    }
    bad_ = {};
    text_.clear();
  }

 private:
  DatasetReport& report_;
  BadRecordPolicy policy_;
  const DocumentVisitor& visit_;
  std::string text_;
  BadRecord bad_;  // without a reason: none so far
  int64_t bad_line_ = 0;
};

void read_text_file(DatasetReport& report, DocumentSplit split, BadRecordPolicy policy,
                    const DocumentVisitor& visit) {
  report.format = "plain text";
  TextDocuments documents(report, policy, visit);
  LineReader lines(report.path);
  for (std::string_view line; lines.next(line);) {
    const bool ends_before =
        line == kEndOfText || (split == DocumentSplit::kBlankLine && is_blank(line));
    if (ends_before) {
      documents.end_document();
    } else {
      documents.add_line(line, lines);
    }
    if (split == DocumentSplit::kLine) documents.end_document();
  }
  documents.end_document();
}

void read_json_file(DatasetReport& report, BadRecordPolicy policy, const DocumentVisitor& visit) {
  for_each_json_record(report.path, [&](int64_t line, std::string_view raw) {
    ++report.rows;
    try {
      const Json row = parse_json_record(raw);
      check_row_kind(report, row, RowKind::kText);
      report.format = "text records";
      const std::string text = string_field(row, "text");
      if (is_blank(text)) throw BadRecord{"text is empty", "", /*harmless=*/true};
      ++report.used;
      visit(text);
    } catch (const BadRecord& bad) {
      report_bad_record(report, line, bad, policy);
    }
  });
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
                                             const DocumentVisitor& visit) {
  std::vector<DatasetReport> reports;
  for (const std::string& path : paths) {
    DatasetReport& report = reports.emplace_back();
    report.path = path;
    if (is_json_path(path)) {
      read_json_file(report, policy, visit);
    } else {
      read_text_file(report, split, policy, visit);
    }
    MINILLM_CHECK(report.used > 0, "'{}': no document in it: {}", path, dropped_summary(report));
  }
  return reports;
}

}  // namespace minillm
