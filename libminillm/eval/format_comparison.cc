// A comparison as a table.

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "libminillm/eval/compare.h"

#include "libminillm/core/visible.h"

namespace minillm {
namespace {

constexpr int kNumberColumns = 24;    // "  tokens  ended    log p"
constexpr int kNarrowestAnswer = 20;  // however narrow the terminal

int display_width(std::string_view text) {  // characters, not bytes
  return static_cast<int>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string padded(std::string_view text, int width) {
  return std::string(text) +
         std::string(static_cast<size_t>(std::max(0, width - display_width(text))), ' ');
}

// Bytes of the first `count` characters.
size_t byte_length(std::string_view text, int count) {
  size_t bytes = 0;
  for (; bytes < text.size(); ++bytes)
    if ((text[bytes] & 0xc0) != 0x80 && count-- == 0) break;
  return bytes;
}

// Appends one line of text as lines of at most `width` characters, broken at spaces if it has any.
void append_wrapped(std::vector<std::string>& lines, std::string_view text, int width) {
  while (display_width(text) > width) {
    size_t end = byte_length(text, width);
    const size_t space = text.substr(0, end + 1).find_last_of(' ');
    if (space != std::string_view::npos && space > 0) end = space;
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
    while (text.starts_with(' ')) text.remove_prefix(1);
  }
  lines.emplace_back(text);
}

// The text's own lines, each wrapped, without blank ones. At least one line, which may be empty.
std::vector<std::string> wrapped(std::string_view text, int width) {
  std::vector<std::string> lines;
  for (;;) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (line.find_first_not_of(' ') != std::string_view::npos)
      append_wrapped(lines, visible(line, LineEnds::kShown), width);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  if (lines.empty()) lines.emplace_back();
  return lines;
}

}  // namespace

std::string prompt_line(const Prompt& prompt) {
  std::string line;
  for (const Message& message : prompt) {
    if (!line.empty()) line += ' ';
    line += message.role == Role::kUser
                ? visible(message.content, LineEnds::kShown)
                : fmt::format("[{}]", visible(message.content, LineEnds::kShown));
  }
  return line;
}

std::string format_comparison(const Comparison& comparison, int width) {
  int name_width = 5;
  for (const std::string& name : comparison.columns)
    name_width = std::max(name_width, display_width(name));
  const int answer_width = std::max(kNarrowestAnswer, width - name_width - 4 - kNumberColumns);

  std::string out = fmt::format("  {}  {}  tokens  ended    log p\n", padded("stage", name_width),
                                padded("answer", answer_width));
  for (const Comparison::Row& row : comparison.rows) {
    out += fmt::format("\n{}\n", prompt_line(row.prompt));
    for (size_t c = 0; c < row.answers.size(); ++c) {
      const ComparedAnswer& answer = row.answers[c];
      const std::vector<std::string> lines = wrapped(answer.text, answer_width);
      out +=
          fmt::format("  {}  {}  {:6}  {:5}  {:7.3f}\n", padded(comparison.columns[c], name_width),
                      padded(lines.front(), answer_width), answer.tokens,
                      answer.ended ? "yes" : "no", answer.mean_log_prob);
      for (size_t i = 1; i < lines.size(); ++i)
        out += fmt::format("  {}  {}\n", padded("", name_width), lines[i]);
    }
  }
  return out;
}

}  // namespace minillm
