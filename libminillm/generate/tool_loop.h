// ToolLoop: answers whose calls of tools are run, until one calls none.
//
//   ToolLoop loop(tokenizer, tools, messages);
//   while (loop.take(generator.generate(loop.prompt(), config))) {}
//   loop.answer().content

#ifndef LIBMINILLM_GENERATE_TOOL_LOOP_H_
#define LIBMINILLM_GENERATE_TOOL_LOOP_H_

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "libminillm/data/record.h"
#include "libminillm/data/tokenizer.h"
#include "libminillm/generate/generation.h"

namespace minillm {

// A tool and what it does: takes the arguments, a JSON object as text, and returns what the model
// is told. A call that fails is no error of the program: throw ToolError, and the model is told.
struct CallableTool {
  Tool declared;
  std::function<std::string(const std::string& arguments)> run;
};
struct ToolError {
  std::string what;
};

inline constexpr int kMaxToolRounds = 4;

// What a call returns: what the tool said, or "error: ..." for a tool that there is not and for
// arguments that it does not take.
std::string run_tool_call(std::span<const CallableTool> tools, const ToolCall& call);

class ToolLoop {
 public:
  // The conversation ends with a question; the tools are declared in its system message. Throws
  // Error if the tokenizer's template cannot write tools. The tokenizer must outlive the loop.
  ToolLoop(const Tokenizer& tokenizer, std::vector<CallableTool> tools,
           std::vector<Message> messages, int max_rounds = kMaxToolRounds);

  std::vector<Token> prompt() const;  // to be answered next
  // Takes the answer to prompt(), and runs its calls. Whether there is another prompt(): tools were
  // called, in fewer than `max_rounds` answers.
  bool take(const Generation& answer);

  // The conversation with the answers, calls and results so far.
  const std::vector<Message>& messages() const { return messages_; }
  // The last answer. It has calls, which were not run, only if there were too many rounds.
  const Message& answer() const { return messages_.back(); }

 private:
  const Tokenizer* tokenizer_;
  std::vector<CallableTool> tools_;
  std::vector<Message> messages_;
  int rounds_left_;
};

// The conversation with these tools declared in its system message.
std::vector<Message> with_tools(std::vector<Message> messages, std::span<const CallableTool> tools);

// An answer as a message: its text, without the template's space, and its calls. Of one that a stop
// string ended, what comes before that.
Message answer_message(const Tokenizer& tokenizer, const Generation& answer);

// Runs the calls of the last message, and appends their results. Whether there were calls.
bool run_tool_calls(std::span<const CallableTool> tools, std::vector<Message>& messages);

}  // namespace minillm

#endif  // LIBMINILLM_GENERATE_TOOL_LOOP_H_
