// ToolCallReader: an answer as it comes, divided into its text and its calls of tools.

#ifndef LIBMINILLM_DATA_TOOL_CALLS_H_
#define LIBMINILLM_DATA_TOOL_CALLS_H_

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/data/tokenizer.h"
#include "libminillm/data/tool_format.h"

namespace minillm {

// What became certain, as it did. All optional.
struct ToolCallEvents {
  std::function<void(std::string_view text)> on_text = {};
  // The name of call `index` (from 0), then its arguments piece by piece: together the JSON object
  // as the model wrote it, white space and all.
  std::function<void(size_t index, const std::string& name)> on_call = {};
  std::function<void(size_t index, std::string_view piece)> on_arguments = {};
};

// Takes what a model says, in any pieces. The text is without the space that templates put in front
// of it, and without white space around calls. What looks like a call and is none stays text,
// unless its arguments had begun to be told: then it is a call, and `broken`.
//
// Where the marks are control pieces of the tokenizer, only those open a call, whatever letters the
// model says; elsewhere their letters do, outside of the strings of another call's JSON.
class ToolCallReader {
 public:
  // The format must outlive the reader; null: all is text.
  explicit ToolCallReader(const ToolFormat* format, bool marks_are_pieces = false,
                          ToolCallEvents events = {});
  // For the answers of a model with this tokenizer, in its template's format.
  explicit ToolCallReader(const Tokenizer& tokenizer, ToolCallEvents events = {});

  void push(std::string_view text);
  void push_mark(std::string_view mark);  // a control piece
  void finish();                          // the answer has ended

  const std::string& text() const { return text_; }
  const std::vector<ToolCall>& calls() const { return calls_; }
  bool broken() const { return broken_; }  // the last call was cut, or is no JSON

 private:
  enum class State { kStart, kText, kJson, kAfter };
  void read();
  bool read_text();
  bool read_after();
  void read_json();
  void close_bracket(char c);
  void say(std::string_view text);
  void begin_json();
  void begin_arguments();
  void tell_arguments();
  void end_call();
  void give_up();

  const ToolFormat* format_;
  std::string begin_, end_;  // marks around the JSON; empty: it is all of the answer
  bool pieces_;
  ToolCallEvents events_;

  State state_ = State::kStart;
  std::string pending_;      // what was not read yet: it may be the beginning of a mark
  std::string space_;        // white space that is text if text follows
  bool after_call_ = false;  // no text has come since
  std::string text_;
  std::vector<ToolCall> calls_;
  bool broken_ = false;

  // The JSON that is open: a call, or a list of calls.
  std::string lead_, json_;      // white space, and what follows
  size_t depth_ = 0, list_ = 0;  // of brackets; of the list, 1 or 0
  bool in_string_ = false, escaped_ = false;
  size_t calls_before_ = 0;
  std::string name_;                                     // that was told
  size_t call_begin_ = 0;                                // of the call that is open
  size_t arguments_ = 0, told_ = 0, arguments_end_ = 0;  // in json_, once the name was told
};

// A call as JSON, {"name": ..., "arguments" or "parameters": {...}}; nothing if it is none.
std::optional<ToolCall> parse_tool_call(std::string_view json);

// The mark of a tool that a control piece of the tokenizer is; "" for all other tokens.
std::string_view tool_mark(const Tokenizer& tokenizer, Token token);

// An answer's tokens as a message: text (without the template's space) and calls. One whose last
// call is broken is all text.
Message read_answer(const Tokenizer& tokenizer, std::span<const Token> tokens);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_TOOL_CALLS_H_
