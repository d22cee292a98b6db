#include "tools/inspect_dataset.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_set>

#include "libminillm/core/file.h"
#include "libminillm/data/chat_layout.h"
#include "libminillm/data/control_texts.h"
#include "libminillm/data/dataset_reader.h"
#include "libminillm/data/document_reader.h"
#include "libminillm/data/packing.h"
#include "tools/dataset_summary.h"
#include "tools/print.h"

namespace minillm {
namespace {

constexpr size_t kSamples = 3;
constexpr size_t kSampleBytes = 1200;

class Inspector {
 public:
  explicit Inspector(const InspectOptions& options)
      : options_(options), tokenizer_(options.tokenizer) {}

  const char* unit() const { return tokenizer_ ? "tokens" : "bytes"; }
  Summary inspect(const std::string& path);

 private:
  void inspect_texts(const std::string& path);
  void inspect_conversations_of(const std::string& path);
  void inspect_preferences_of(const std::string& path);

  int64_t length(const std::string& text) const {
    return static_cast<int64_t>(tokenizer_ ? tokenizer_->encode(text).size() : text.size());
  }
  // Counts the record with the whole text `text`, if it is a duplicate or contains chat markers.
  void count_text(const std::string& text) {
    summary_.duplicates += !seen_.insert(sha256(text)).second;
    controls_.add(text);
    summary_.with_markers = controls_.texts();
  }
  std::vector<Span> render(const std::vector<Message>& messages) const;

  // Counts what training leaves out of these, by the same rule; then they are as training uses
  // them.
  template <typename Rendered>
  bool fits(const Rendered& rendered) {
    if (options_.max_positions == 0) return true;
    std::vector<Rendered> one = {rendered};
    const bool fits = remove_too_long(one, options_.max_positions) == 0;
    summary_.too_long += !fits;
    return fits;
  }

  const InspectOptions& options_;
  const std::optional<Tokenizer>& tokenizer_;
  std::unordered_set<std::string> seen_;
  ControlTextCounter controls_;
  Summary summary_;
};

std::string joined_text(const std::vector<Message>& messages) {
  std::string text;
  for (const Message& message : messages) {
    text += std::string(role_name(message.role)) + ": " + message.content + "\n";
    for (const ToolCall& call : message.calls) text += call.name + call.arguments + "\n";
  }
  return text;
}

void append_span(std::vector<Span>& spans, const std::string& text, bool supervised,
                 int64_t length) {
  if (spans.empty() || spans.back().supervised != supervised) spans.push_back({"", supervised, 0});
  spans.back().text += text;
  spans.back().length += length;
}

// The conversation as the template renders it. With a tokenizer, the mask is training's, id by id.
std::vector<Span> Inspector::render(const std::vector<Message>& messages) const {
  std::vector<Span> spans;
  if (!tokenizer_) {
    const auto append = [&](const std::string& text, bool supervised) {
      append_span(spans, text, supervised, static_cast<int64_t>(text.size()));
    };
    const auto text_of = [](const std::vector<TurnPart>& parts) {
      std::string text;
      for (const TurnPart& part : parts) text += part.text;
      return text;
    };
    for (const WrittenTurn& turn : lay_out(chat_template_named(kChatTemplateId), messages)) {
      append(text_of(turn.format->header) + turn.opening, false);
      append(text_of(turn.body.parts()) + turn.format->after + turn.format->end, turn.learned);
      append(text_of(turn.format->next), false);
    }
    return spans;
  }
  const RenderedSequence sequence = render_conversation(*tokenizer_, messages);
  for (size_t i = 0; i < sequence.tokens.size(); ++i) {
    const Token token = sequence.tokens[i];
    append_span(
        spans,
        tokenizer_->is_control(token) ? tokenizer_->piece(token) : tokenizer_->token_bytes(token),
        sequence.supervised[i] != 0, 1);
  }
  return spans;
}

void Inspector::inspect_texts(const std::string& path) {
  summary_.kind = "texts";
  const auto reports = for_each_document(
      {path}, options_.split, BadRecordPolicy::kSkip,
      [&](std::string_view document) {
        const std::string text(document);
        count_text(text);
        summary_.lengths.push_back(length(text));
        if (summary_.samples.size() < kSamples) summary_.samples.push_back({{text, true}});
      },
      options_.mapping);
  summary_.report = reports.at(0);
}

void Inspector::inspect_conversations_of(const std::string& path) {
  summary_.kind = "conversations";
  const Dataset<Conversation> data = inspect_conversations(path, options_.mapping);
  summary_.report = data.reports.at(0);
  for (const Conversation& conversation : data.records) {
    count_text(joined_text(conversation.messages));
    if (tokenizer_) fits(render_conversation(*tokenizer_, conversation.messages));
    std::vector<Span> spans = render(conversation.messages);
    int64_t whole = 0, supervised = 0;
    for (const Span& span : spans) {
      whole += span.length;
      supervised += span.supervised ? span.length : 0;
    }
    summary_.lengths.push_back(whole);
    summary_.supervised.push_back(supervised);
    if (summary_.samples.size() < kSamples) summary_.samples.push_back(std::move(spans));
  }
}

void Inspector::inspect_preferences_of(const std::string& path) {
  summary_.kind = "preference pairs";
  const Dataset<PreferencePair> data = inspect_preferences(path, options_.mapping);
  summary_.report = data.reports.at(0);
  for (const PreferencePair& pair : data.records) {
    if (tokenizer_ && options_.max_positions > 0) fits(render_pair(*tokenizer_, pair));
    const std::string prompt = joined_text(pair.prompt);
    count_text(prompt + "\n" + pair.chosen + "\n" + pair.rejected);
    const int64_t chosen = length(pair.chosen), rejected = length(pair.rejected);
    if (!pair.chosen.empty()) summary_.chosen.push_back(chosen);
    if (!pair.rejected.empty()) summary_.rejected.push_back(rejected);
    if (!pair.chosen.empty() && !pair.rejected.empty()) {
      summary_.pairs += 1;
      summary_.longer_chosen += chosen > rejected ? 1 : chosen == rejected ? 0.5 : 0;
    }
    summary_.lengths.push_back(length(prompt) + std::max(chosen, rejected));
    if (summary_.samples.size() < kSamples) {
      std::vector<Span> spans = {{prompt}};
      for (const auto& [name, answer] :
           {std::pair("chosen: ", pair.chosen), {"rejected: ", pair.rejected}})
        if (!answer.empty()) spans.insert(spans.end(), {{name}, {answer, true}, {"\n"}});
      summary_.samples.push_back(std::move(spans));
    }
  }
  if (summary_.pairs == 0 && !data.records.empty()) summary_.kind = "judged answers";
}

Summary Inspector::inspect(const std::string& path) {
  switch (detect_dataset_kind(path, options_.mapping)) {
    case DatasetKind::kText:
      inspect_texts(path);
      break;
    case DatasetKind::kConversations:
      inspect_conversations_of(path);
      break;
    case DatasetKind::kPreferences:
      inspect_preferences_of(path);
      break;
  }
  return std::move(summary_);
}

nlohmann::ordered_json to_json(const std::vector<int64_t>& values) {
  const Lengths l = measure(values);
  return {{"min", l.min}, {"median", l.median}, {"p90", l.p90},
          {"p99", l.p99}, {"max", l.max},       {"mean", l.mean}};
}

nlohmann::ordered_json to_json(const Summary& summary, const char* unit) {
  const DatasetReport& report = summary.report;
  nlohmann::ordered_json json = {{"path", report.path},
                                 {"kind", summary.kind},
                                 {"format", report.format},
                                 {"rows", report.rows},
                                 {"used", report.used},
                                 {"container", report.container},
                                 {"dropped", report.dropped},
                                 {"unused_keys", report.unused_keys},
                                 {"warnings", report.warnings},
                                 {"examples", report.examples},
                                 {"records", summary.lengths.size()},
                                 {"unit", unit},
                                 {"lengths", to_json(summary.lengths)}};
  if (!summary.supervised.empty()) json["supervised_lengths"] = to_json(summary.supervised);
  if (!summary.chosen.empty() || !summary.rejected.empty()) {
    json["chosen_lengths"] = to_json(summary.chosen);
    json["rejected_lengths"] = to_json(summary.rejected);
  }
  if (summary.pairs > 0) {
    json["longer_chosen_share"] = longer_chosen_share(summary);
    json["identical_share"] = share(identical_pairs(summary), report.rows);
  }
  if (summary.max_positions > 0) json["longer_than_positions"] = summary.too_long;
  json["duplicates"] = summary.duplicates;
  json["with_chat_markers"] = summary.with_markers;
  return json;
}

void print_lengths(const char* name, const std::vector<int64_t>& values, const char* unit) {
  if (values.empty()) return;
  const Lengths l = measure(values);
  print("{:<12}{} {}: median {}, 90 % up to {}, 99 % up to {}, mean {:.1f}\n", name,
        l.min == l.max ? fmt::format("{}", l.min) : fmt::format("{} to {}", l.min, l.max), unit,
        l.median, l.p90, l.p99, l.mean);
}

// What is learned is green on a terminal, and between guillemets elsewhere.
void print_sample(const std::vector<Span>& sample) {
  const bool terminal = isatty(STDOUT_FILENO) != 0;
  std::string text;
  for (const Span& span : sample) {
    const char* begin = !span.supervised ? "" : terminal ? "\x1b[32m" : "\xc2\xab";
    const char* end = !span.supervised ? "" : terminal ? "\x1b[0m" : "\xc2\xbb";
    text += begin + visible(span.text.substr(0, kSampleBytes));
    if (span.text.size() > kSampleBytes) text += " ...";
    text += end;
  }
  fmt::print("{}\n", text);  // its pieces are visible, its colours are ours
}

void print_summary(const Summary& summary, const char* unit) {
  const DatasetReport& report = summary.report;
  print("{}: {}, format: {}{}\n\n", report.path, summary.kind, report.format,
        report.container.empty() ? "" : " (" + report.container + ")");
  print("{:<12}{}\n{:<12}{}\n", "rows", report.rows, "used", report.used);
  for (const auto& [reason, count] : report.dropped)
    print("{:<12}{}  {}\n", "dropped", count, reason);
  for (const std::string& example : report.examples) print("{:<12}{}\n", "", example);
  if (summary.too_long > 0)
    print("{:<12}{}  longer than the model's {} positions: training leaves them out\n", "too long",
          summary.too_long, summary.max_positions);
  for (const auto& [key, rows] : report.unused_keys)
    print("{:<12}'{}', in {} rows\n", "unused key", key, rows);
  for (const std::string& warning : report.warnings) print("{:<12}{}\n", "warning", warning);
  print_lengths("length", summary.lengths, unit);
  print_lengths("learned", summary.supervised, unit);
  print_lengths("chosen", summary.chosen, unit);
  print_lengths("rejected", summary.rejected, unit);
  if (summary.pairs > 0) {
    print("{:<12}in {:.1f} % of the pairs the chosen answer is the longer one (no bias: 50 %)\n",
          "length bias", 100 * longer_chosen_share(summary));
    print("{:<12}{:.2f} % of the rows\n", "identical",
          100 * share(identical_pairs(summary), report.rows));
  }
  const auto records = static_cast<int64_t>(summary.lengths.size());
  print("{:<12}{} ({:.2f} %)\n", "duplicates", summary.duplicates,
        100 * share(summary.duplicates, records));
  print("{:<12}{} contain chat markers, which stay plain text\n", "markers", summary.with_markers);
  if (!summary.samples.empty()) print("\nsamples, with the learned text marked:\n");
  for (const auto& sample : summary.samples) {
    print("---\n");
    print_sample(sample);
  }
}

}  // namespace

int inspect_dataset(const std::string& path, const InspectOptions& options, bool json) {
  Inspector inspector(options);
  Summary summary = inspector.inspect(path);
  summary.max_positions = options.max_positions;
  if (json) {
    print("{}\n", to_json(summary, inspector.unit())
                      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    print_summary(summary, inspector.unit());
  }
  return 0;
}

}  // namespace minillm
