// Tools in the texts of messages, between marks: Hermes' <tools>, <tool_call> and <tool_response>,
// which Qwen has taken over, and Glaive's <functioncall>.

#include <algorithm>
#include <array>
#include <optional>

#include "libminillm/core/check.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/record_formats.h"

namespace minillm {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

struct Marks {
  std::string_view begin, end;
  bool ends_with_text = false;  // the mark at the end may be missing where the text ends
};
constexpr std::array<Marks, 2> kCallMarks = {
    {{"<tool_call>", "</tool_call>"}, {"<functioncall>", "</functioncall>", true}}};
constexpr Marks kResultMarks = {"<tool_response>", "</tool_response>"};
constexpr Marks kToolsMarks = {"<tools>", "</tools>"};

// A text, what marks enclose, with nothing but white space between, and a text.
struct Divided {
  std::string_view before, after;
  std::vector<std::string_view> blocks;
};

bool begins_json(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpace);
  return begin != text.npos && (text[begin] == '{' || text[begin] == '[');
}

// From the first mark on that encloses JSON, or anything if `any`. Nothing where there is none, or
// where it is not closed.
std::optional<Divided> divide(std::string_view text, const Marks& marks, bool any = false) {
  size_t at = text.find(marks.begin);
  while (at != text.npos && !any && !begins_json(text.substr(at + marks.begin.size())))
    at = text.find(marks.begin, at + marks.begin.size());
  if (at == text.npos) return std::nullopt;
  Divided divided;
  divided.before = trim(text.substr(0, at));
  divided.after = text.substr(at);
  while (divided.after.starts_with(marks.begin)) {
    std::string_view rest = divided.after.substr(marks.begin.size());
    const size_t next = marks.ends_with_text ? rest.find(marks.begin) : rest.npos;
    const std::string_view reach = rest.substr(0, next);
    size_t end = reach.find(marks.end), length = marks.end.size();
    if (end == reach.npos) {
      if (!marks.ends_with_text) return std::nullopt;
      end = reach.size();
      length = 0;
    }
    divided.blocks.push_back(trim(rest.substr(0, end)));
    divided.after = trim(rest.substr(end + length));
  }
  return divided;
}

// Where the sentence begins that holds the byte `at`.
size_t sentence_begin(std::string_view text, size_t at) {
  while (at > 0) {
    const char before = text[at - 1];
    const bool ends = before == '.' || before == '!' || before == '?';
    if (before == '\n' || (ends && kSpace.find(text[at]) != kSpace.npos)) break;
    --at;
  }
  return at;
}

// A system text that declares tools: which, and what else it says.
struct DeclaringText {
  std::string_view tools;
  std::string_view before, after;
};

// Instructions how to call them stand around Hermes' <tools>, from the sentence on that first names
// this mark, or Qwen's heading, up to the example of a call.
std::optional<DeclaringText> find_marked_tools(std::string_view text) {
  const auto divided = divide(text, kToolsMarks);
  if (!divided || divided->blocks.size() != 1) return std::nullopt;
  size_t begin = sentence_begin(text, text.find(kToolsMarks.begin));
  const size_t heading = text.find("# Tools\n");
  if (heading < begin && sentence_begin(text, heading) == heading) begin = heading;
  DeclaringText found = {divided->blocks.front(), trim(text.substr(0, begin)), divided->after};
  const std::string_view call_end = kCallMarks[0].end;
  if (const size_t example = found.after.rfind(call_end); example != found.after.npos) {
    const size_t end = found.after.find_first_of(".!?\n", example + call_end.size());
    found.after = trim(found.after.substr(std::min(end, found.after.size() - 1) + 1));
  }
  // All that Hermes says beside the tools.
  if (found.before == "You are a function calling AI model.") found.before = {};
  return found;
}

// Glaive's: "... with access to the following functions. Use them if required -\n{...}\n{...}"
std::optional<DeclaringText> find_listed_tools(std::string_view text) {
  const size_t phrase = text.find("following functions");
  if (phrase == text.npos) return std::nullopt;
  const size_t dash = text.find("-\n", phrase);
  if (dash == text.npos || !begins_json(text.substr(dash + 2))) return std::nullopt;
  const std::string_view tools = text.substr(dash + 2);
  return DeclaringText{tools, trim(text.substr(0, sentence_begin(text, phrase))), {}};
}

void take_declared(const Row& row, Message& system) {
  auto found = find_marked_tools(system.content);
  if (!found) found = find_listed_tools(system.content);
  if (!found) return;
  if (system.tools.empty()) system.tools = parse_tools_text(std::string(found->tools));
  if (system.tools.empty()) return;
  row.note("the system text that declares tools is left out: the chat template declares them");
  const char* between = found->before.empty() || found->after.empty() ? "" : "\n\n";
  system.content = fmt::format("{}{}{}", found->before, between, found->after);
}

// The calls between marks at the end of an answer. Where nothing else speaks of tools, an answer
// that is more than them, or cannot be read, is a text about such marks.
bool take_calls(const RowMapping& mapping, Message& answer, bool has_tools) {
  for (const Marks& marks : kCallMarks) {
    const auto divided = divide(answer.content, marks);
    if (!divided) continue;
    if (!has_tools && !(divided->before.empty() && divided->after.empty())) continue;
    if (!divided->after.empty())
      throw BadRecord{
          "text after a tool call",
          fmt::format("expected the end of the message, got '{}'", divided->after.substr(0, 60))};
    try {
      for (const std::string_view block : divided->blocks) {
        const std::vector<ToolCall> calls = parse_calls_text(std::string(block), mapping);
        answer.calls.insert(answer.calls.end(), calls.begin(), calls.end());
      }
    } catch (const BadRecord&) {
      answer.calls.clear();
      if (has_tools) throw;
      continue;
    }
    answer.content = std::string(divided->before);
    return true;
  }
  return false;
}

bool holds_call_mark(const Message& message) {
  return std::any_of(kCallMarks.begin(), kCallMarks.end(), [&](const Marks& marks) {
    return message.content.find(marks.begin) != std::string::npos;
  });
}

// The results that a message consists of, one message each; nothing if it holds anything else.
std::vector<Message> marked_results(const Message& message) {
  const auto divided = divide(message.content, kResultMarks, /*any=*/true);
  if (!divided || !divided->before.empty() || !divided->after.empty()) return {};
  std::vector<Message> results;
  for (const std::string_view block : divided->blocks)
    results.push_back({Role::kTool, std::string(block)});
  if (results.size() == 1) results[0].call_id = message.call_id;
  return results;
}

}  // namespace

void read_tool_marks(const Row& row, std::vector<Message>& messages) {
  for (Message& message : messages)
    if (message.role == Role::kSystem) take_declared(row, message);
  const bool has_tools = std::any_of(messages.begin(), messages.end(), [](const Message& m) {
    return !m.tools.empty() || m.role == Role::kTool;
  });
  std::vector<Message> read;
  for (Message& message : messages) {
    if (message.role == Role::kAssistant && message.calls.empty() && holds_call_mark(message) &&
        !take_calls(row.reading().mapping, message, has_tools))
      row.note("an answer holds a mark of calls, such as <tool_call>, but no call: it stays text");
    // Some say what was returned as the user, as Qwen's template writes it.
    const bool returned = message.role == Role::kTool ||
                          (message.role == Role::kUser && !read.empty() &&
                           (read.back().role == Role::kTool || !read.back().calls.empty()));
    std::vector<Message> results = returned ? marked_results(message) : std::vector<Message>();
    if (results.empty()) results.push_back(std::move(message));
    read.insert(read.end(), std::make_move_iterator(results.begin()),
                std::make_move_iterator(results.end()));
  }
  messages = std::move(read);
}

}  // namespace minillm
