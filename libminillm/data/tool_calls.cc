#include "libminillm/data/tool_calls.h"

#include <algorithm>
#include <array>
#include <utility>

#include "libminillm/core/json_spelling.h"
#include "libminillm/core/strict_json.h"
#include "libminillm/data/chat_template.h"

namespace minillm {
namespace {

constexpr std::string_view kSpace = " \t\r\n";
constexpr size_t kMaxDepth = 32;

// The mark in a text of the template; "" if it has none.
std::string mark_in(const ToolFormat& format, const std::string& text) {
  for (const std::string& mark : format.marks)
    if (text.find(mark) != text.npos) return mark;
  return "";
}

// Length of the longest end of `text` with which `mark` may begin.
size_t possible_beginning(std::string_view text, std::string_view mark) {
  size_t length = std::min(text.size(), mark.size() - 1);
  while (length > 0 && !text.ends_with(mark.substr(0, length))) --length;
  return length;
}

}  // namespace

std::optional<ToolCall> parse_tool_call(std::string_view json) {
  constexpr std::array<std::string_view, 2> kArguments = {"arguments", "parameters"};
  try {
    const nlohmann::json call = build_json(json, kMaxDepth, kArguments);
    if (!call.is_object() || !call.contains("name") || !call["name"].is_string() ||
        call["name"].get_ref<const std::string&>().empty())
      return std::nullopt;
    ToolCall parsed{call["name"], "{}"};
    if (call.contains("id") && call["id"].is_string()) parsed.id = call["id"];
    for (const std::string_view key : kArguments) {
      const auto found = call.find(key);
      if (found == call.end() || found->is_null() || found->empty()) continue;
      if (!found->is_string()) return std::nullopt;
      parsed.arguments = spelled_json(found->get_ref<const std::string&>(), kMaxDepth);
      if (!parsed.arguments.starts_with('{')) return std::nullopt;
      break;
    }
    return parsed;
  } catch (const JsonFault&) {
    return std::nullopt;
  }
}

ToolCallReader::ToolCallReader(const ToolFormat* format, bool marks_are_pieces,
                               ToolCallEvents events)
    : format_(format), pieces_(marks_are_pieces), events_(std::move(events)) {
  if (format_ == nullptr) return;
  begin_ = mark_in(*format_, format_->calls_begin + format_->call_begin);
  end_ = mark_in(*format_, format_->call_end);
}

ToolCallReader::ToolCallReader(const Tokenizer& tokenizer, ToolCallEvents events)
    : ToolCallReader(
          tokenizer.chat_template() == nullptr ? nullptr : tokenizer.chat_template()->tools, false,
          std::move(events)) {
  pieces_ = !begin_.empty() && tokenizer.control(begin_) >= 0;
}

void ToolCallReader::push(std::string_view text) {
  pending_ += text;
  read();
  tell_arguments();
}

void ToolCallReader::push_mark(std::string_view mark) {
  if (!pieces_ || format_ == nullptr) return;
  read();
  if (state_ == State::kJson) give_up();
  if (mark == begin_)
    begin_json();
  else if (mark == end_)
    state_ = State::kText;
}

void ToolCallReader::finish() {
  read();
  if (state_ == State::kJson) give_up();
  say(std::exchange(pending_, ""));
  if (after_call_ || space_.empty()) return;
  text_ += space_;
  if (events_.on_text) events_.on_text(space_);
}

void ToolCallReader::read() {
  if (state_ == State::kStart && !pending_.empty()) {
    if (pending_.front() == ' ') pending_.erase(0, 1);
    state_ = State::kText;
    if (format_ != nullptr && begin_.empty()) state_ = State::kAfter;  // JSON, or never
  }
  for (bool goes_on = true; goes_on && !pending_.empty();) {
    switch (state_) {
      case State::kStart:
        return;
      case State::kText:
        goes_on = read_text();
        break;
      case State::kJson:
        read_json();
        break;
      case State::kAfter:
        goes_on = read_after();
        break;
    }
  }
}

// Says what is certain to be text. Whether more can be read: a call begins.
bool ToolCallReader::read_text() {
  if (format_ == nullptr || begin_.empty() || pieces_) {
    say(std::exchange(pending_, ""));
    return false;
  }
  const size_t begin = pending_.find(begin_);
  if (begin == pending_.npos) {
    const size_t held = possible_beginning(pending_, begin_);
    say(pending_.substr(0, pending_.size() - held));
    pending_.erase(0, pending_.size() - held);
    return false;
  }
  say(pending_.substr(0, begin));
  pending_.erase(0, begin + begin_.size());
  begin_json();
  return true;
}

// What follows a call: its closing mark, another one, or text. In a format without marks, what an
// answer begins with. Whether more can be read.
bool ToolCallReader::read_after() {
  const size_t first = pending_.find_first_not_of(kSpace);
  if (first == pending_.npos) return false;
  if (begin_.empty() && calls_.empty() && pending_[first] == '{') {
    pending_.erase(0, first);
    begin_json();
    return true;
  }
  const std::string_view rest = std::string_view(pending_).substr(first);
  if (!calls_.empty() && !end_.empty() && !pieces_) {
    if (rest.starts_with(end_)) {
      pending_.erase(0, first + end_.size());
      state_ = State::kText;
      return true;
    }
    if (std::string_view(end_).starts_with(rest)) return false;
  }
  state_ = State::kText;
  return true;
}

// White space waits until text follows it: in front of a call, and after one, it is none.
void ToolCallReader::say(std::string_view text) {
  if (after_call_) text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  const size_t length = text.find_last_not_of(kSpace) + 1;  // 0 if there is only white space
  if (length > 0) {
    after_call_ = false;
    space_ += text.substr(0, length);
    text_ += space_;
    if (events_.on_text) events_.on_text(space_);
    space_.clear();
  }
  space_ += text.substr(length);
}

void ToolCallReader::begin_json() {
  state_ = State::kJson;
  json_.clear();
  lead_.clear();
  calls_before_ = calls_.size();
  depth_ = list_ = call_begin_ = arguments_ = told_ = arguments_end_ = 0;
  in_string_ = escaped_ = false;
}

// Up to the end of the value, which its brackets tell.
void ToolCallReader::read_json() {
  size_t i = 0;
  while (i < pending_.size() && state_ == State::kJson) {
    const char c = pending_[i++];
    if (json_.empty() && kSpace.find(c) != kSpace.npos) {
      lead_ += c;
      continue;
    }
    json_ += c;
    if (in_string_) {
      in_string_ = escaped_ || c != '"';
      escaped_ = !escaped_ && c == '\\';
    } else if (c == '{' || c == '[') {
      if (json_ == "[") list_ = 1;
      if (depth_ == list_) call_begin_ = json_.size() - 1;
      if (++depth_ == list_ + 2 && c == '{') begin_arguments();
    } else if (depth_ == 0) {
      give_up();
    } else if (c == '"') {
      in_string_ = true;
    } else if (c == '}' || c == ']') {
      close_bracket(c);
    }
  }
  pending_.erase(0, i);
}

void ToolCallReader::close_bracket(char c) {
  if (depth_ == list_ + 2 && arguments_ > 0 && arguments_end_ == 0) arguments_end_ = json_.size();
  if (--depth_ == list_ && c == '}') end_call();
  if (depth_ > 0 || state_ != State::kJson) return;
  if (calls_.size() == calls_before_) return give_up();
  state_ = State::kAfter;
}

// An object begins in the call: if it is the arguments, and the name is known, both can be told.
void ToolCallReader::begin_arguments() {
  if (arguments_ > 0) return;
  std::string_view key(json_);
  key.remove_suffix(1);
  const auto trim_end = [&] { key = key.substr(0, key.find_last_not_of(kSpace) + 1); };
  trim_end();
  if (!key.ends_with(':')) return;
  key.remove_suffix(1);
  trim_end();
  if (!key.ends_with("\"arguments\"") && !key.ends_with("\"parameters\"")) return;
  const std::optional<ToolCall> call = parse_tool_call(json_.substr(call_begin_) + "}}");
  if (!call) return;  // the name comes later
  arguments_ = told_ = json_.size() - 1;
  name_ = call->name;
  if (events_.on_call) events_.on_call(calls_.size(), name_);
}

void ToolCallReader::tell_arguments() {
  if (arguments_ == 0) return;
  const size_t end = arguments_end_ > 0 ? arguments_end_ : json_.size();
  if (end > told_ && events_.on_arguments)
    events_.on_arguments(calls_.size(), std::string_view(json_).substr(told_, end - told_));
  told_ = std::max(told_, end);
}

void ToolCallReader::end_call() {
  const std::optional<ToolCall> call = parse_tool_call(std::string_view(json_).substr(call_begin_));
  if (!call) return give_up();
  tell_arguments();
  if (arguments_ == 0) {
    if (events_.on_call) events_.on_call(calls_.size(), call->name);
    if (events_.on_arguments) events_.on_arguments(calls_.size(), call->arguments);
  }
  calls_.push_back(*call);
  after_call_ = true;
  space_.clear();
  arguments_ = told_ = arguments_end_ = 0;
}

// The JSON that is open is none.
void ToolCallReader::give_up() {
  if (arguments_ > 0) {
    tell_arguments();
    const size_t end = arguments_end_ > 0 ? arguments_end_ : json_.size();
    calls_.push_back({name_, json_.substr(arguments_, end - arguments_)});
    broken_ = after_call_ = true;
  } else {
    say(begin_ + lead_ + json_);
  }
  json_.clear();
  arguments_ = 0;
  state_ = State::kText;
}

std::string_view tool_mark(const Tokenizer& tokenizer, Token token) {
  const ChatTemplate* format = tokenizer.chat_template();
  if (format == nullptr || format->tools == nullptr || !tokenizer.is_control(token)) return "";
  const std::string piece = tokenizer.piece(token);
  const auto& marks = format->tools->marks;
  const auto found = std::find(marks.begin(), marks.end(), piece);
  return found == marks.end() ? std::string_view() : std::string_view(*found);
}

Message read_answer(const Tokenizer& tokenizer, std::span<const Token> tokens) {
  ToolCallReader reader(tokenizer);
  StreamDecoder decoder(tokenizer, /*continues=*/true);
  std::string whole;
  const auto push = [&](const std::string& text) {
    reader.push(text);
    whole += text;
  };
  for (const Token token : tokens) {
    push(decoder.push(token));
    const std::string_view mark = tool_mark(tokenizer, token);
    if (mark.empty()) continue;
    reader.push_mark(mark);
    whole += mark;
  }
  push(decoder.finish());
  reader.finish();
  if (reader.broken()) return {Role::kAssistant, whole.substr(whole.starts_with(' '))};
  Message answer{Role::kAssistant, reader.text()};
  answer.calls = reader.calls();
  return answer;
}

}  // namespace minillm
