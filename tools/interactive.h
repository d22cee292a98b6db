// The interactive session of minillm-generate.

#ifndef TOOLS_INTERACTIVE_H_
#define TOOLS_INTERACTIVE_H_

#include <string>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/generate/generator.h"
#include "tools/constraint_option.h"

namespace minillm {

struct InteractiveOptions {
  std::string checkpoint;
  std::vector<Checkpoint::AdapterArgument> adapters;  // on it
  bool chat = false;   // even if the checkpoint has not been taught to
  bool force = false;  // even with another chat template than taught, or adapters of another base
  std::string chat_template;  // empty: the checkpoint's
  std::string system;
  std::string notes;               // index in which every question is looked up; empty: none
  std::vector<std::string> tools;  // that may be called
  std::string clock;               // what the tool of that name says; empty: the time
  GenerationConfig generation;
  ConstraintOption constraint;
  std::string policy;    // file of rules on what is asked and answered; empty: none
  bool terminal = true;  // set by run_interactive: whether somebody types
};

// Reads lines from standard input until its end: chats (if the checkpoint has been taught to, or if
// asked to), or continues each line as text. Returns the exit code.
//
// At a terminal there are commands (/quit, ...), and Ctrl-C ends the answer, not the session. From
// a pipe or a file every line is a prompt, also one that begins with '/'; Ctrl-C ends the run
// (130), and a line that fails is told and gives the run its exit code, but not its end. Only
// errors in loading the first checkpoint are thrown.
int run_interactive(InteractiveOptions options);

}  // namespace minillm

#endif  // TOOLS_INTERACTIVE_H_
