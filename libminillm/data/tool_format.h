// ToolFormat: how a chat template writes declared tools, their calls and their results.
//
//   this library's  Tools: add(a: integer, b: integer)
//                   calls and results as Qwen 2.5
//   Qwen 2.5        # Tools ... <tools> JSON, a line each </tools> ...
//                   <tool_call>\n{"name": "add", "arguments": {"a": 1, "b": 2}}\n</tool_call>
//                   (in a user turn) <tool_response>\n3\n</tool_response>
//   SmolLM 3        ### Tools ... <tools> Python's dictionaries, a line each </tools> ...
//                   calls as Qwen 2.5, results as a user's turns
//   Llama 3.1       JSON, indented, in the first question
//                   {"name": "add", "parameters": {"a": 1, "b": 2}}
//                   (in a turn of ipython) "3"
//   Mistral v3      [AVAILABLE_TOOLS] [JSON, ...][/AVAILABLE_TOOLS], before the last question
//                   [TOOL_CALLS] [{"name": "add", "arguments": {...}, "id": "call00001"}]
//                   [TOOL_RESULTS] {"content": 3, "call_id": "call00001"}[/TOOL_RESULTS]
//
// The marks, such as <tool_call>, are control pieces where a tokenizer has them: then no content
// can forge a call. Elsewhere they are text, as Zephyr's roles are.

#ifndef LIBMINILLM_DATA_TOOL_FORMAT_H_
#define LIBMINILLM_DATA_TOOL_FORMAT_H_

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/data/record.h"

namespace minillm {

// The marks of this library's own template; train_tokenizer makes control pieces of them if asked.
inline constexpr std::array<std::string_view, 4> kToolMarks = {
    "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"};

struct TurnPart {
  std::string text;
  bool control = false;  // a control piece, not text; a mark of tools: where the tokenizer has it
};

struct ToolFormat {
  enum class Spelling { kSignature, kJson, kIndentedJson, kPython };
  // The message that declares them: the system's, the first question, or one before the last
  // question.
  enum class Place { kSystem, kFirstUser, kBeforeLastUser };
  std::vector<std::string> marks;

  // What is declared: begin, every tool in its spelling with `tools_between`, end.
  Spelling spelling = Spelling::kJson;
  Place place = Place::kSystem;
  std::string tools_begin, tools_between, tools_end;
  std::string after_prompt;  // kSystem: between the system prompt and them
  std::string environment;   // in front of all of the first system message, where there are tools

  // An answer's calls, after its text, if it has one.
  std::string calls_begin, call_begin, call_end, calls_between, calls_end;
  std::string arguments_key = "arguments";
  std::string after_text;  // between the text and the calls
  bool takes_text = true;  // false: an answer is a text or calls
  bool takes_many = true;  // false: one call
  // The published text takes an answer's calls as letters of its content, written as here.
  bool calls_are_content = false;
  bool writes_ids = false;  // of calls and results, nine letters and digits

  std::string result_begin, result_end;
  std::string results_between;  // of those that share a turn
  bool joins_results = false;   // neighbouring results share a turn
  bool quotes_results = false;  // as a JSON string
};

// Throws Error, which calls the template `name`, if the messages hold what the format, or a
// template without one (null), cannot write.
void expect_writable(const ToolFormat* format, const std::string& name,
                     const std::vector<Message>& messages);

// What is written inside of a turn, piece by piece.
class TurnBody {
 public:
  explicit TurnBody(const ToolFormat* format) : format_(format) {}
  void content(std::string_view text) { add(text, false); }  // of the conversation: it has no marks
  void written(std::string_view text);                       // by the template, marks and all
  void declare(const std::vector<Tool>& tools);
  void call(const std::vector<ToolCall>& calls);
  void result(const Message& result);
  void control(std::string_view piece) { add(piece, true); }
  void put_before(const std::string& text);

  const std::vector<TurnPart>& parts() const { return parts_; }

 private:
  void add(std::string_view text, bool control);

  const ToolFormat* format_;  // may be null, where there are no tools
  std::vector<TurnPart> parts_;
};

// add(a: integer, b: integer): the parameters in the declaration's order, and their types where
// they are one word.
std::string tool_signature(const Tool& tool);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_TOOL_FORMAT_H_
